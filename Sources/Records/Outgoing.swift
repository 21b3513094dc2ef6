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
    package var attempts: Int64
    /// When the next try is due and when the message expires, in seconds that this installation has lived.
    package var due: Double?
    package var expires: Double

    package init(
        id: String, order: Int64 = 0, sn: Int64, sender: ID, recipient: Recipient, ref: String? = nil,
        request: [UInt8], body: RowBody, state: DeliveryState, reason: String? = nil, created: Double,
        published: Double? = nil, delivered: Double? = nil, attempts: Int64 = 0, due: Double? = nil, expires: Double
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

        package var group: ID? {
            if case .member(_, of: let group) = self { group } else { nil }
        }
    }

    /// What the row holds of the message itself.
    package enum RowBody: Sendable, Equatable {
        /// The content's JSON text: not sealed yet.
        case content(String)
        /// Sealed. The content is kept beside it until the message has ended.
        case sealed(content: String, Sealed)
        /// The ciphertext and its key are gone; a late receipt still finds the row.
        case trace(Trace)
        /// It ended before it was sealed, and nothing of it is kept.
        case none
    }

    /// What a repeat needs: the ciphertext and its signature stay, everything else of the wire is made anew.
    package struct Sealed: Sendable, Equatable {
        /// SHA-256 of `data`: what a receipt names.
        package var digest: [UInt8]
        package var data: [UInt8]
        package var signature: [UInt8]
        /// The initialisation vector and the symmetric key as JSON text; `nil` for a broadcast.
        package var iv: [UInt8]?
        package var key: String?

        package init(digest: [UInt8], data: [UInt8], signature: [UInt8], iv: [UInt8]?, key: String?) {
            self.digest = digest
            self.data = data
            self.signature = signature
            self.iv = iv
            self.key = key
        }
    }

    /// What a receipt can name: SHA-256 of the ciphertext, and the signature.
    package struct Trace: Sendable, Equatable {
        package var digest: [UInt8]
        package var signature: [UInt8]

        package init(digest: [UInt8], signature: [UInt8]) {
            self.digest = digest
            self.signature = signature
        }
    }

    /// The content's JSON text, while it is kept.
    package var content: String? {
        switch body {
        case .content(let text), .sealed(let text, _): text
        case .trace, .none: nil
        }
    }

    /// What a receipt can name; `nil` until the message is sealed.
    package var trace: Trace? {
        switch body {
        case .sealed(_, let sealed): Trace(digest: sealed.digest, signature: sealed.signature)
        case .trace(let trace): trace
        case .content, .none: nil
        }
    }

    /// Without what only a repeat would need.
    package var spent: Outgoing {
        var row = self
        row.body = trace.map(RowBody.trace) ?? .none
        return row
    }
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
