import Agent
import DIMP
import Dispatch
import Format
import Glibc
import Records
import Transport

/// All links to brokers: places become topics, link events become inputs.
@MainActor final class Brokers {
    struct Setting: Sendable {
        var options: BrokerOptions
        var topics: Topics
        var url: String

        /// Whether a connection made by one does for the other.
        func connects(like other: Setting) -> Bool {
            let (one, two) = (options, other.options)
            return url == other.url && topics.root == other.topics.root && one.username == two.username
                && one.password == two.password && one.caFile == two.caFile && one.certFile == two.certFile
                && one.keyFile == two.keyFile && one.keepAlive == two.keepAlive
        }
    }

    /// How one broker is doing, for `status`.
    struct Condition {
        var state = "connecting"
        var reason: String?
        var version: String?
    }

    /// What passed between us and one broker since the start of the daemon.
    struct Traffic {
        var connections = 0
        /// Connections that ended without our wish, and attempts that failed.
        var losses = 0
        var failures = 0
        var takeOvers = 0
        /// Publications by what the broker said of them.
        var taken = 0
        var nobody = 0
        var refused = 0
        /// Publications without any word when the connection ended.
        var lost = 0
        /// Publications that came, and their bytes.
        var received = 0
        var receivedBytes = 0
    }

    private let loop: Loop
    private let pool: Pool
    private var settings: [String: Setting] = [:]
    private var links: [String: Link] = [:]
    /// The parcel numbers of what brokers have not acknowledged.
    private var tokens: [String: [Int32: UInt64]] = [:]
    /// Parcels that found no room yet.
    private var held: [String: [Parcel]] = [:]
    /// Whose topics were asked for, by broker.
    private var kept: [String: [Address]] = [:]
    private var presence: Presence?
    /// The connections on which our presence was stated.
    private var stated: Set<String> = []
    /// Another board goes on with our keys: nothing is dialled any more.
    private(set) var isStandingBack = false
    /// No link is wanted for now: our keys are moving elsewhere.
    private(set) var isResting = false
    /// Links that are ended in order to begin anew, with other options.
    private var renewed: Set<String> = []
    /// Links that are ended because the configuration has their broker no more.
    private var retired: Set<String> = []
    /// Brokers where somebody else has our client id.
    private var usurped: Set<String> = []
    /// Since when brokers are connected, in seconds of the board, and how many connections in a row were soon lost.
    private var since: [String: Double] = [:]
    private var losses: [String: Int] = [:]
    /// Brokers whose last connections ended with the daemon, before they were a minute old.
    private var starts: [String: Int] = [:]
    private var connections = 0
    private var measured: [String: Int] = [:]
    private var isSuspended = false
    /// Bytes that brokers gave us and that no turn has dealt with.
    private var gathered = 0
    private(set) var conditions: [String: Condition] = [:]
    /// How the messages begin that a doctor publishes to our own inboxes: nobody else sees them.
    var probes: [[UInt8]] = []
    private(set) var traffic: [String: Traffic] = [:]
    private var ending: (@MainActor () -> Void)?

    /// Beyond this many errands the brokers are held back.
    private static let backlog = 512
    /// Or this many bytes of messages: each of them is in memory in several forms.
    private static let weight = 4 << 20

    init(loop: Loop, pool: Pool) {
        self.loop = loop
        self.pool = pool
    }

    var names: [String] { settings.keys.filter { !retired.contains($0) }.sorted() }
    /// Publications that the broker has not acknowledged, and those that wait for room.
    func unacknowledged(_ name: String) -> Int { tokens[name]?.count ?? 0 }
    func queued(_ name: String) -> Int { held[name]?.count ?? 0 }
    func url(_ name: String) -> String? { settings[name]?.url }

    /// Why a broker is not connected; `nil` when it is.
    func trouble(_ name: String) -> String? {
        guard links[name]?.isConnected != true else { return nil }
        return conditions[name].map { $0.reason ?? $0.state } ?? "not dialled yet"
    }

    static func probe(_ nonce: String) -> [UInt8] { Array("{\"probe\":\"\(nonce)\"".utf8) }

    // MARK: - Beginning and end

    /// Dials every broker; one that is connected already is dialled anew when its options or our presence changed.
    /// `starts`: how often in a row a start ended soon after connecting, by broker.
    func start(_ all: [Setting], presence: Presence?, starts: [String: Int] = [:]) {
        guard ending == nil, !isStandingBack, !isResting else { return }
        let last = self.presence.flatMap { $0.address == presence?.address ? nil : $0 }
        self.presence = presence
        self.starts.merge(starts) { $1 }
        for var setting in all {
            let name = setting.options.name
            setting.options.will = will(on: setting.topics)
            settings[name] = setting
            if links[name] == nil { dial(name) } else { renew(name, saying: last) }
        }
    }

