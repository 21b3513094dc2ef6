import Dispatch

/// The link to one broker: it dials, keeps the connection, and dials again, until it is stopped.
///
/// It owns no message: what is unacknowledged when a connection ends was perhaps taken and perhaps not, and whoever
/// published it decides what becomes of it. Subscriptions are not remembered either; renew them on every `.connected`.
///
/// A started link keeps itself alive until it has said `.stopped`.
///
///     idle ──start──▶ dialling ──▶ open ──CONNACK──▶ connected
///                        ▲           │                   │
///                        └──waiting◀─┴───────────────────┘
@MainActor
package final class Link {
    /// A change, of the will for example, counts from the next connection on.
    package var options: BrokerOptions

    enum Phase {
        case idle
        case waiting(Alarm)
        /// Time to dial, but nobody reads: wait for `resumeReading`.
        case held
        case dialling
        case open(Connection)
    }

    let timing: LinkTiming
    let tell: @MainActor (LinkEvent) -> Void
    /// Where dialling blocks. One thread per link, so that a hanging dial holds up nobody else.
    let pool: DispatchQueue
    var phase = Phase.idle
    var isWanted = false
    /// `stop` was called, `.stopped` was not said yet.
    var isEnding = false
    var reads = true
    var startsClean: Bool
    var backoff: Backoff
    var dialect: VersionNegotiation
    /// Goes up with every start, so that a dial of an earlier life is known as such.
    var life = 0
    var droppedBefore = 0

    /// - Parameter event: called on the main queue.
    package init(
        _ options: BrokerOptions, timing: LinkTiming = LinkTiming(),
        on event: @escaping @MainActor (LinkEvent) -> Void
    ) {
        self.options = options
        self.timing = timing
        tell = event
        pool = DispatchQueue(label: "culver.dial.\(options.name)")
        startsClean = options.startsClean
        backoff = Backoff(timing)
        dialect = VersionNegotiation(offerAgainAfter: timing.offerAgainAfter)
    }

    package var isConnected: Bool { current?.since != nil }

    /// How long the certificates of this connection hold; `nil` while not connected, and without TLS.
    package var validity: Validity? { connected?.handle.validity }

    /// Messages that were not passed on: longer than `maximumPacket`, or on a topic that is not valid.
    package var dropped: Int { droppedBefore + (current?.handle.diary.dropped ?? 0) }

    /// How many more publications may be unacknowledged; 0 while not connected or stopping.
    package var room: Int {
        guard let connection = connected else { return 0 }
        return max(0, connection.capacity - connection.unacknowledged.count)
    }

    /// Begins to dial. The result comes as events. Without effect while started, or stopping.
    package func start() {
        guard !isWanted, !isEnding else { return }
        isWanted = true
        life += 1
        later { $0.dial() }
    }

    /// Ends cleanly: publishes `last`, says DISCONNECT so that the will is not published, hangs up; ends with `.stopped`
    /// in `farewellWithin` seconds at the most. Messages may arrive until then. A stopped link may be started again.
    package func stop(publishing last: [MQTTPublication] = []) {
        guard isWanted else { return }
        isWanted = false
        isEnding = true
        guard let connection = current, connection.since != nil else { return abandon() }
        connection.alarm?.cancel()
        connection.alarm = Alarm(after: timing.farewellWithin) { self.abandon() }
        resumeReading()
        var waiting: Set<Int32> = []
        for message in last {
            switch connection.handle.publish(message, expiry: nil) {
            case .taken(let token): waiting.insert(token)
            case .refused: continue
            case .broken: return abandon()
            }
        }
        connection.end = .lastWords(waiting)
        later { $0.proceed(with: connection) }
    }

    /// Publishes with QoS 1. Nothing is queued here: what is thrown back is still the caller's.
    ///
    /// - Parameter expiry: seconds after which the broker may forget it (MQTT 5; without meaning in 3.1.1).
    /// - Returns: the token that `.acknowledged` will name. It is good for this connection only.
    /// - Throws: `.notNow` unless connected with room; `.refused` for what this broker will never take.
    package func publish(
        topic: String, payload: [UInt8], retain: Bool, expiry: UInt32? = nil
    ) throws(TransportError) -> Int32 {
        guard let connection = connected else { throw .notNow }
        guard connection.unacknowledged.count < connection.capacity else {
            connection.isFull = true
            throw .notNow
        }
        guard !retain || connection.greeting.keepsRetained else { throw .refused("the broker keeps no messages") }
        let message = MQTTPublication(topic: topic, payload: payload, retain: retain)
        switch connection.handle.publish(message, expiry: expiry) {
        case .taken(let token):
            connection.unacknowledged.insert(token)
            connection.isFull = connection.unacknowledged.count >= connection.capacity
            connection.wire.isWriting = connection.handle.wantsToWrite
            return token
        case .refused(let reason): throw .refused(reason)
        case .broken(let reason):
            later { $0.end(connection, because: reason) }
            throw .notNow
        }
    }

    /// Asks for topics with QoS 1; answered by one `.subscribed` or several. Without effect while not connected.
    package func subscribe(_ topics: [String]) {
        guard let connection = connected else { return }
        let invalid = topics.filter { !Handle.isFilter($0) }
        if !invalid.isEmpty {
            let refused = invalid.map { SubscriptionRefusal(topic: $0, code: 0x8f, reason: "no valid topic filter") }
            later { $0.tell(.subscribed(granted: [], refused: refused)) }
        }
        for group in groups(of: topics.filter(Handle.isFilter)) {
            guard let token = connection.handle.subscribe(group) else {
                return later { $0.end(connection, because: "the broker takes no subscription") }
            }
            connection.asked[token] = group
        }
        connection.wire.isWriting = connection.handle.wantsToWrite
    }

    /// Without effect while not connected.
    package func unsubscribe(_ topics: [String]) {
        guard let connection = connected else { return }
        groups(of: topics.filter(Handle.isFilter)).forEach { connection.handle.unsubscribe($0) }
        connection.wire.isWriting = connection.handle.wantsToWrite
    }

    /// Reads nothing until `resumeReading`, so that the broker is held back; a few messages already read may still come.
    /// Not for long: acknowledgements are not seen either, and after one to two keep-alives the connection ends. The
    /// next is then dialled when reading goes on.
    package func suspendReading() {
        guard isWanted else { return }
        reads = false
        if let connection = connected { connection.wire.isReading = false }
    }

    package func resumeReading() {
        guard !reads else { return }
        reads = true
        switch phase {
        case .held: later { $0.dial() }
        case .open(let connection):
            connection.wire.isReading = true
            // TLS may hold what the socket does not show any more.
            later { $0.read(from: connection) }
        case .idle, .waiting, .dialling: break
        }
    }

    var current: Connection? {
        guard case .open(let connection) = phase else { return nil }
        return connection
    }

    /// The connection, if it may be used by the owner.
    private var connected: Connection? {
        guard let current, current.since != nil, case .open = current.end else { return nil }
        return current
    }

    /// In a later turn of the main queue, so that no event comes from inside a call.
    func later(_ work: @escaping @MainActor (Link) -> Void) {
        DispatchQueue.main.async { MainActor.assumeIsolated { work(self) } }
    }

    /// SUBSCRIBE packets of at most 64 topics.
    private func groups(of topics: [String]) -> [[String]] {
        stride(from: 0, to: topics.count, by: 64).map { Array(topics[$0..<min($0 + 64, topics.count)]) }
    }
}
