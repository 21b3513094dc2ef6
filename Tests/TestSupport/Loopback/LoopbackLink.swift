import System
package import Transport

/// A link to a `LoopbackBroker`: the second implementation of `Link`, without sockets and without MQTT.
@MainActor
package final class LoopbackLink: Link {
    private enum Phase {
        case idle
        case waiting(MainQueueTimer)
        /// Time to dial, but nothing is read: the link waits for `resumeReading`.
        case held
        case dialling
        case connected(since: Double)
    }

    /// What the broker has sent and the owner has not been told.
    private enum Arrival {
        case message(LoopbackBroker.Message)
        case answer(LinkEvent)
    }

    let options: BrokerOptions
    private let broker: LoopbackBroker
    private let tell: @MainActor (LinkEvent) -> Void
    private var backoff: Backoff
    private var phase = Phase.idle
    private var isWanted = false
    private var isEnding = false
    private var isReading = true
    private var startsClean: Bool
    private var arrivals: [Arrival] = []
    private var window = PublicationWindow()
    private var lastToken: Int32 = 0
    /// Counts the connections, so that what was on its way in an earlier one is known as such.
    private var connection = 0

    package init(
        _ options: BrokerOptions, at broker: LoopbackBroker, timing: LinkTiming = LinkTiming(),
        on event: @escaping @MainActor (LinkEvent) -> Void
    ) {
        self.options = options
        self.broker = broker
        tell = event
        backoff = Backoff(timing)
        startsClean = options.startsClean
    }

    package var clientID: String { options.clientID }

    /// The broker keeps back what is too long.
    package var dropped: Int64 { 0 }

    package var isConnected: Bool { if case .connected = phase { true } else { false } }

    package var greeting: Greeting? {
        isUsable ? Greeting(sessionPresent: false, packetLimit: broker.packetLimit.map(UInt32.init)) : nil
    }

    package var room: Int { isUsable ? window.room : 0 }

    private var isUsable: Bool { isConnected && !isEnding }

    // MARK: beginning and end

    package func start() {
        guard !isWanted, !isEnding else { return }
        isWanted = true
        MainQueue.async { self.dial() }
    }

    package func stop(publishing last: [MQTTPublication]) {
        guard isWanted else { return }
        isWanted = false
        isEnding = true
        if case .waiting(let timer) = phase { timer.cancel() }
        isReading = true
        MainQueue.async { self.end(publishing: last) }
    }

    private func end(publishing last: [MQTTPublication]) {
        guard isEnding else { return }
        if isConnected {
            takeArrivals()
            for message in last where TopicFilter.isTopic(message.topic) {
                broker.publish(.init(topic: message.topic, payload: message.payload), isRetained: message.retain)
            }
            broker.detach(self, isClean: true)
            forget()
        }
        phase = .idle
        isEnding = false
        tell(.stopped)
    }

    private func dial() {
        guard isWanted else { return }
        switch phase {
        case .idle, .waiting, .held: break
        case .dialling, .connected: return
        }
        guard isReading else { return phase = .held }
        phase = .dialling
        tell(.connecting)
        MainQueue.async { self.connect() }
    }

    private func connect() {
        guard isWanted, case .dialling = phase else { return }
        guard broker.isRunning else {
            let wait = retry(after: nil)
            return tell(.failed(reason: "cannot reach \(options.address): connection refused", retryIn: wait))
        }
        guard broker.accepts(options.clientID) else {
            let wait = retry(after: nil)
            tell(.clientIDRefused)
            return tell(.failed(reason: "the broker refuses us: client identifier not valid", retryIn: wait))
        }
        phase = .connected(since: KernelClock.boottime.now)
        connection += 1
        let isPresent = broker.attach(self, startsClean: startsClean)
        startsClean = false
        tell(.connected(version: .v5, sessionPresent: isPresent))
        if options.will != nil, !broker.takesWills { tell(.willLeftOut) }
    }

    private func retry(after lasted: Double?) -> Double {
        let wait = backoff.wait(after: lasted)
        phase = .waiting(MainQueueTimer(after: wait) { self.dial() })
        return wait
    }

    /// The broker is gone.
    func lose(because reason: String, isTakenOver: Bool = false) {
        guard case .connected(let since) = phase else { return }
        forget()
        guard isWanted else { return phase = .idle }
        let wait = retry(after: KernelClock.boottime.now - since)
        MainQueue.async {
            if isTakenOver { self.tell(.takenOver) }
            self.tell(.disconnected(reason: reason, retryIn: wait))
        }
    }

    private func forget() {
        connection += 1
        arrivals = []
        window = PublicationWindow()
    }

    // MARK: outwards

    package func publish(
        topic: String, payload: [UInt8], retain: Bool, expiry: UInt32?
    ) throws(TransportError) -> Int32 {
        guard isUsable else { throw .notNow }
        guard window.admits() else { throw .notNow }
        guard TopicFilter.isTopic(topic) else { throw .refused("\(topic) is no topic to publish on") }
        if let limit = broker.packetLimit, Int64(topic.utf8.count + payload.count + 9) > limit {
            throw .refused("the broker takes no message of \(payload.count) bytes")
        }
        lastToken += 1
        let token = lastToken
        window.add(token)
        let end = expiry.map { KernelClock.boottime.now + Double($0) }
        send { link in
            if link.broker.endsConnection(topic, payload.count) { return link.broker.cut(link.clientID) }
            let outcome = link.broker.publish(.init(topic: topic, payload: payload, end: end), isRetained: retain)
            link.arrive(.answer(.acknowledged(token: token, outcome)))
        }
        return token
    }

    package func subscribe(_ topics: [String]) {
        guard isUsable else { return }
        let refused = topics.filter { TopicFilter($0) == nil }
            .map { SubscriptionRefusal(topic: $0, code: 0x8f, reason: "no valid topic filter") }
        if !refused.isEmpty { MainQueue.async { self.tell(.subscribed(granted: [], refused: refused)) } }
        let filters = topics.compactMap(TopicFilter.init)
        guard !filters.isEmpty else { return }
        send { link in
            let granted = link.broker.granted(filters, to: link)
            let refused = filters.dropFirst(granted.count)
                .map { SubscriptionRefusal(topic: $0.text, code: 0x97, reason: "quota exceeded") }
            link.arrive(.answer(.subscribed(granted: granted.map(\.text), refused: refused)))
            link.broker.subscribe(link, to: granted)
        }
    }

    package func unsubscribe(_ topics: [String]) {
        guard isUsable else { return }
        send { $0.broker.unsubscribe($0, from: topics.compactMap(TopicFilter.init)) }
    }

    /// In a later turn, as long as this connection stands.
    private func send(_ work: @escaping @MainActor (LoopbackLink) -> Void) {
        let connection = connection
        MainQueue.async { if self.connection == connection { work(self) } }
    }

    // MARK: inwards

    package func suspendReading() {
        guard isWanted else { return }
        isReading = false
    }

    package func resumeReading() {
        guard !isReading else { return }
        isReading = true
        if case .held = phase { return MainQueue.async { self.dial() } }
        MainQueue.async { self.takeArrivals() }
    }

    /// Nothing here is acknowledged by being written.
    package func suspendWriting() {}
    package func resumeWriting() {}

    /// Messages that the owner has not seen.
    var unread: [LoopbackBroker.Message] {
        arrivals.compactMap { if case .message(let message) = $0 { message } else { nil } }
    }

    func deliver(_ message: LoopbackBroker.Message) {
        // MQTT's own bytes around the two: at most nine without properties.
        guard message.topic.utf8.count + message.payload.count + 9 <= Int64(options.maximumPacket) else { return }
        arrive(.message(message))
    }

    private func arrive(_ arrival: Arrival) {
        arrivals.append(arrival)
        send { $0.takeArrivals() }
    }

    private func takeArrivals() {
        let connection = connection
        while isReading, self.connection == connection, !arrivals.isEmpty {
            switch arrivals.removeFirst() {
            case .message(let message):
                tell(
                    options.bridging != nil
                        ? .delivered(
                            MQTTDelivery(
                                topic: message.topic, payload: message.payload, qos: 1, isRetained: message.isRetained))
                        : .message(topic: message.topic, payload: message.payload, retained: message.isRetained))
            case .answer(.acknowledged(let token, let outcome)): acknowledged(token, outcome)
            case .answer(let event): tell(event)
            }
        }
    }

    private func acknowledged(_ token: Int32, _ outcome: PublishOutcome) {
        guard window.acknowledge(token) else { return }
        tell(.acknowledged(token: token, outcome))
        if room > 0, window.hasRoomAgain() { tell(.roomAgain) }
    }
}
