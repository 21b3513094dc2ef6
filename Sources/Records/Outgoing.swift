package import DIMP

/// A message that this board has accepted and not yet forgotten: one row of the outbox.
package struct Outgoing: Sendable, Equatable {
    /// The message's name on the socket, `[0-9a-z]{1,32}`, stable across restarts.
    package var id: String
    /// Rises with each accepted message; messages to one peer leave in this order. 0 until the row is stored.
    package var order: Int64
    package var sn: Int64
    /// An identity of this board, without a terminal.
    package var sender: ID
    package var recipient: Recipient
    /// The caller's own name for it, and SHA-256 of what the caller asked for, so that a repeat is told from a misuse.
    package var ref: String?
    package var request: [UInt8]
    package var body: RowBody
    package var state: DeliveryState
    /// A stable word: why it ended, or why the last try did not reach the peer.
    package var reason: String?
    /// Seconds since 1970, 0 while the clock was unset.
    package var created: Double
    package var published: Double?
    package var delivered: Double?
    /// While the message is sealed, `attempts` and `due` are those of its shipment: they are read with the row and written
    /// with the shipment.
    package var attempts: Int64
    /// When the next try is due and when the message expires, in seconds that this installation has lived.
    package var due: Double?
    package var expires: Double
    package var priority: Priority

    package init(
        id: String, order: Int64 = 0, sn: Int64, sender: ID, recipient: Recipient, ref: String? = nil,
        request: [UInt8], body: RowBody, state: DeliveryState, reason: String? = nil, created: Double,
        published: Double? = nil, delivered: Double? = nil, attempts: Int64 = 0, due: Double? = nil, expires: Double,
        priority: Priority = .normal
    ) {
        self.id = id
        self.order = order
        self.sn = sn
        self.sender = sender
        self.recipient = recipient
        self.ref = ref
        self.request = request
        self.body = body
        self.state = state
        self.reason = reason
        self.created = created
        self.published = published
        self.delivered = delivered
        self.attempts = attempts
        self.due = due
        self.expires = expires
        self.priority = priority
    }

    /// To whom the message goes, without a terminal.
    package var receiver: ID { recipient.receiver }

    /// Something may still have to be done for it. To a stock peer a message goes once: `published` with nothing due
    /// is the end of it, though a receipt may yet make it `delivered`.
    package var isLiving: Bool { !state.isEnd && !(state == .published && due == nil) }

    package enum Recipient: Sendable, Equatable {
        /// A user, whatever it stands for, or a broadcast address.
        case person(ID)
        /// One member of a group, of a message to all of its members.
        case member(ID, of: ID)

        package var receiver: ID {
            switch self {
            case .person(let id), .member(let id, of: _): id
            }
        }

        /// It stands for all members.
        package var isGroup: Bool { receiver.hasMembers }

        package var group: ID? {
            if case .member(_, of: let group) = self { group } else { nil }
        }
    }

    /// Where the message itself is.
    package enum RowBody: Sendable, Equatable {
        /// The content's JSON text: not sealed yet.
        case content(String)
        /// Inside the shipment of this number, alone or with others. The content is not kept beside it.
        case sealed(shipment: Int64)
        /// It ended before it was sealed, and nothing of it is kept.
        case none
    }

    /// The content's JSON text, until the message is sealed.
    package var content: String? {
        if case .content(let text) = body { text } else { nil }
    }

    /// The number of the shipment that carries the message; `nil` until it is sealed.
    package var shipment: Int64? {
        if case .sealed(let number) = body { number } else { nil }
    }
}

extension Outgoing {
    /// The rows of one message to a group as one: it has come as far as the one that has come the least far, and has
    /// ended when all have. Of any other message its row; `nil` of none.
    package static func message(of rows: [Outgoing]) -> Outgoing? {
        guard var message = rows.first, let group = message.recipient.group else { return rows.first }
        let living = rows.filter { !$0.state.isEnd }
        let steps: [DeliveryState] = [.waiting, .queued, .published, .expired, .failed, .cancelled, .delivered]
        let states = (living.isEmpty ? rows : living).map(\.state)
        guard let state = steps.first(where: states.contains) else { return message }
        let last = rows.first { $0.state == state }
        message.recipient = .person(group)
        message.state = state
        message.reason = last?.reason
        message.published = rows.contains { $0.published == nil } ? nil : rows.compactMap(\.published).max()
        message.delivered = state == .delivered ? rows.compactMap(\.delivered).max() : nil
        message.attempts = rows.map(\.attempts).max() ?? 0
        message.due = rows.compactMap(\.due).min()
        return message
    }

    /// The id of a member's row, whose message has this id: the first one's is the message's.
    package static func id(ofMember number: Int, of message: String) -> String {
        guard number > 0 else { return message }
        let digits = String(number, radix: 36)
        return message + String(repeating: "0", count: max(0, 4 - digits.utf8.count)) + digits
    }

    /// The id of the message that the row belongs to.
    package var messageID: String {
        recipient.group != nil && id.utf8.count > Self.idLength ? String(id.prefix(Self.idLength)) : id
    }

    /// Characters of an id that the agent makes.
    private static let idLength = 16
}

/// What goes first to a receiver, best first. Order is kept among messages of one priority (extensions.md 5).
package enum Priority: String, Sendable, CaseIterable, Comparable {
    case urgent, normal, bulk

    /// Rises from the best on.
    package var rank: Int64 {
        switch self {
        case .urgent: 0
        case .normal: 1
        case .bulk: 2
        }
    }

    package init?(rank: Int64) {
        guard let priority = Self.allCases.first(where: { $0.rank == rank }) else { return nil }
        self = priority
    }

    package static func < (one: Priority, other: Priority) -> Bool { one.rank < other.rank }
}

/// The states of an outgoing message (extensions.md 7). The last four are ends: nothing follows them, but for a receipt
/// that comes after `expired`.
package enum DeliveryState: String, Sendable, CaseIterable {
    /// No meta or key of the peer yet.
    case waiting
    /// Sealed and on disk.
    case queued
    /// Acknowledged by a broker.
    case published
    /// The peer's signed receipt was verified.
    case delivered
    case expired
    case failed
    case cancelled

    package var isEnd: Bool {
        switch self {
        case .waiting, .queued, .published: false
        case .delivered, .expired, .failed, .cancelled: true
        }
    }
}
