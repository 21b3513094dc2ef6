import Agent
import DIMP
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
    }

    /// How one broker is doing, for `status`.
    struct Condition {
        var state = "connecting"
        var reason: String?
        var version: String?
    }

    private let loop: Loop
    private let pool: Pool
    private var settings: [String: Setting] = [:]
    private var links: [String: Link] = [:]
    /// The parcel numbers of what brokers have not acknowledged.
    private var tokens: [String: [Int32: UInt64]] = [:]
    /// Retained cards that found no room yet.
    private var held: [String: [Parcel]] = [:]
    private var kept: [Address] = []
    private var presence: Presence?
    private var lastState = 0.0
    private var isSuspended = false
    private(set) var conditions: [String: Condition] = [:]
    private var ending: (@MainActor () -> Void)?

    /// Beyond this many errands the brokers are held back.
    private static let backlog = 512

    init(loop: Loop, pool: Pool) {
        self.loop = loop
        self.pool = pool
    }

    var names: [String] { settings.keys.sorted() }
    func url(_ name: String) -> String { settings[name]?.url ?? "" }

    // MARK: - Beginning and end

    func start(_ all: [Setting], presence: Presence?) {
        self.presence = presence
        for setting in all {
            let name = setting.options.name
            var options = setting.options
            if let presence {
                options.will = Will(topic: setting.topics.text(.state(presence.address)), payload: presence.gone)
            }
            settings[name] = setting
            conditions[name] = Condition()
            let link = Link(options) { [weak self] event in self?.hear(event, from: name) }
            links[name] = link
            link.start()
        }
    }

    /// Says that we are gone and hangs up; calls back when every link has ended.
    func stop(_ action: @escaping @MainActor () -> Void) {
        guard !links.isEmpty else { return action() }
        ending = action
        for (name, link) in links {
            let topics = settings[name]?.topics
            let last = presence.flatMap { presence in
                topics.map { Publication(topic: $0.text(.state(presence.address)), payload: presence.gone) }
            }
            link.stop(publishing: last.map { [$0] } ?? [])
        }
    }

    // MARK: - Outwards

    func publish(_ parcel: Parcel) {
        guard let link = links[parcel.broker], let topics = settings[parcel.broker]?.topics else { return }
        do {
            let token = try link.publish(
                topic: topics.text(parcel.place), payload: parcel.payload, retain: parcel.isRetained,
                expiry: parcel.isRetained ? nil : parcel.expiry)
            tokens[parcel.broker, default: [:]][token] = parcel.number
        } catch TransportError.notNow where parcel.isRetained {
            if held[parcel.broker, default: []].count < 1024 { held[parcel.broker, default: []].append(parcel) }
        } catch {
            loop.take(.acknowledged(parcel.number, .refused("\(error)")))
        }
    }

    func keep(_ addresses: [Address], on broker: String) {
        guard let link = links[broker], let topics = settings[broker]?.topics else { return }
        let left = kept.filter { !addresses.contains($0) }
        kept = addresses
        link.subscribe(addresses.flatMap(topics.own))
        if !left.isEmpty { link.unsubscribe(left.flatMap(topics.own)) }
    }

    func watch(_ address: Address) {
        for (name, link) in links { settings[name].map { link.subscribe($0.topics.card(address)) } }
    }

    func leave(_ address: Address) {
        for (name, link) in links { settings[name].map { link.unsubscribe($0.topics.card(address)) } }
    }

    /// Called after every turn: brokers are read from again when the backlog is gone.
    func relieve() {
        guard isSuspended, !isCrowded else { return }
        isSuspended = false
        for link in links.values { link.resumeReading() }
    }

    private var isCrowded: Bool { loop.backlog + pool.load > Self.backlog }

    // MARK: - Inwards

    private func hear(_ event: LinkEvent, from name: String) {
        switch event {
        case .connecting:
            conditions[name]?.state = "connecting"
        case .connected(let version, _):
            conditions[name] = Condition(state: "connected", reason: nil, version: "\(version)")
            tokens[name] = [:]
            held[name] = []
            note(name, .info, "connected to broker \(name) by MQTT \(version)", reason: "connected")
            showPresence(on: name)
            loop.take(.linked(broker: name, room: links[name]?.room ?? 0))
        case .failed(let reason, _):
            conditions[name] = Condition(state: "away", reason: reason, version: nil)
            note(name, .warning, "broker \(name) is away: \(reason)", reason: "away")
        case .disconnected(let reason, _):
            conditions[name] = Condition(state: "away", reason: reason, version: nil)
            tokens[name] = [:]
            note(name, .warning, "lost broker \(name): \(reason)", reason: "lost")
            loop.take(.unlinked(broker: name))
        case .takenOver:
            note(name, .warning, "another client took our client id at broker \(name)", reason: "taken-over")
        case .message(let topic, let payload, let retained):
            receive(topic, payload, retained, name)
        case .acknowledged(let token, let outcome):
            guard let number = tokens[name]?.removeValue(forKey: token) else { return flush(name) }
            loop.take(.acknowledged(number, Outcome(outcome)))
            flush(name)
        case .subscribed(_, let refused):
            for refusal in refused {
                note(name, .error, "broker \(name) refuses topic \(refusal.topic): \(refusal.reason)", reason: "not-subscribed")
            }
        case .roomAgain:
            flush(name)
        case .stopped:
            links[name] = nil
            guard links.isEmpty, let action = ending else { return }
            ending = nil
            action()
        }
    }

    private func receive(_ topic: String, _ payload: [UInt8], _ retained: Bool, _ name: String) {
        guard let place = settings[name]?.topics.place(topic) else { return }
        switch place {
        case .inbox(let address): loop.take(.arrived(payload, at: address, isRetained: retained))
        case .state(let address) where address == presence?.address: repairPresence(payload, on: name)
        default: loop.take(.found(place, payload, broker: name))
        }
        if !isSuspended, isCrowded {
            isSuspended = true
            for link in links.values { link.suspendReading() }
        }
    }

    /// Cards that waited for room.
    private func flush(_ name: String) {
        while let parcel = held[name]?.first, (links[name]?.room ?? 0) > 0 {
            held[name]?.removeFirst()
            publish(parcel)
        }
    }

    private func showPresence(on name: String) {
        guard let presence, let topics = settings[name]?.topics else { return }
        lastState = Clock.read(CLOCK_BOOTTIME)
        _ = try? links[name]?.publish(topic: topics.text(.state(presence.address)), payload: presence.online, retain: true)
    }

    /// Our own retained state as the broker shows it: put back when it is another's or our own will, once a minute.
    private func repairPresence(_ payload: [UInt8], on name: String) {
        guard let presence, payload != presence.online, ending == nil else { return }
        guard Clock.read(CLOCK_BOOTTIME) >= lastState + 60 else { return }
        showPresence(on: name)
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
