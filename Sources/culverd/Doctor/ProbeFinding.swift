import Agent
import DIMP
import Format

/// What the second step of a probe found in our own topics.
struct ProbeFinding {
    /// Why a topic may not be subscribed to, or why not be written.
    var denied: [String: String] = [:]
    /// Own topics from which the probe came back.
    var echoed: Set<String> = []
    /// Own topics on which a retained message came, with it. On an inbox there should be none.
    var retained: [String: [UInt8]] = [:]
    var lost: String?

    /// The first inbox from which nothing came back, with the reason if one is known.
    func denied(of target: ProbeTarget) -> (topic: String, reason: String?)? { denied(among: target.inboxes) }

    /// The same of these topics.
    func denied(among topics: [String]) -> (topic: String, reason: String?)? {
        topics.first { !echoed.contains($0) }.map { ($0, denied[$0] ?? lost) }
    }

    /// The retained topics in which ours does not stand.
    func missing(of target: ProbeTarget) -> [String] {
        let topics = target.setting.topics
        var missing: [String] = []
        for (index, identity) in target.identities.enumerated() {
            let address = identity.id.address
            let meta = retained[topics.text(.meta(address))].flatMap { try? Meta(try? JSON(parsing: $0)) }
            if meta?.vouches(for: identity.id) != true { missing.append(topics.text(.meta(address))) }
            let visa = retained[topics.text(.visa(address))].flatMap { try? Document(try? JSON(parsing: $0)) }
            // An older one names a key that is not ours any more: what is written with it cannot be opened.
            let isOurs = (try? visa?.check(about: identity.id, meta: identity.meta)) != nil
            if !isOurs || (visa?.time ?? 0) < identity.visa.time { missing.append(topics.text(.visa(address))) }
            let state = topics.text(.state(address))
            let statement = retained[state].flatMap { Statement($0, by: identity) }
            if index == 0, statement == nil { missing.append(state) }
        }
        return missing
    }
}