    /// Goes on with other settings: leaves the brokers that are neither in them nor in `kept`, dials the new ones, and
    /// anew those that have changed or are not connected.
    func change(to all: [Setting], keeping kept: [String]) {
        guard ending == nil, !isStandingBack, !isResting else { return }
        let wanted = Set(all.map(\.options.name) + kept)
        for name in settings.keys where !wanted.contains(name) { retire(name) }
        for var setting in all {
            let name = setting.options.name
            setting.options.will = will(on: setting.topics)
            guard let old = settings[name], links[name] != nil else {
                settings[name] = setting
                dial(name)
                continue
            }
            let isBack = retired.remove(name) != nil
            setting.options.clientID = old.options.clientID
            setting.options.startsClean = old.options.startsClean
            guard isBack || conditions[name]?.state != "connected" || !setting.connects(like: old) else { continue }
            renew(name, saying: presence)
            settings[name] = setting
        }
    }

    private func retire(_ name: String) {
        renewed.remove(name)
        retired.insert(name)
        guard let link = links[name] else { return stopped(name) }
        link.stop(publishing: farewell(of: presence, on: name))
    }

    private func will(on topics: Topics) -> Will? {
        presence.map { Will(topic: topics.text(.state($0.address)), payload: $0.gone) }
    }

    private func dial(_ name: String) {
        guard let setting = settings[name] else { return }
        conditions[name] = Condition()
        let link = Link(setting.options) { [weak self] event in self?.hear(event, from: name) }
        links[name] = link
        link.start()
    }

    /// Hangs up and dials again. `last`: the presence of another identity, which is gone from the topic it was on.
    private func renew(_ name: String, saying last: Presence? = nil) {
        renewed.insert(name)
        links[name]?.stop(publishing: farewell(of: last, on: name))
    }

    /// Hangs up for good. Nothing is said on the topics: what stands there is another board's.
    func standBack() {
        isStandingBack = true
        for (name, link) in links {
            conditions[name] = Condition(state: "away", reason: "another board has our keys")
            link.stop(publishing: [])
        }
        for name in settings.keys { endStart(of: name) }
    }

    /// Says that we are gone and hangs up; calls back when every link has ended.
    func stop(_ action: @escaping @MainActor () -> Void) {
        guard !links.isEmpty else { return action() }
        ending = action
        for (name, link) in links { link.stop(publishing: farewell(of: presence, on: name)) }
    }

    /// The same for a time: nothing is dialled until `resume()`.
    func rest(_ action: @escaping @MainActor () -> Void) {
        isResting = true
        stop { [self] in
            for name in settings.keys.sorted() {
                conditions[name] = Condition(state: "away", reason: "our keys move elsewhere")
                loop.take(.unlinked(broker: name))
            }
            // Nobody wants it any more, since before all had ended.
            if !isResting { dialAgain() }
            action()
        }
    }

    func resume() {
        guard isResting else { return }
        isResting = false
        dialAgain()
    }

    private func dialAgain() {
        guard ending == nil, !isStandingBack else { return }
        for name in settings.keys.sorted() where links[name] == nil { dial(name) }
    }

    private func farewell(of presence: Presence?, on name: String) -> [Publication] {
        guard let presence, let topics = settings[name]?.topics else { return [] }
        return [Publication(topic: topics.text(.state(presence.address)), payload: presence.gone)]
    }

    // MARK: - Outwards

    /// What does not go now waits for room, or comes back as refused: the messenger always hears of it.
    func publish(_ parcel: Parcel) {
        let reason: String
        do throws(TransportError) {
            guard let link = links[parcel.broker], let topics = settings[parcel.broker]?.topics else { throw .notNow }
            let token = try link.publish(
                topic: topics.text(parcel.place), payload: parcel.payload, retain: parcel.isRetained,
                expiry: parcel.isRetained ? nil : parcel.expiry)
            tokens[parcel.broker, default: [:]][token] = parcel.number
            return
        } catch {
            let isConnected = links[parcel.broker]?.isConnected == true
            if error == .notNow, isConnected, held[parcel.broker, default: []].count < 1024 {
                held[parcel.broker, default: []].append(parcel)
                return
            }
            reason = "\(error)"
        }
        loop.take(.acknowledged(parcel.number, .refused(reason)))
    }

