import Agent
import Diagnostics
import Format
import Records
import Store
import Transport

/// The bridges of the configuration, each with its link to a local broker, and what is told of them.
@MainActor final class BridgeLinks {
    private let loop: Loop
    private let configured: ConfiguredBrokers
    private let makeLink: LinkMaker
    private var all: [String: BridgeLink] = [:]
    private var isStopping = false

    init(
        loop: Loop, configured: ConfiguredBrokers, makeLink: @escaping LinkMaker = { MosquittoLink($0, on: $1) }
    ) {
        self.loop = loop
        self.configured = configured
        self.makeLink = makeLink
    }

    subscript(name: String) -> BridgeLink? { all[name] }

    private var sections: [BridgeSettings] { configured.running.configuration.bridges }

    // MARK: - Beginning and end

    /// Goes on with what the configuration says now. The messenger's policy says the same already.
    func change() {
        guard !isStopping else { return }
        loop.take(.bridge(.configured))
        for bridge in all.values where !sections.contains(where: { $0.name == bridge.name }) {
            all[bridge.name] = nil
            // It lives until its link has ended.
            bridge.onEnd = { bridge.onEnd = nil }
            bridge.leave()
        }
        for section in sections {
            do throws(TransportError) {
                let options = try configured.options(of: section)
                if let bridge = all[section.name] {
                    bridge.change(to: section, options: options)
                } else {
                    let bridge = BridgeLink(section, options: options, loop: loop, makeLink: makeLink)
                    all[section.name] = bridge
                    bridge.dial()
                }
            } catch {
                loop.log(.error, "bridge \(section.name) is not used: \(error)")
            }
        }
    }

    func stop() {
        isStopping = true
        for bridge in all.values { bridge.stop() }
    }

    func perform(_ order: BridgeOrder) {
        switch order {
        case .saved(let bridge): all[bridge]?.saved()
        case .publish(let publication):
            if let bridge = all[publication.bridge] { return bridge.publish(publication) }
            loop.take(
                .bridge(
                    .answered(
                        bridge: publication.bridge, place: publication.place, version: publication.version, .notNow)))
        }
    }

    // MARK: - What is told

    /// For `status`, in the order of the configuration.
    var rows: [JSON] { sections.map(row) }

    private func row(_ section: BridgeSettings) -> JSON {
        let condition = all[section.name]?.condition ?? Broker.Condition()
        let counts = counts(section.name)
        var row: JSONObject = [
            "name": .string(section.name), "broker": .string(section.local.url), "peer": .string(section.peer),
            "state": .string(condition.state.rawValue),
        ]
        row["version"] = condition.version.map { .string($0) }
        row["reason"] = (condition.reason ?? doubt(of: section)).map { .string($0) }
        row["waiting_out"] = .integer(waiting(section.name, .out).count)
        row["waiting_in"] = .integer(waiting(section.name, .inward).count)
        row["delivered"] = .integer(counts.delivered)
        row["published"] = .integer(counts.published)
        return .object(row)
    }

    var names: [String] { sections.map(\.name) }

    func counts(_ name: String) -> BridgeCounts { loop.messenger.counts.bridges[name] ?? BridgeCounts() }

    func waiting(_ name: String, _ direction: BridgedMessage.Way) -> (count: Int64, bytes: Int64) {
        loop.store.bridgedSize(bridge: name, direction: direction)
    }

    /// What is wrong besides the connection, in words; `nil`: nothing.
    private func doubt(of section: BridgeSettings) -> String? {
        guard let peer = section.rule.contact(in: loop.book) else { return "nobody here is named \(section.peer)" }
        guard let contact = loop.book.contact(peer.address), contact.isTrusted else {
            return "\(section.peer) is no contact"
        }
        if loop.book.visa(of: peer) != nil, !contact.isCulver { return "\(section.peer) is no culver agent" }
        if let refused = all[section.name]?.refused.sorted(by: { $0.key < $1.key }).first {
            return "the local broker refuses \(refused.key): \(refused.value)"
        }
        return nil
    }

    /// For `doctor`: one check for each bridge.
    var checks: [Check] {
        sections.map { section in
            let (bridge, name) = (all[section.name], section.name)
            guard let bridge, bridge.isConnected else {
                let condition = bridge?.condition
                return Check(
                    "bridge", .fail,
                    "\(name) is not connected to \(section.local.url): \(condition?.reason ?? condition?.state.rawValue ?? "not dialled yet")",
                    hint: "mosquitto_sub -t test with the URL and the user of [bridge \(name)] shows whether it answers"
                )
            }
            if let doubt = doubt(of: section) {
                return Check("bridge", .fail, "\(name): \(doubt)", hint: "culver contact list; culver.conf(5)")
            }
            let counts = counts(name)
            let lost = counts.withoutRoom + counts.tooLarge + bridge.tooLong
            if lost > 0 {
                return Check("bridge", .warn, "\(name) dropped \(lost) messages: without room, or too large")
            }
            guard bridge.speaksFive else {
                return Check(
                    "bridge", .warn,
                    "\(name): the local broker speaks MQTT 3.1.1 alone, and does not say what is retained or bridged",
                    hint: "mosquitto 1.6 and newer speaks MQTT 5")
            }
            return Check("bridge", .ok, "\(name) is connected to \(section.local.url)")
        }
    }
}
