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
    /// What the broker has not acknowledged, by number; payloads are not kept.
    private var underway: [UInt64: PendingPublication] = [:]
    private var nextNumber: UInt64 = 1
    private var backlog: [PendingPublication] = []

    var isConnected: Bool { !rooms.isEmpty }
    /// The connected brokers, in the order of their names.
    var brokers: [String] { rooms.keys.sorted() }
    /// How many publications all brokers take together.
    var room: Int { rooms.values.reduce(0) { $0 + max(0, $1) } }

    func backlog(of broker: String) -> Int { backlog.count { $0.broker == broker } }

    func isConnected(to broker: String) -> Bool { rooms[broker] != nil }

    /// A broker with room. Each attempt takes the next one: nobody says on which of them a peer is.
    func freeBroker(attempt: Int64 = 0) -> String? {
        let free = rooms.keys.filter { (rooms[$0] ?? 0) > 0 }.sorted()
        return free.isEmpty ? nil : free[Int(attempt % Int64(free.count))]
    }

    mutating func connect(_ broker: String, room: Int) {
        rooms[broker] = room
    }

    /// The broker is gone, and with it what waited for it. Returns what was on its way there, in order: it may be lost.
    mutating func disconnect(_ broker: String) -> [PendingPublication.Purpose] {
        rooms[broker] = nil
        backlog.removeAll { $0.broker == broker }
        let lost = underway.keys.sorted().filter { underway[$0]?.broker == broker }
        return lost.compactMap { underway.removeValue(forKey: $0)?.purpose }
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
        guard room > 0 else {
            if case .message = publication.purpose { return }
            if backlog.count < Tuning.backlog {
                backlog.append(publication)
            } else {
                context.counts.courtesiesDropped += 1
            }
            return
        }
        rooms[broker] = room - 1
        let number = nextNumber
        nextNumber += 1
        context.perform(
            .publish(
                Publication(
                    number: number, broker: broker, topic: publication.topic, payload: publication.payload,
                    expiry: publication.expiry)))
        underway[number] = publication.withoutPayload
    }

    /// Tries again what waits for room.
    mutating func publishBacklog(in context: inout Context) {
        let waiting = backlog
        backlog = []
        for publication in waiting { publish(publication, in: &context) }
    }

    /// The broker's word about one publication makes room for another. `nil`: it is not known, or not any more.
    mutating func acknowledge(_ number: UInt64) -> PendingPublication? {
        guard let publication = underway.removeValue(forKey: number) else { return nil }
        if let broker = publication.broker { rooms[broker]? += 1 }
        return publication
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
        return underway.values.contains(where: clears) || backlog.contains(where: clears)
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
        /// A row of the outbox.
        case message(id: String)
        case receipts([AcceptedRecord])
        /// Answers, questions, cards and presence: sent once.
        case courtesy
        /// A retained topic of an identity that is gone.
        case clearing(Address)
    }

    fileprivate var withoutPayload: PendingPublication {
        var copy = self
        copy.payload = []
        return copy
    }
}