    func keep(_ addresses: [Address], on broker: String) {
        guard let link = links[broker], let topics = settings[broker]?.topics else { return }
        let left = (kept[broker] ?? []).filter { !addresses.contains($0) }
        kept[broker] = addresses
        link.subscribe(addresses.flatMap(topics.own))
        // After the question: so a broker first shows what stood there.
        if stated.insert(broker).inserted, let presence { state(presence.online, of: presence.address, on: broker) }
        if !left.isEmpty { link.unsubscribe(left.flatMap(topics.own)) }
    }

    /// Our presence again; `online`: with more in it than is stated on every connection.
    func state(_ online: [UInt8]?, of address: Address, on broker: String) {
        guard ending == nil, !isStandingBack, !renewed.contains(broker), let topics = settings[broker]?.topics,
            let payload = online ?? (presence?.address == address ? presence?.online : nil)
        else { return }
        _ = try? links[broker]?.publish(topic: topics.text(.state(address)), payload: payload, retain: true)
    }

    func watch(_ address: Address) {
        for (name, link) in links { settings[name].map { link.subscribe($0.topics.card(address)) } }
    }

    func leave(_ address: Address) {
        for (name, link) in links { settings[name].map { link.unsubscribe($0.topics.card(address)) } }
    }

    func abandon(_ address: Address, on broker: String) {
        guard let topics = settings[broker]?.topics else { return }
        links[broker]?.unsubscribe(topics.own(address))
    }

    /// Called after every turn: brokers are read from again when the backlog is gone.
    func relieve() {
        gathered = loop.weight + pool.weight
        guard isSuspended, !isCrowded else { return }
        isSuspended = false
        for link in links.values { link.resumeReading() }
    }

    private var isCrowded: Bool { loop.backlog + pool.load > Self.backlog || gathered > Self.weight }

    // MARK: - Inwards

    private func hear(_ event: LinkEvent, from name: String) {
        switch event {
        case .connecting:
            conditions[name]?.state = "connecting"
        case .connected(let version, _):
            conditions[name] = Condition(state: "connected", reason: nil, version: version.number)
            forgetParcels(of: name)
            traffic[name, default: Traffic()].connections += 1
            since[name] = Clock.read(CLOCK_BOOTTIME)
            settings[name]?.options.startsClean = false
            measureStart(of: name)
            note(name, .info, "connected to broker \(name) by \(version)", reason: "connected")
            loop.take(.linked(broker: name, room: links[name]?.room ?? 0))
        case .failed(let reason, _):
            traffic[name, default: Traffic()].failures += 1
            // Said once, not at each of a day's thousand attempts.
            if conditions[name]?.reason != reason {
                note(name, .warning, "broker \(name) is away: \(reason)", reason: "away")
            }
            conditions[name] = Condition(state: "away", reason: reason, version: nil)
        case .disconnected(let reason, _):
            conditions[name] = Condition(state: "away", reason: reason, version: nil)
            traffic[name, default: Traffic()].losses += 1
            forgetParcels(of: name)
            note(name, .warning, "lost broker \(name): \(reason)", reason: "lost")
            loop.take(.unlinked(broker: name))
            if usurped.remove(name) != nil || isShaken(name) { changeClientID(on: name) }
        case .takenOver:
            usurped.insert(name)
            traffic[name, default: Traffic()].takeOvers += 1
            note(name, .warning, "another client took our client id at broker \(name)", reason: "taken-over")
        case .message(let topic, let payload, let retained):
            receive(topic, payload, retained, name)
        case .acknowledged(let token, let outcome):
            guard let number = tokens[name]?.removeValue(forKey: token) else { return flush(name) }
            count(outcome, name)
            loop.take(.acknowledged(number, Outcome(outcome)))
            flush(name)
        case .subscribed(_, let refused):
            for refusal in refused {
                note(
                    name, .error, "broker \(name) refuses topic \(refusal.topic): \(refusal.reason)",
                    reason: "not-subscribed")
            }
        case .roomAgain:
            flush(name)
        case .stopped:
            links[name] = nil
            forgetParcels(of: name)
            stopped(name)
        }
    }

    private func stopped(_ name: String) {
        let isRetired = retired.remove(name) != nil
        if isRetired {
            endStart(of: name)
            settings[name] = nil
            conditions[name] = nil
        }
        if let action = ending {
            guard links.isEmpty else { return }
            ending = nil
            for name in settings.keys { endStart(of: name) }
            return action()
        }
        if isRetired { return loop.take(.unlinked(broker: name)) }
        guard renewed.remove(name) != nil, !isStandingBack, !isResting else { return }
        loop.take(.unlinked(broker: name))
        dial(name)
    }

