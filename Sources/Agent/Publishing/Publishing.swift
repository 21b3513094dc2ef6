import DIMP
import Records

/// The one flow control: which brokers are connected, how much each takes, what is on its way there and what waits for
/// room. Nothing reaches a broker but through here.
///
/// A broker takes so many unacknowledged publications (its room). A message of the outbox is given only with room, because
/// its row stays due; anything else waits in the backlog, and beyond a bound it is dropped: peers
/// repeat their questions and messages, and cards are published again with the next connection.
struct Publishing {
    /// Connected brokers and how many publications each takes now.
    private var rooms: [String: Int] = [:]
    /// Bytes of what the broker has not acknowledged. They are in memory until it has, so they are bounded, too.
    private var bytesUnderway: [String: Int] = [:]
    /// The longest packet that a connected broker says it takes, in bytes.
    private var packetLimits: [String: Int64] = [:]
    /// Of brokers that were ever connected, because a culprit is found by losing connections.
    private var culprits: [String: Culprits] = [:]
    /// What the broker has not acknowledged, by number.
    private var underway: [UInt64: Underway] = [:]
    private var nextNumber: UInt64 = 1
    private var backlog: [PendingPublication] = []

    var isConnected: Bool { !rooms.isEmpty }
    /// The connected brokers, in the order of their names.
    var brokers: [String] { rooms.keys.sorted() }
    /// How many publications all brokers take together.
    var room: Int { rooms.keys.reduce(0) { $0 + room(of: $1) } }

    func backlog(of broker: String) -> Int { backlog.count { $0.broker == broker } }

    func isConnected(to broker: String) -> Bool { rooms[broker] != nil }

    private func room(of broker: String) -> Int {
        guard bytesUnderway[broker, default: 0] < Tuning.bytesUnderway else { return 0 }
        let room = max(0, rooms[broker] ?? 0)
        guard room > 0, culprits[broker]?.isCareful == true else { return room }
        return underway.values.contains { $0.publication.broker == broker } ? 0 : 1
    }

    /// A broker with room. Each attempt takes the next one: nobody says on which of them a peer is.
    func freeBroker(attempt: Int64 = 0) -> String? {
        let free = freeBrokers
        return free.isEmpty ? nil : free[Int(attempt % Int64(free.count))]
    }

    private var freeBrokers: [String] { rooms.keys.filter { room(of: $0) > 0 }.sorted() }

    /// Where a publication may go now.
    enum Outlet: Equatable {
        case broker(String)
        /// No broker that would take it has room.
        case none
        /// No connected broker takes it, for this stable reason; in seconds lived until when that holds.
        case barred(until: Double, reason: String)
    }

    /// The broker for this attempt, out of those that have room and take such a publication.
    func outlet(for publication: PendingPublication, attempt: Int64, at lived: Double) -> Outlet {
        var bars: [(until: Double, reason: String)] = []
        var open: [String] = []
        for broker in brokers {
            if let bar = bar(publication, on: broker, at: lived) { bars.append(bar) } else { open.append(broker) }
        }
        if open.isEmpty, let first = bars.min(by: { $0.until < $1.until }) {
            return .barred(until: first.until, reason: first.reason)
        }
        let free = open.filter { room(of: $0) > 0 }
        return free.isEmpty ? .none : .broker(free[Int(attempt % Int64(free.count))])
    }

    private func bar(
        _ publication: PendingPublication, on broker: String, at lived: Double
    ) -> (until: Double, reason: String)? {
        let bytes = publication.payload.count
        if let limit = packetLimits[broker], Int64(bytes) > limit {
            let words = "broker-refused: broker \(broker) takes no message of \(bytes) bytes"
            return (lived + Tuning.announcedLimitPause, words)
        }
        let suspect = publication.suspect
        let until = culprits[broker]?.barred(suspect, topic: publication.topic, bytes: bytes, at: lived)
        return until.map { ($0, "broker-refused: broker \(broker) ends the connection over it") }
    }

    /// The longest payload that every connected broker takes, as far as that is known, in bytes.
    func payloadLimit(at lived: Double) -> Int64? {
        brokers.compactMap { broker -> Int64? in
            let found = culprits[broker]?.tooLarge(at: lived).map { Int64($0) / 2 }
            let said = packetLimits[broker].map { $0 - Tuning.packetOverhead }
            return [found, said].compactMap { $0 }.min()
        }.min()
    }

    /// - Parameter packetLimit: the longest packet that the broker takes, in bytes, if it says so.
    mutating func connect(_ broker: String, room: Int, packetLimit: Int64? = nil, at lived: Double = 0) {
        rooms[broker] = room
        bytesUnderway[broker] = nil
        packetLimits[broker] = packetLimit
        culprits[broker, default: Culprits()].connected(at: lived)
    }

