import Agent
import Records
import Transport

/// The link of one bridge to its local broker: what is under way there, and how it is doing.
///
/// What comes is acknowledged to the broker when it is on disk: the link writes nothing until then, and is not read from
/// when much waits. So what a crash loses the broker shows again.
@MainActor final class BridgeLink {
    private(set) var settings: BridgeSettings
    private(set) var condition = Broker.Condition()
    /// Filters that the broker does not grant, with its reasons.
    private(set) var refused: [String: String] = [:]
    /// Messages longer than the link takes at all.
    private(set) var tooLong: Int64 = 0
    private(set) var connections: Int64 = 0
    /// The link has ended and is not wanted any more.
    var onEnd: (@MainActor () -> Void)?

    private let loop: Loop
    private let makeLink: LinkMaker
    private var link: (any Link)?
    private var options: BrokerOptions
    /// Another link is to follow when this one has ended.
    private var isRenewed = false
    /// The agent's names of what the broker has not acknowledged, by the link's tokens.
    private var tokens: [Int32: (place: Int64, version: Int64)] = [:]
    /// The reasons of this absence that were told: each once.
    private var told: Set<String> = []
    /// Messages of this connection, and of earlier ones, that are not on disk, and those that came since something was
    /// written.
    private var (unsaved, stale, unwritten) = (0, 0, 0)
    /// Bytes of the last.
    private var unwrittenBytes = 0
    private var isFive = false

    /// Messages after which the broker has to wait for the disk, and bytes.
    private static let portion = 64
    private static let portionBytes = 1 << 20
    /// Messages of earlier connections beyond which nothing is read while the disk fails.
    private static let backlog = 256

    init(_ settings: BridgeSettings, options: BrokerOptions, loop: Loop, makeLink: @escaping LinkMaker) {
        self.settings = settings
        self.options = options
        self.loop = loop
        self.makeLink = makeLink
    }

    var name: String { settings.name }
    var isConnected: Bool { link?.isConnected == true }
    var speaksFive: Bool { isFive }

    private var filters: [String] { settings.out.map(\.text) }

    // MARK: - Beginning and end

    func dial() {
        condition = Broker.Condition()
        told = []
        let link = makeLink(options) { [weak self] event in self?.hear(event) }
        self.link = link
        link.start()
    }

    /// Goes on as the section says now: with the connection that there is, if it does for that.
    func change(to new: BridgeSettings, options: BrokerOptions) {
        let old = settings
        settings = new
        guard isConnected, new.local == old.local, options.bridging == self.options.bridging else {
            let knowledge = new.local.url == old.local.url ? self.options.knowledge : BrokerKnowledge()
            self.options = options
            self.options.knowledge = knowledge
            isRenewed = true
            // Another broker is to keep nothing for this one any more.
            let isOther = new.local.url != old.local.url
            return hangUp(unsubscribing: old.out.map(\.text).filter { isOther || !filters.contains($0) })
        }
        let left = old.out.map(\.text).filter { !filters.contains($0) }
        if !left.isEmpty { link?.unsubscribe(left) }
        refused = refused.filter { filters.contains($0.key) }
        let added = filters.filter { !old.out.map(\.text).contains($0) }
        if !added.isEmpty { link?.subscribe(added) }
    }

    /// The configuration has it no more: the broker is to keep nothing for it.
    func leave() {
        isRenewed = false
        hangUp(unsubscribing: filters)
    }

    /// The daemon ends; the broker keeps what comes meanwhile.
    func stop() {
        isRenewed = false
        hangUp(unsubscribing: [])
    }

    private func hangUp(unsubscribing filters: [String]) {
        guard let link else { return ended() }
        if !filters.isEmpty { link.unsubscribe(filters) }
        link.stop()
    }

    private func ended() {
        link = nil
        forgetConnection()
        if isRenewed {
            isRenewed = false
            dial()
        } else {
            onEnd?()
        }
    }

    // MARK: - Outwards

    func publish(_ publication: BridgePublication) {
        do throws(TransportError) {
            guard let link else { throw .notNow }
            let token = try link.publish(
                topic: publication.topic, payload: publication.payload, retain: publication.isRetained)
            tokens[token] = (publication.place, publication.version)
        } catch {
            switch error {
            case .notNow: answered(publication.place, publication.version, as: .notNow)
            case .refused(let reason): answered(publication.place, publication.version, as: .refused(reason))
            }
        }
    }