    private func count(_ outcome: PublishOutcome, _ name: String) {
        switch outcome {
        case .accepted: traffic[name, default: Traffic()].taken += 1
        case .nobody: traffic[name, default: Traffic()].nobody += 1
        case .refused: traffic[name, default: Traffic()].refused += 1
        }
    }

    private func forgetParcels(of name: String) {
        traffic[name, default: Traffic()].lost += unacknowledged(name)
        tokens[name] = [:]
        held[name] = []
        kept[name] = []
        stated.remove(name)
    }

    /// MQTT 3.1.1 does not say that somebody took our client id: connections are lost soon, one after the other. Such
    /// a guess counts once.
    private func isShaken(_ name: String) -> Bool {
        let lasted = Clock.read(CLOCK_BOOTTIME) - (since[name] ?? 0)
        losses[name] = lasted < 60 ? (losses[name] ?? 0) + 1 : 0
        let hasSuffix = settings[name]?.options.clientID.utf8.contains(UInt8(ascii: ".")) == true
        guard losses[name] == 3, !hasSuffix else { return false }
        note(
            name, .warning, "three connections to broker \(name) were soon lost: perhaps another has our client id",
            reason: "client-id-changed")
        return true
    }

    /// Else the two would take it from each other for ever.
    private func changeClientID(on name: String) {
        guard !isStandingBack, let id = settings[name]?.options.clientID else { return }
        let suffix = String(UInt16.random(in: 0...UInt16.max), radix: 36)
        settings[name]?.options.clientID = "\(id.split(separator: ".").first ?? "culver").\(suffix)"
        renew(name)
    }

    // MARK: - Starts that end soon

    /// A broker's queue may hold what kills us (design section 4). So it is written down that we connected, and taken
    /// back when we have lived for a minute since, or end as we should.
    private func measureStart(of name: String) {
        let count = (starts[name] ?? 0) + 1
        loop.add(.chore { turn in try turn.ledger.apply(.value(key: Self.startKey(name), String(count))) })
        connections += 1
        let connection = connections
        measured[name] = connection
        DispatchQueue.main.asyncAfter(deadline: .now() + 60) { [weak self] in
            MainActor.assumeIsolated {
                guard let self, self.measured[name] == connection else { return }
                self.endStart(of: name)
            }
        }
    }

    private func endStart(of name: String) {
        guard measured.removeValue(forKey: name) != nil else { return }
        starts[name] = nil
        loop.add(.chore { turn in try turn.ledger.apply(.value(key: Self.startKey(name), nil)) })
    }

    static func startKey(_ broker: String) -> String { "unsteady \(broker)" }

    private func receive(_ topic: String, _ payload: [UInt8], _ retained: Bool, _ name: String) {
        guard !probes.contains(where: { payload.starts(with: $0) }) else { return }
        gathered += payload.count
        traffic[name, default: Traffic()].received += 1
        traffic[name, default: Traffic()].receivedBytes += payload.count
        guard let place = settings[name]?.topics.place(topic) else { return }
        switch place {
        case .inbox(let address): loop.take(.arrived(payload, at: address, isRetained: retained))
        default: loop.take(.found(place, payload, broker: name))
        }
        if !isSuspended, isCrowded {
            isSuspended = true
            for link in links.values { link.suspendReading() }
        }
    }

    /// Parcels that waited for room, each once: where the connection breaks under them they wait again, and the link
    /// says that it is connected until the main queue's next turn.
    private func flush(_ name: String) {
        for _ in 0..<(held[name]?.count ?? 0) {
            guard (links[name]?.room ?? 0) > 0, let parcel = held[name]?.first else { return }
            held[name]?.removeFirst()
            publish(parcel)
        }
    }

    private func note(_ broker: String, _ level: Happening.Level, _ text: String, reason: String) {
        loop.add(
            .chore { turn in
                try turn.note(.broker, level, text, broker: broker, reason: reason)
            })
        loop.log(Log.Level(level), text)
    }
}

extension Outcome {
    init(_ outcome: PublishOutcome) {
        switch outcome {
        case .accepted: self = .taken
        case .nobody: self = .nobody
        case .refused(let code, let words): self = .refused("\(words) (\(code))")
        }
    }
}

extension Log.Level {
    init(_ level: Happening.Level) {
        switch level {
        case .error: self = .error
        case .warning: self = .warning
        case .info: self = .info
        case .debug: self = .debug
        }
    }
}