    /// To be asked when a connection ended, before `disconnect`: what is set aside for that, if something is.
    mutating func findCulprit(on broker: String, at lived: Double) -> Culprits.Offence? {
        culprits[broker]?.lost(underway.values.filter { $0.publication.broker == broker }, at: lived)
    }

    /// The broker is gone, and with it what waited for it. Returns what was on its way there, in order: it may be lost.
    mutating func disconnect(_ broker: String) -> [PendingPublication.Purpose] {
        rooms[broker] = nil
        bytesUnderway[broker] = nil
        packetLimits[broker] = nil
        backlog.removeAll { $0.broker == broker }
        let lost = underway.keys.sorted().filter { underway[$0]?.publication.broker == broker }
        return lost.compactMap { underway.removeValue(forKey: $0)?.publication.purpose }
    }

    /// No broker counts as connected any more; each is then to be disconnected.
    mutating func closeAll() {
        rooms = [:]
    }

    /// On the publication's broker; without one on every broker.
    mutating func publish(_ publication: PendingPublication, in context: inout Context) {
        guard let broker = publication.broker else {
            for broker in brokers {
                var copy = publication
                copy.broker = broker
                publish(copy, in: &context)
            }
            return
        }
        guard let room = rooms[broker] else { return }
        let isBarred = bar(publication, on: broker, at: context.now.lived) != nil
        guard !isBarred, self.room(of: broker) > 0 else {
            return wait(with: publication, isBarred: isBarred, in: &context)
        }
        culprits[broker]?.tried(publication.suspect)
        rooms[broker] = room - 1
        bytesUnderway[broker, default: 0] += publication.payload.count
        let number = nextNumber
        nextNumber += 1
        context.perform(
            .publish(
                Publication(
                    number: number, broker: broker, topic: publication.topic, payload: publication.payload,
                    expiry: publication.expiry)))
        underway[number] = Underway(
            publication: publication.withoutPayload, bytes: publication.payload.count, sent: context.now.lived)
    }

    /// A card that is set aside waits with the others; a receipt or a question comes again by itself.
    private mutating func wait(with publication: PendingPublication, isBarred: Bool, in context: inout Context) {
        switch publication.purpose {
        // Who gives these looks for room first, and does not count on them.
        case .message, .handedOn, .piece: return
        case .receipts, .acknowledgement, .courtesy, .clearing: break
        }
        if backlog.count < Tuning.backlog, publication.topic.isRetained || !isBarred {
            backlog.append(publication)
        } else {
            context.counts.courtesiesDropped += 1
        }
    }

    /// Tries again what waits for room.
    mutating func publishBacklog(in context: inout Context) {
        let waiting = backlog
        backlog = []
        for publication in waiting { publish(publication, in: &context) }
    }

    /// The broker's word about one publication makes room for another. `nil`: it is not known, or not any more.
    mutating func acknowledge(_ number: UInt64) -> PendingPublication? {
        guard let known = underway.removeValue(forKey: number) else { return nil }
        if let broker = known.publication.broker {
            rooms[broker]? += 1
            bytesUnderway[broker]? -= known.bytes
            culprits[broker]?.answered(known.suspect, bytes: known.bytes)
        }
        return known.publication
    }

    /// Drops what waits for a retained topic of an identity that is gone.
    mutating func dropCards(where isForeign: (Address) -> Bool) {
        backlog.removeAll { publication in
            guard case .courtesy = publication.purpose, publication.topic.isRetained else { return false }
            return isForeign(publication.topic.address)
        }
    }

    /// Whether a retained topic of this address is still to be cleared on this broker.
    func isClearing(_ address: Address, on broker: String) -> Bool {
        func clears(_ publication: PendingPublication) -> Bool {
            if case .clearing(address) = publication.purpose { publication.broker == broker } else { false }
        }
        return underway.values.contains { clears($0.publication) } || backlog.contains(where: clears)
    }
}

/// Something that is to reach a broker, and what to do when the broker took it or was lost.
struct PendingPublication {
    var topic: Topic
    var payload: [UInt8]
    var purpose: Purpose
    /// Seconds after which the broker may drop it.
    var expiry: UInt32?
    /// `nil`: every broker.
    var broker: String?

    enum Purpose {
        /// A shipment of the outbox, by its first row.
        case message(id: String)
        case receipts([AcceptedRecord])
        case acknowledgement(OwedAcknowledgement)
        /// A message inside this forward, which goes on to its receiver.
        case handedOn(forward: Int64)
        /// A piece of a file.
        case piece(file: String, Int)
        /// Answers, questions, cards and presence: sent once.
        case courtesy
        /// A retained topic of an identity that is gone.
        case clearing(Address)
    }

    var suspect: Culprits.Suspect {
        if case .message(let id) = purpose { .message(id) } else { .topic(topic) }
    }

    fileprivate var withoutPayload: PendingPublication {
        var copy = self
        copy.payload = []
        return copy
    }
}