    private func answered(_ place: Int64, _ version: Int64, as outcome: Outcome) {
        loop.take(.bridge(.answered(bridge: name, place: place, version: version, outcome)))
    }

    /// The oldest message that was not on disk is.
    func saved() {
        if stale > 0 {
            stale -= 1
        } else {
            unsaved = max(0, unsaved - 1)
        }
        if unsaved == 0 {
            (unwritten, unwrittenBytes) = (0, 0)
            link?.resumeWriting()
        }
        hold()
    }

    /// Reads on, unless too much waits for the disk.
    private func hold() {
        let isFull = unwritten >= Self.portion || unwrittenBytes >= Self.portionBytes
        if isFull || unsaved + stale >= Self.backlog {
            link?.suspendReading()
        } else {
            link?.resumeReading()
        }
    }

    // MARK: - Inwards

    private func hear(_ event: LinkEvent) {
        switch event {
        case .connecting: condition.state = .connecting
        case .stalled(let reason), .failed(let reason, _): tellAway(reason)
        case .connected(let version, _):
            condition = Broker.Condition(state: .connected, version: version.number)
            isFive = version == .v5
            told = []
            refused = [:]
            connections += 1
            note(.info, "bridge \(name) is connected to its local broker by \(version)", reason: "connected")
            link?.subscribe(filters)
            loop.take(.bridge(.connected(bridge: name, room: link?.room ?? 0)))
        case .disconnected(let reason, _):
            forgetConnection()
            tellAway(reason, isLoss: true)
        case .delivered(let message): take(message)
        case .acknowledged(let token, let outcome):
            guard let row = tokens.removeValue(forKey: token) else { return }
            answered(row.place, row.version, as: Outcome(outcome))
        case .subscribed(let granted, let refusals):
            for filter in granted { refused[filter] = nil }
            for refusal in refusals { tell(refusal) }
        case .tooLong(let topic, let bytes):
            tooLong += 1
            note(
                .warning, "bridge \(name): a message of \(bytes) bytes on \(topic.prefix(256)) was dropped",
                reason: "too-large")
        case .learnt(let knowledge): options.knowledge = knowledge
        case .takenOver: note(.warning, "bridge \(name): another client took our client id", reason: "taken-over")
        case .message, .willLeftOut, .clientIDRefused, .roomAgain: break
        case .stopped: ended()
        }
    }

    private func take(_ message: MQTTDelivery) {
        unsaved += 1
        unwritten += 1
        unwrittenBytes += message.payload.count
        link?.suspendWriting()
        hold()
        loop.take(
            .bridge(
                .arrived(
                    LocalMessage(
                        topic: message.topic, payload: message.payload, qos: message.qos,
                        isRetained: message.isRetained, isBridged: message.mark != nil, isMarkable: isFive),
                    bridge: name)))
    }

    private func forgetConnection() {
        tokens = [:]
        (stale, unsaved, unwritten, unwrittenBytes) = (stale + unsaved, 0, 0, 0)
        link?.resumeWriting()
        hold()
        loop.take(.bridge(.disconnected(bridge: name)))
    }

    private func tell(_ refusal: SubscriptionRefusal) {
        guard refused.updateValue(refusal.reason, forKey: refusal.topic) == nil else { return }
        note(
            .error, "bridge \(name): the local broker refuses \(refusal.topic): \(refusal.reason)",
            reason: "not-subscribed")
    }

    /// Sixteen reasons for one absence are enough.
    private func tellAway(_ reason: String, isLoss: Bool = false) {
        condition = Broker.Condition(state: .away, reason: reason)
        guard told.count < 16, told.insert(reason).inserted else { return }
        note(
            .warning, "bridge \(name): the local broker is \(isLoss ? "lost" : "away"): \(reason)",
            reason: isLoss ? "lost" : "away")
    }

    private func note(_ level: EventRecord.Level, _ text: String, reason: String) {
        loop.add(
            .chore { [name] turn in try turn.note(.bridge, level: level, text: text, broker: name, reason: reason) })
        loop.log(level, text)
    }
}
