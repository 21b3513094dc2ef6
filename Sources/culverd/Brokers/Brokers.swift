import Agent
import DIMP
import Transport

/// All brokers: dialled and left together, and held back together while too much is pending.
@MainActor final class Brokers {
    private let loop: Loop
    private let pool: Pool
    private let makeLink: LinkMaker
    private var all: [String: Broker] = [:]
    private var presence: Presence?
    /// Another board goes on with our keys: nothing is dialled any more.
    private(set) var isStandingBack = false
    /// No link is wanted for now: our keys are moving elsewhere.
    private var isResting = false
    /// Called when every link has ended.
    private var ending: (@MainActor () -> Void)?
    private var isSuspended = false
    /// Bytes that came from brokers and that no turn has dealt with.
    private var gathered = 0
    /// How the messages begin that a doctor publishes to the board's own inboxes: they go no further.
    var probes: [[UInt8]] = []

    /// Beyond this many errands the brokers are held back.
    private static let backlog = 512
    /// Or this many bytes of messages: each of them is in memory in several forms.
    private static let weight = 4 << 20

    /// `makeLink`: the transport; mosquitto's unless a test has another.
    init(loop: Loop, pool: Pool, makeLink: @escaping LinkMaker = { MosquittoLink($0, on: $1) }) {
        self.loop = loop
        self.pool = pool
        self.makeLink = makeLink
    }

    /// Those that the configuration has.
    var names: [String] { all.values.filter { $0.afterEnd != .leave }.map(\.name).sorted() }

    subscript(name: String) -> Broker? { all[name] }

    static func probe(_ nonce: String) -> [UInt8] { Array("{\"probe\":\"\(nonce)\"".utf8) }

    // MARK: - Beginning and end

    /// Dials every broker; one that is connected already is dialled anew, since our presence changed.
    func start(_ settings: [BrokerSetting], presence: Presence?, memories: [String: BrokerMemory] = [:]) {
        guard isWanted else { return }
        let last = self.presence.flatMap { $0.address == presence?.address ? nil : $0 }
        self.presence = presence
        for broker in all.values { broker.presence = presence }
        for setting in settings {
            if let broker = all[setting.options.name], broker.isLinked {
                broker.renew(by: setting, saying: last)
            } else {
                dial(setting, memory: memories[setting.options.name])
            }
        }
    }

    /// Goes on with other settings: leaves the brokers that are neither in them nor in `kept`, dials the new ones, and
    /// anew those that have changed or are not connected.
    func change(to settings: [BrokerSetting], keeping kept: [String], memories: [String: BrokerMemory] = [:]) {
        guard isWanted else { return }
        let wanted = Set(settings.map(\.options.name) + kept)
        for broker in all.values where !wanted.contains(broker.name) {
            broker.hangUp(.leave, saying: presence)
            if !broker.isLinked { ended(broker) }
        }
        for setting in settings {
            if let broker = all[setting.options.name], broker.isLinked {
                broker.change(to: setting)
            } else {
                dial(setting, memory: memories[setting.options.name])
            }
        }
    }

    private var isWanted: Bool { ending == nil && !isStandingBack && !isResting }

    private func dial(_ setting: BrokerSetting, memory: BrokerMemory?) {
        let broker = Broker(
            setting, presence: presence, memory: memory ?? BrokerMemory(), loop: loop, makeLink: makeLink)
        broker.onMessage = { [unowned self, unowned broker] in receive($1, on: $0, from: broker) }
        broker.onEnd = { [unowned self, unowned broker] in ended(broker) }
        all[broker.name] = broker
        broker.dial()
    }

    /// Hangs up for good. Nothing is said on the topics: what stands there is another board's.
    func standBack() {
        isStandingBack = true
        for broker in all.values {
            broker.stayAway(because: "another board has our keys")
            broker.hangUp(.rest, saying: nil)
            broker.endStart()
        }
    }

    /// Says that we are gone and hangs up; calls back when every link has ended.
    func stop(_ action: @escaping @MainActor () -> Void) {
        guard all.values.contains(where: \.isLinked) else { return action() }
        ending = action
        for broker in all.values { broker.hangUp(broker.afterEnd == .leave ? .leave : .rest, saying: presence) }
    }

    /// The same for a time: nothing is dialled until `resume()`.
    func rest(_ action: @escaping @MainActor () -> Void) {
        isResting = true
        stop { [self] in
            for name in names {
                all[name]?.stayAway(because: "our keys move elsewhere")
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
        for broker in all.values where !broker.isLinked { broker.dial() }
    }

    private func ended(_ broker: Broker) {
        if broker.afterEnd == .leave {
            broker.endStart()
            all[broker.name] = nil
        }
        if let action = ending {
            guard !all.values.contains(where: \.isLinked) else { return }
            ending = nil
            for broker in all.values { broker.endStart() }
            return action()
        }
        switch broker.afterEnd {
        case .stay, .rest: return
        case .leave: loop.take(.unlinked(broker: broker.name))
        case .again:
            loop.take(.unlinked(broker: broker.name))
            broker.dial()
        }
    }

    // MARK: - Outwards

    /// The messenger hears of every publication, also of one for a broker that is no more.
    func publish(_ publication: Publication) {
        if let broker = all[publication.broker] { return broker.publish(publication) }
        loop.take(.acknowledged(publication.number, .refused("\(TransportError.notNow)")))
    }

    func watch(_ address: Address) {
        for broker in all.values { broker.watch(address) }
    }

    func leave(_ address: Address) {
        for broker in all.values { broker.leave(address) }
    }

    func watchStates(of addresses: [Address], on broker: String?) {
        for one in all.values where broker == nil || one.name == broker { one.watchStates(of: addresses) }
    }

    func leaveState(of address: Address) {
        for broker in all.values { broker.leaveState(of: address) }
    }

    // MARK: - Inwards

    private func receive(_ payload: [UInt8], on topic: Topic?, from broker: Broker) {
        guard !probes.contains(where: { payload.starts(with: $0) }) else { return }
        broker.count(payload)
        gathered += payload.count
        switch topic {
        case nil: return
        case .inbox(let address) where address.isBroadcast && !broker.setting.hearsBroadcasts: broker.leaveBroadcasts()
        case .inbox(let address): loop.take(.arrived(payload, at: address))
        case .acknowledgements(let address): loop.take(.confirmed(payload, at: address))
        case .piece(let address, let file, let number):
            loop.take(.file(.arrived(payload, file, piece: number, at: address)))
        case .some(let topic): loop.take(.found(topic, payload, broker: broker.name))
        }
        if !isSuspended, isCrowded {
            isSuspended = true
            for broker in all.values { broker.suspendReading() }
        }
    }

    /// Called after every turn: brokers are read from again when the backlog is gone.
    func relieve() {
        gathered = loop.weight + pool.weight + loop.heldBack.bytes
        guard isSuspended, !isCrowded else { return }
        isSuspended = false
        for broker in all.values { broker.resumeReading() }
    }

    private var isCrowded: Bool {
        loop.backlog + pool.load + loop.heldBack.count > Self.backlog || gathered > Self.weight
    }
}
