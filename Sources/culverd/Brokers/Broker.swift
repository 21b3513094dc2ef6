import Agent
import DIMP
import Records
import System
import Transport

/// One broker of the configuration: its link, what is on its way there, and how it is doing.
@MainActor final class Broker {
    /// How it is doing, for `status`.
    struct Condition {
        enum State: String {
            case connecting, connected, away
        }

        var state = State.connecting
        /// Why it is away.
        var reason: String?
        /// The version of MQTT that is spoken.
        var version: String?
    }

    /// What follows when the link has ended.
    enum AfterEnd {
        /// Nothing: the link is wanted, and dials by itself.
        case stay
        /// It begins anew, with other options.
        case again
        /// Nothing is wanted for now.
        case rest
        /// The configuration has this broker no more.
        case leave
    }

    private(set) var setting: BrokerSetting
    /// What the will says, and the last word; `nil` without an identity.
    var presence: Presence?
    private(set) var condition = Condition()
    /// The reasons of this absence that were told: each once, not at each of a day's thousand attempts.
    private var told: Set<String> = []
    /// What the files of the setting held when the link last dialled, as a digest; `nil` when they could not be read.
    private var files: [UInt8]?
    private(set) var traffic = Traffic()
    private(set) var afterEnd = AfterEnd.stay
    /// A message came: its topic, unless it is none of ours, and its bytes.
    var onMessage: (@MainActor (Topic?, _ payload: [UInt8]) -> Void)?
    /// The link has ended; `afterEnd` says what is to follow.
    var onEnd: (@MainActor () -> Void)?

    private let loop: Loop
    private let makeLink: LinkMaker
    private var link: (any Link)?
    /// The messenger's numbers of what the broker has not acknowledged, by the link's.
    private var tokens: [Int32: UInt64] = [:]
    /// Those of them that state our presence: they are no traffic of messages and cards, and not counted.
    private var statements: Set<UInt64> = []
    /// Whose topics were asked for on this connection.
    private var kept: [Address] = []
    /// Somebody else has our client id.
    private var isUsurped = false
    /// When the connection was made, in seconds of the board, and how many in a row were soon lost.
    private var since = 0.0
    private var losses = 0
    /// How often in a row a start of the daemon ended soon after connecting here, and the connection that is watched for it.
    private var starts: Int
    private var watched: Int?

    init(_ setting: BrokerSetting, presence: Presence?, starts: Int, loop: Loop, makeLink: @escaping LinkMaker) {
        self.makeLink = makeLink
        self.setting = setting
        self.presence = presence
        self.starts = starts
        self.loop = loop
    }

    var name: String { setting.options.name }
    var topics: Topics { setting.topics }
    var isLinked: Bool { link != nil }
    var isConnected: Bool { link?.isConnected == true }
    /// What the broker grants to the connection that there is.
    var greeting: Greeting? { link?.greeting }
    /// Publications that the broker has not acknowledged.
    var unacknowledged: Int { tokens.count - statements.count }

    /// Why it is not connected; `nil` when it is.
    var trouble: String? { isConnected ? nil : condition.reason ?? condition.state.rawValue }

    // MARK: - Beginning and end

    func dial() {
        afterEnd = .stay
        condition = Condition()
        told = []
        setting.options.will = presence.map { Will(topic: topics.text(.state($0.address)), payload: $0.gone) }
        let link = makeLink(setting.options) { [weak self] event in self?.hear(event) }
        self.link = link
        link.start()
    }

    /// Hangs up and dials by another setting. `last`: the presence of another identity, which is gone from the topic it
    /// was on.
    func renew(by new: BrokerSetting, saying last: Presence?) {
        hangUp(.again, saying: last)
        setting = new
    }

    /// The same if the broker is away, or reached in another way than now, or by files that hold something else.
    func change(to new: BrokerSetting) {
        var new = new
        new.options.clientID = setting.options.clientID
        new.options.startsClean = setting.options.startsClean
        let isSame = new.connects(like: setting) && (try? new.digestOfFiles()) == files
        if afterEnd == .leave || condition.state != .connected || !isSame {
            renew(by: new, saying: presence)
        }
    }

    /// Says that `last` is gone, and hangs up.
    func hangUp(_ afterEnd: AfterEnd, saying last: Presence?) {
        self.afterEnd = afterEnd
        let farewell = last.map { MQTTPublication(topic: topics.text(.state($0.address)), payload: $0.gone) }
        link?.stop(publishing: farewell.map { [$0] } ?? [])
    }

    /// For `status`: why nothing is dialled.
    func stayAway(because reason: String) {
        condition = Condition(state: .away, reason: reason)
    }

    // MARK: - Outwards

    /// What does not go comes back as refused: the messenger always hears of it. It knows the link's room, so that happens
    /// only when the link is lost or being left.
    func publish(_ publication: Publication) {
        let topic = publication.topic
        do throws(TransportError) {
            // Nothing is stated any more once this board has said that it is gone.
            guard let link, afterEnd == .stay || !topic.isState else { throw .notNow }
            let token = try link.publish(
                topic: topics.text(topic), payload: publication.payload, retain: topic.isRetained,
                expiry: topic.isRetained ? nil : publication.expiry)
            tokens[token] = publication.number
            if topic.isState { statements.insert(publication.number) }
        } catch {
            loop.take(.acknowledged(publication.number, .refused("\(error)")))
        }
    }

