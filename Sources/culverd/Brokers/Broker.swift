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
    /// Those of these topics that the broker refused, and the timer until they are asked for again.
    private var refusals = RefusedTopics()
    private var askAgain: MainQueueTimer?
    private var ids: ClientIDs
    /// As they are written down.
    private var savedIDs: String?
    /// The link that has the session of an abandoned client id removed.
    private var visitor: (any Link)?
    private var knowledge: BrokerKnowledge
    /// How the connections end, for what that says of the client id.
    private var losses = QuickLosses()
    /// The client id is to be changed when the link has said that it is lost.
    private var changesID = false
    /// What the broker does not do is said once.
    private var isWillLeftOut = false
    private var isShortOfSubscriptions = false
    /// How often in a row a start of the daemon ended soon after connecting here, and the connection that is watched for it.
    private var starts: Int
    private var watched: Int64?

    init(
        _ setting: BrokerSetting, presence: Presence?, memory: BrokerMemory, loop: Loop, makeLink: @escaping LinkMaker
    ) {
        self.makeLink = makeLink
        self.setting = setting
        self.presence = presence
        starts = memory.starts
        ids = ClientIDs(own: setting.options.clientID, remembered: memory.clientIDs)
        savedIDs = memory.clientIDs
        knowledge = memory.knowledge(of: setting.options.address, at: loop.clock.now.wall)
        self.loop = loop
    }

    /// The client id of this connection, or of the next one.
    var clientID: String { ids.current }

    var name: String { setting.options.name }
    var topics: Topics { setting.topics }
    /// What is known of it, where it speaks MQTT 5 and that is not wanted for now: other connections must not offer it.
    var knowledgeForOthers: BrokerKnowledge? {
        knowledge.speaksFive && knowledge.olderUntil ?? 0 > KernelClock.boottime.now ? knowledge : nil
    }
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
        var options = setting.options
        options.clientID = ids.current
        options.knowledge = knowledge
        if ids.isGuess { (options.startsClean, options.sessionExpiry) = (true, 0) }
        let link = makeLink(options) { [weak self] event in self?.hear(event) }
        self.link = link
        link.start()
    }

    /// Hangs up and dials by another setting. `last`: the presence of another identity, which is gone from the topic it
    /// was on.
    func renew(by new: BrokerSetting, saying last: Presence?) {
        hangUp(.again, saying: last)
        if new.options.address != setting.options.address { knowledge = BrokerKnowledge() }
        setting = new
    }

    /// The same if the broker is away, or reached in another way than now, or by files that hold something else.
    func change(to new: BrokerSetting) {
        var new = new
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
        visitor?.stop()
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
        } catch .notNow {
            loop.take(.acknowledged(publication.number, .notNow))
        } catch {
            loop.take(.acknowledged(publication.number, .refused("\(error)")))
        }
    }

    /// Listens for these addresses of the board, and for no others of it.
    func keep(_ addresses: [Address]) {
        guard let link else { return }
        let left = kept.filter { !addresses.contains($0) }
        kept = addresses
        link.subscribe(addresses.flatMap(topics.own) + (setting.hearsBroadcasts ? topics.broadcasts : []))
        if !left.isEmpty { link.unsubscribe(left.flatMap(topics.own)) }
    }

    func watch(_ address: Address) { link?.subscribe(topics.card(address)) }
    func leave(_ address: Address) { link?.unsubscribe(topics.card(address)) }
    func watchStates(of addresses: [Address]) { link?.subscribe(addresses.map { topics.text(.state($0)) }) }
    func leaveState(of address: Address) { link?.unsubscribe([topics.text(.state(address))]) }
    /// The broker kept a subscription that the configuration does not want any more.
    func leaveBroadcasts() { link?.unsubscribe(topics.broadcasts) }
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
        case .connected(let version, let sessionPresent):
            condition = Condition(state: .connected, version: version.number)
            told = []
            forgetPublications()
            traffic.connections += 1
            isShortOfSubscriptions = false
            refusals = RefusedTopics()
            losses.connected(sessionPresent: sessionPresent, at: KernelClock.boottime.now)
            setting.options.startsClean = false
            watchStart()
            note(.info, "connected to broker \(name) by \(version)", reason: "connected")
            loop.take(
                .linked(broker: name, room: link?.room ?? 0, packetLimit: link?.greeting?.packetLimit.map(Int64.init)))
            saveIDs()
            visitAbandoned()
        case .willLeftOut: tellOfWill()
        case .learnt(let knowledge): learn(knowledge)
        case .clientIDRefused: changesID = ids.refused()
        case .failed(let reason, _):
            traffic.failures += 1
            losses.failed()
            tellAway(reason)
            condition = Condition(state: .away, reason: reason)
            if changesID { dialUnderOtherID() }
        case .disconnected(let reason, _):
            condition = Condition(state: .away, reason: reason)
            traffic.losses += 1
            let isSuspicious = losses.lost(isIdle: tokens.isEmpty, at: KernelClock.boottime.now)
            if ids.connectionEnded() { changesID = true } else if isSuspicious { suspectUsurper() }
            forgetPublications()
            note(.warning, "lost broker \(name): \(reason)", reason: "lost")
            loop.take(.unlinked(broker: name))
            if changesID { dialUnderOtherID() }
        case .takenOver:
            ids.takenOver()
            changesID = true
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
        case .subscribed(let granted, let refused):
            for topic in granted where refusals.granted(topic) {
                note(.info, "broker \(name) grants topic \(topic) now", reason: "subscribed")
            }
            for refusal in refused { hear(refusal) }
        case .tooLong(let topic, let bytes):
            let topic = topics.topic(of: topic)
            traffic.tooLong += 1
            note(
                .warning,
                "a message of \(bytes) bytes for \(topic.map { "\($0.address)" } ?? "nobody here") was dropped: "
                    + "[limits] message allows less",
                reason: "too-large")
        case .roomAgain, .delivered: break
        case .stopped:
            link = nil
            forgetPublications()
            onEnd?()
        }
    }

    /// A payload that came from the broker and was meant for this daemon.
    func count(_ payload: [UInt8]) {
        traffic.received += 1
        traffic.receivedBytes += Int64(payload.count)
    }

    private func forgetPublications() {
        traffic.lost += Int64(unacknowledged)
        tokens = [:]
        statements = []
        kept = []
        askAgain?.cancel()
        askAgain = nil
    }

    /// A broker may grant so many subscriptions to a client: others' cards are then watched in turn.
    private func hear(_ refusal: SubscriptionRefusal) {
        guard let topic = topics.topic(of: refusal.topic), !kept.contains(topic.address), !topic.address.isBroadcast
        else {
            if refusals.refused(refusal.topic) {
                note(
                    .error, "broker \(name) refuses topic \(refusal.topic): \(refusal.reason)", reason: "not-subscribed"
                )
            }
            return scheduleRepeat()
        }
        loop.take(topic.isState ? .stateRefused(broker: name) : .watchRefused(topic.address, broker: name))
        guard !isShortOfSubscriptions else { return }
        isShortOfSubscriptions = true
        note(
            .warning, "broker \(name) grants no further subscription: others' cards are looked for in turn",
            reason: "not-subscribed")
    }

    /// Topics that are this board's no more are not asked for.
    private func scheduleRepeat() {
        guard askAgain == nil, let wait = refusals.wait else { return }
        askAgain = MainQueueTimer(after: wait) { [weak self] in
            guard let self else { return }
            self.askAgain = nil
            let own = self.kept.flatMap(self.topics.own) + (self.setting.hearsBroadcasts ? self.topics.broadcasts : [])
            self.link?.subscribe(self.refusals.repeated().filter(own.contains))
        }
    }

    // MARK: - What is known of the broker

    private func learn(_ new: BrokerKnowledge) {
        knowledge = new
        let text = BrokerMemory.text(of: new, at: setting.options.address, wall: loop.clock.now.wall)
        loop.add(.chore { [name] turn in try turn.ledger.apply(.value(.knowledge(broker: name), text)) })
    }

    private func tellOfWill() {
        guard !isWillLeftOut else { return }
        isWillLeftOut = true
        note(
            .info,
            "broker \(name) takes no retained will: that this board is gone is not shown there when the link breaks",
            reason: "will-left-out")
    }

    // MARK: - Client ids

    /// MQTT 3.1.1 does not say that somebody took our client id.
    private func suspectUsurper() {
        guard !changesID, !ids.isGuess, afterEnd == .stay else { return }
        ids.suspect()
        changesID = true
        note(
            .warning,
            "connections to broker \(name) are lost one after the other: perhaps another has our client id; "
                + "the next one is made under another",
            reason: "client-id-changed")
    }

    /// Else two would take it from each other for ever.
    private func dialUnderOtherID() {
        changesID = false
        guard afterEnd == .stay else { return }
        renew(by: setting, saying: nil)
    }

    private func saveIDs() {
        let text = ids.text
        guard text != savedIDs else { return }
        savedIDs = text
        loop.add(.chore { [name] turn in try turn.ledger.apply(.value(.clientIDs(broker: name), text)) })
    }

    /// Has the broker forget the session of a client id that is used no more. What it is too late for now is tried at the
    /// next connection.
    private func visitAbandoned() {
        guard visitor == nil, let id = ids.abandoned.first, afterEnd == .stay else { return }
        var options = setting.options
        (options.clientID, options.startsClean, options.sessionExpiry, options.will) = (id, true, 0, nil)
        options.knowledge = knowledge
        var isRemoved = false
        let link = makeLink(options) { [weak self] event in
            switch event {
            case .connected, .clientIDRefused:
                isRemoved = true
                self?.visitor?.stop()
            case .failed, .disconnected: self?.visitor?.stop()
            case .stopped: self?.visited(id, isRemoved: isRemoved)
            default: break
            }
        }
        visitor = link
        link.start()
    }

    private func visited(_ id: String, isRemoved: Bool) {
        visitor = nil
        guard isRemoved else { return }
        ids.removed(id)
        saveIDs()
        if isConnected { visitAbandoned() }
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
    init(_ outcome: PublishOutcome) {
        switch outcome {
        case .accepted: self = .taken
        case .nobody: self = .nobody
        case .refused(let code, let words): self = .refused("\(words) (\(code))")
        }
    }
}
