import Dispatch
import System

/// The link over libmosquitto, one handle for each connection and no thread but for dialling.
///
/// This file has what the owner calls; beside it stand one connection from its socket to its end, and dialling.
@MainActor
package final class MosquittoLink: Link {
    let options: BrokerOptions

    /// What the owner wants. An owner that ends the link cannot start it before it has said `.stopped`: the old
    /// connection would still be there.
    enum Wish {
        case rest
        case connection
        case end
    }

    /// What there is. Only `.dialling` leads to `.open`, and a dial of an earlier life does not: the owner may have
    /// stopped the link meanwhile, and started it again.
    enum Phase {
        case idle
        /// Until the next attempt.
        case waiting(MainQueueTimer)
        /// It is time to dial, but the owner reads nothing: the link waits for `resumeReading`.
        case held
        case dialling
        /// From the socket to its end; the broker has accepted the link once `since` is set.
        case open(MosquittoConnection)
    }

    let timing: LinkTiming
    let tell: @MainActor (LinkEvent) -> Void
    /// Where dialling blocks. One thread per link, so that a dial that hangs holds up no other link.
    let pool: DispatchQueue
    var phase = Phase.idle
    var wish = Wish.rest
    var reads = true
    var writes = true
    var startsClean: Bool
    var backoff: Backoff
    /// How long an address may take to answer, in seconds.
    var addressWithin: Double
    var negotiation: VersionNegotiation
    var wills: WillNegotiation
    /// As it was told last.
    var knowledge: BrokerKnowledge
    /// Goes up with every start, so that a dial of an earlier life is known as such.
    var life = 0
    var droppedBefore: Int64 = 0

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
        addressWithin = timing.addressWithin
        negotiation = VersionNegotiation(offerAgainAfter: timing.offerAgainAfter, knowing: options.knowledge)
        wills = WillNegotiation(offerAgainAfter: timing.offerAgainAfter, knowing: options.knowledge)
        knowledge = options.knowledge
    }

    var isWanted: Bool { wish == .connection }

    package var isConnected: Bool { current?.since != nil }

    /// How long the certificates of this connection hold; `nil` while not connected, and without TLS.
    package var validity: Validity? { connected?.handle.validity }

    package var greeting: Greeting? { connected?.greeting }

    package var dropped: Int64 { droppedBefore + (current?.handle.callbacks.dropped ?? 0) }

    package var room: Int { connected?.window.room ?? 0 }

    package func start() {
        guard wish == .rest else { return }
        wish = .connection
        life += 1
        later { $0.dial() }
    }

    package func stop(publishing last: [MQTTPublication]) {
        guard isWanted else { return }
        wish = .end
        let isSuspended = !writes
        writes = true
        guard let connection = current, connection.since != nil, !isSuspended else { return abandon() }
        connection.timer?.cancel()
        connection.timer = MainQueueTimer(after: timing.farewellWithin) { self.abandon() }
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

    package func publish(
        topic: String, payload: [UInt8], retain: Bool, expiry: UInt32?
    ) throws(TransportError) -> Int32 {
        guard let connection = connected else { throw .notNow }
        guard connection.window.admits() else { throw .notNow }
        guard !retain || connection.greeting.keepsRetained else { throw .refused("the broker keeps no messages") }
        let message = MQTTPublication(topic: topic, payload: payload, retain: retain)
        switch connection.handle.publish(message, expiry: expiry) {
        case .taken(let token):
            connection.window.add(token)
            noteWriting(of: connection)
            return token
        case .refused(let reason): throw .refused(reason)
        case .broken(let reason):
            later { $0.end(connection, because: reason) }
            throw .notNow
        }
    }

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
        noteWriting(of: connection)
    }

    package func unsubscribe(_ topics: [String]) {
        guard let connection = connected else { return }
        groups(of: topics.filter(Handle.isFilter)).forEach { connection.handle.unsubscribe($0) }
        noteWriting(of: connection)
    }

    package func suspendReading() {
        guard isWanted else { return }
        reads = false
        if let connection = connected { connection.watcher.isReading = false }
    }

    package func resumeReading() {
        guard !reads else { return }
        reads = true
        switch phase {
        case .held: later { $0.dial() }
        case .open(let connection):
            connection.watcher.isReading = true
            // TLS may hold what the socket does not show any more.
            later { $0.read(from: connection) }
        case .idle, .waiting, .dialling: break
        }
    }

    package func suspendWriting() {
        guard isWanted else { return }
        writes = false
        connected?.watcher.isWriting = false
    }

    package func resumeWriting() {
        guard !writes else { return }
        writes = true
        if let connection = current { noteWriting(of: connection) }
    }

    /// Whether the socket is watched for room to write.
    func noteWriting(of connection: MosquittoConnection) {
        connection.watcher.isWriting = (writes || connection.since == nil) && connection.handle.wantsToWrite
    }

    var current: MosquittoConnection? {
        guard case .open(let connection) = phase else { return nil }
        return connection
    }

    /// The connection, if it may be used by the owner.
    private var connected: MosquittoConnection? {
        guard let current, current.since != nil, case .open = current.end else { return nil }
        return current
    }

    /// In a later turn of the main queue, so that no event comes from inside a call.
    func later(_ work: @escaping @MainActor (MosquittoLink) -> Void) {
        MainQueue.async { work(self) }
    }

    /// SUBSCRIBE packets of at most 64 topics.
    private func groups(of topics: [String]) -> [[String]] {
        stride(from: 0, to: topics.count, by: 64).map { Array(topics[$0..<min($0 + 64, topics.count)]) }
    }
}
