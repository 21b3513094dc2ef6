import Agent
import DIMP
import Dispatch
import Glibc
import Records
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
        /// Nobody ends it.
        case stay
        /// It begins anew, with other options.
        case again
        /// Nothing is wanted for now.
        case rest
        /// The configuration has this broker no more.
        case leave
    }

    private(set) var setting: BrokerSetting
    /// What is stated on every connection; `nil` without an identity.
    var presence: Presence?
    private(set) var condition = Condition()
    private(set) var traffic = Traffic()
    private(set) var fate = AfterEnd.stay
    /// A message came: its topic's place, unless it is no topic of ours, and its bytes.
    var onMessage: (@MainActor (Topic?, _ payload: [UInt8], _ isRetained: Bool) -> Void)?
    /// The link has ended; `fate` says what is to follow.
    var onEnd: (@MainActor () -> Void)?

    private let loop: Loop
    private var link: Link?
    /// The parcel numbers of what the broker has not acknowledged.
    private var tokens: [Int32: UInt64] = [:]
    /// Parcels that found no room yet.
    private var held: [Publication] = []
    /// Whose topics were asked for on this connection.
    private var kept: [Address] = []
    /// Our presence was stated on this connection.
    private var isStated = false
    /// Somebody else has our client id.
    private var isUsurped = false
    /// When the connection was made, in seconds of the board, and how many in a row were soon lost.
    private var since = 0.0
    private var losses = 0
    /// How often in a row a start of the daemon ended soon after connecting here, and the connection that is watched for it.
    private var starts: Int
    private var watched: Int?

    init(_ setting: BrokerSetting, presence: Presence?, starts: Int, loop: Loop) {
        self.setting = setting
        self.presence = presence
        self.starts = starts
        self.loop = loop
    }

    var name: String { setting.options.name }
    var topics: Topics { setting.topics }
    var isLinked: Bool { link != nil }
    var isConnected: Bool { link?.isConnected == true }
    /// Publications that the broker has not acknowledged, and those that wait for room.
    var unacknowledged: Int { tokens.count }
    var queued: Int { held.count }

    /// Why it is not connected; `nil` when it is.
    var trouble: String? { isConnected ? nil : condition.reason ?? condition.state.rawValue }

    // MARK: - Beginning and end

    func dial() {
        fate = .stay
        condition = Condition()
        setting.options.will = presence.map { Will(topic: topics.text(.state($0.address)), payload: $0.gone) }
        let link = Link(setting.options) { [weak self] event in self?.hear(event) }
        self.link = link
        link.start()
    }

    /// Hangs up and dials by another setting. `last`: the presence of another identity, which is gone from the topic it
    /// was on.
    func renew(by new: BrokerSetting, saying last: Presence?) {
        hangUp(.again, saying: last)
        setting = new
    }

    /// The same if the broker is away, or reached in another way than now.
    func change(to new: BrokerSetting) {
        var new = new
        new.options.clientID = setting.options.clientID
        new.options.startsClean = setting.options.startsClean
        if fate == .leave || condition.state != .connected || !new.connects(like: setting) {
            renew(by: new, saying: presence)
        }
    }

    /// Says that `last` is gone, and hangs up.
    func hangUp(_ fate: AfterEnd, saying last: Presence?) {
        self.fate = fate
        let farewell = last.map { MQTTPublication(topic: topics.text(.state($0.address)), payload: $0.gone) }
        link?.stop(publishing: farewell.map { [$0] } ?? [])
    }

    /// For `status`: why nothing is dialled.
    func stayAway(because reason: String) {
        condition = Condition(state: .away, reason: reason)
    }

    // MARK: - Outwards

    /// What does not go now waits for room, or comes back as refused: the messenger always hears of it.
    func publish(_ parcel: Publication) {
        do throws(TransportError) {
            guard let link else { throw .notNow }
            let token = try link.publish(
                topic: topics.text(parcel.place), payload: parcel.payload, retain: parcel.isRetained,
                expiry: parcel.isRetained ? nil : parcel.expiry)
            tokens[token] = parcel.number
        } catch {
            if error == .notNow, isConnected, held.count < 1024 { return held.append(parcel) }
            loop.take(.acknowledged(parcel.number, .refused("\(error)")))
        }
    }

    /// Listens for these addresses, and for no others of ours.
    func keep(_ addresses: [Address]) {
        guard let link else { return }
        let left = kept.filter { !addresses.contains($0) }
        kept = addresses
        link.subscribe(addresses.flatMap(topics.own))
        // After the question: so a broker first shows what stood there.
        if !isStated, let presence {
            isStated = true
            state(presence.online, of: presence.address)
        }
        if !left.isEmpty { link.unsubscribe(left.flatMap(topics.own)) }
    }

    /// Our presence again; `online`: with more in it than is stated on every connection.
    func state(_ online: [UInt8]?, of address: Address) {
        guard fate == .stay, let payload = online ?? (presence?.address == address ? presence?.online : nil)
        else { return }
        _ = try? link?.publish(topic: topics.text(.state(address)), payload: payload, retain: true)
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
        case .connected(let version, _):
            condition = Condition(state: .connected, version: version.number)
            forgetParcels()
            traffic.connections += 1
            since = Clock.read(CLOCK_BOOTTIME)
            setting.options.startsClean = false
            watchStart()
            note(.info, "connected to broker \(name) by \(version)", reason: "connected")
            loop.take(.linked(broker: name, room: link?.room ?? 0))
        case .failed(let reason, _):
            traffic.failures += 1
            // Said once, not at each of a day's thousand attempts.
            if condition.reason != reason { note(.warning, "broker \(name) is away: \(reason)", reason: "away") }
            condition = Condition(state: .away, reason: reason)
        case .disconnected(let reason, _):
            condition = Condition(state: .away, reason: reason)
            traffic.losses += 1
            forgetParcels()
            note(.warning, "lost broker \(name): \(reason)", reason: "lost")
            loop.take(.unlinked(broker: name))
            if isUsurped || isShaken() { changeClientID() }
        case .takenOver:
            isUsurped = true
            traffic.takeOvers += 1
            note(.warning, "another client took our client id at broker \(name)", reason: "taken-over")
        case .message(let topic, let payload, let isRetained):
            onMessage?(topics.place(topic), payload, isRetained)
        case .acknowledged(let token, let outcome):
            if let number = tokens.removeValue(forKey: token) {
                traffic.count(outcome)
                loop.take(.acknowledged(number, Outcome(outcome)))
            }
            flush()
        case .subscribed(_, let refused):
            for refusal in refused {
                note(
                    .error, "broker \(name) refuses topic \(refusal.topic): \(refusal.reason)",
                    reason: "not-subscribed")
            }
        case .roomAgain:
            flush()
        case .stopped:
            link = nil
            forgetParcels()
            onEnd?()
        }
    }

    /// What came from the broker and is ours.
    func count(_ payload: [UInt8]) {
        traffic.received += 1
        traffic.receivedBytes += payload.count
    }

    private func forgetParcels() {
        traffic.lost += tokens.count
        tokens = [:]
        held = []
        kept = []
        isStated = false
    }

    /// Parcels that waited for room, each once: where the connection breaks under them they wait again, and the link
    /// says that it is connected until the main queue's next turn.
    private func flush() {
        for _ in held.indices {
            guard let link, link.room > 0, !held.isEmpty else { return }
            publish(held.removeFirst())
        }
    }

    // MARK: - Another client with our client id

    /// MQTT 3.1.1 does not say that somebody took our client id: connections are lost soon, one after the other. Such
    /// a guess counts once.
    private func isShaken() -> Bool {
        losses = Clock.read(CLOCK_BOOTTIME) - since < 60 ? losses + 1 : 0
        guard losses == 3, !setting.options.clientID.utf8.contains(UInt8(ascii: ".")) else { return false }
        note(
            .warning, "three connections to broker \(name) were soon lost: perhaps another has our client id",
            reason: "client-id-changed")
        return true
    }

    /// Else the two would take it from each other for ever.
    private func changeClientID() {
        isUsurped = false
        guard fate == .stay else { return }
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
            .chore { [key = Self.startKey(name), count = starts + 1] turn in
                try turn.ledger.apply(.value(key: key, String(count)))
            })
        let connection = traffic.connections
        watched = connection
        DispatchQueue.main.asyncAfter(deadline: .now() + 60) { [weak self] in
            MainActor.assumeIsolated {
                if let self, self.watched == connection { self.endStart() }
            }
        }
    }

    func endStart() {
        guard watched != nil else { return }
        watched = nil
        starts = 0
        loop.add(.chore { [key = Self.startKey(name)] turn in try turn.ledger.apply(.value(key: key, nil)) })
    }

    /// Where the store keeps how many starts ended soon after connecting.
    static func startKey(_ name: String) -> String { "unsteady \(name)" }

    private func note(_ level: EventRecord.Level, _ text: String, reason: String) {
        loop.add(.chore { [name] turn in try turn.note(.broker, level, text, broker: name, reason: reason) })
        loop.log(Log.Level(level), text)
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

extension Log.Level {
    fileprivate init(_ level: EventRecord.Level) {
        switch level {
        case .error: self = .error
        case .warning: self = .warning
        case .info: self = .info
        case .debug: self = .debug
        }
    }
}