    /// Listens for these addresses of the board, and for no others of it.
    func keep(_ addresses: [Address]) {
        guard let link else { return }
        let left = kept.filter { !addresses.contains($0) }
        kept = addresses
        link.subscribe(addresses.flatMap(topics.own))
        if !left.isEmpty { link.unsubscribe(left.flatMap(topics.own)) }
    }

    func watch(_ address: Address) { link?.subscribe(topics.card(address)) }
    func leave(_ address: Address) { link?.unsubscribe(topics.card(address)) }
    func abandon(_ address: Address) { link?.unsubscribe(topics.own(address)) }

    func suspendReading() { link?.suspendReading() }
    func resumeReading() { link?.resumeReading() }

    // MARK: - Inwards

    private func hear(_ event: LinkEvent) {
        switch event {
        case .connecting:
            condition.state = .connecting
            // The link reads them next.
            files = try? setting.digestOfFiles()
        case .stalled(let reason):
            condition.reason = reason
            tellAway(reason)
        case .connected(let version, _):
            condition = Condition(state: .connected, version: version.number)
            told = []
            forgetPublications()
            traffic.connections += 1
            since = KernelClock.boottime.now
            setting.options.startsClean = false
            watchStart()
            note(.info, "connected to broker \(name) by \(version)", reason: "connected")
            loop.take(.linked(broker: name, room: link?.room ?? 0))
        case .failed(let reason, _):
            traffic.failures += 1
            tellAway(reason)
            condition = Condition(state: .away, reason: reason)
        case .disconnected(let reason, _):
            condition = Condition(state: .away, reason: reason)
            traffic.losses += 1
            forgetPublications()
            note(.warning, "lost broker \(name): \(reason)", reason: "lost")
            loop.take(.unlinked(broker: name))
            if isUsurped || isShaken() { changeClientID() }
        case .takenOver:
            isUsurped = true
            traffic.takeOvers += 1
            note(.warning, "another client took our client id at broker \(name)", reason: "taken-over")
        // Not the flag RETAIN: some brokers set it on what they had queued (docs/brokers.md).
        case .message(let topic, let payload, _):
            onMessage?(topics.topic(of: topic), payload)
        case .acknowledged(let token, let outcome):
            if let number = tokens.removeValue(forKey: token) {
                if statements.remove(number) == nil { traffic.count(outcome) }
                loop.take(.acknowledged(number, Outcome(outcome)))
            }
        case .subscribed(_, let refused):
            for refusal in refused {
                note(
                    .error, "broker \(name) refuses topic \(refusal.topic): \(refusal.reason)",
                    reason: "not-subscribed")
            }
        case .roomAgain: break
        case .stopped:
            link = nil
            forgetPublications()
            onEnd?()
        }
    }

    /// A payload that came from the broker and was meant for this daemon.
    func count(_ payload: [UInt8]) {
        traffic.received += 1
        traffic.receivedBytes += payload.count
    }

    private func forgetPublications() {
        traffic.lost += unacknowledged
        tokens = [:]
        statements = []
        kept = []
    }

    // MARK: - Another client with our client id

    /// MQTT 3.1.1 does not say that somebody took our client id: connections are lost soon, one after the other. Such
    /// a guess counts once.
    private func isShaken() -> Bool {
        losses = KernelClock.boottime.now - since < 60 ? losses + 1 : 0
        guard losses == 3, !setting.options.clientID.utf8.contains(UInt8(ascii: ".")) else { return false }
        note(
            .warning, "three connections to broker \(name) were soon lost: perhaps another has our client id",
            reason: "client-id-changed")
        return true
    }

    /// Else the two would take it from each other for ever.
    private func changeClientID() {
        isUsurped = false
        guard afterEnd == .stay else { return }
        let suffix = String(UInt16.random(in: 0...UInt16.max), radix: 36)
        var new = setting
        new.options.clientID = "\(new.options.clientID.split(separator: ".").first ?? "culver").\(suffix)"
        renew(by: new, saying: nil)
    }

    // MARK: - Starts that end soon

    /// The broker's queue may hold what kills us (extensions.md 1). So it is written down that we connected, and taken
    /// back when we have lived for a minute since, or end as we should.
    private func watchStart() {
        loop.add(
            .chore { [key = LedgerKey.quickEnds(broker: name), count = starts + 1] turn in
                try turn.ledger.apply(.value(key, String(count)))
            })
        let connection = traffic.connections
        watched = connection
        MainQueue.after(60) { [weak self] in
            if let self, self.watched == connection { self.endStart() }
        }
    }

    func endStart() {
        guard watched != nil else { return }
        watched = nil
        starts = 0
        loop.add(.chore { [key = LedgerKey.quickEnds(broker: name)] turn in try turn.ledger.apply(.value(key, nil)) })
    }

    /// Sixteen reasons for one absence are enough.
    private func tellAway(_ reason: String) {
        guard told.count < 16, told.insert(reason).inserted else { return }
        note(.warning, "broker \(name) is away: \(reason)", reason: "away")
    }

    private func note(_ level: EventRecord.Level, _ text: String, reason: String) {
        loop.add(
            .chore { [name] turn in try turn.note(.broker, level: level, text: text, broker: name, reason: reason) })
        loop.log(level, text)
    }
}

extension Outcome {
    fileprivate init(_ outcome: PublishOutcome) {
        switch outcome {
        case .accepted: self = .taken
        case .nobody: self = .nobody
        case .refused(let code, let words): self = .refused("\(words) (\(code))")
        }
    }
}
