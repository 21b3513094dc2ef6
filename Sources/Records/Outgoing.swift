/// A message that this board has accepted and not yet forgotten: one row of the outbox.
package struct Outgoing: Sendable, Equatable {
    /// The message's name on the socket, `[0-9a-z]{1,32}`, stable across restarts.
    package var id: String
    /// Rises with each accepted message; messages to one peer leave in this order.
    package var order: Int64
    package var sn: Int64
    /// Full IDs. `receiver` is whom the message goes to: a user, or a group before it is split.
    package var sender: String
    package var receiver: String
    /// The caller's own name for it, and SHA-256 of what it asked for, so that a repeat is told from a misuse.
    package var ref: String?
    package var request: [UInt8]
    /// The content's JSON text, until the message has ended.
    package var content: String
    package var state: DeliveryState
    package var reason: String?
    /// Seconds since 1970, 0 while the clock was unset.
    package var created: Double
    package var published: Double?
    package var delivered: Double?
    package var attempts: Int
    /// When the next try is due and when it expires, in seconds that this installation has lived.
    package var due: Double?
    package var expires: Double
    package var sealed: Sealed?

    package init(
        id: String, order: Int64 = 0, sn: Int64, sender: String, receiver: String, ref: String? = nil,
        request: [UInt8], content: String, state: DeliveryState, reason: String? = nil, created: Double,
        published: Double? = nil, delivered: Double? = nil, attempts: Int = 0, due: Double? = nil, expires: Double,
        sealed: Sealed? = nil
    ) {
        self.id = id
        self.order = order
        self.sn = sn
        self.sender = sender
        self.receiver = receiver
        self.ref = ref
        self.request = request
        self.content = content
        self.state = state
        self.reason = reason
        self.created = created
        self.published = published
        self.delivered = delivered
        self.attempts = attempts
        self.due = due
        self.expires = expires
        self.sealed = sealed
    }

    /// Something may still have to be done for it. To a stock peer a message goes once: `published` with nothing due
    /// is the end of it, though a receipt may yet make it `delivered`.
    package var isLiving: Bool { !state.isEnd && !(state == .published && due == nil) }

    /// What a repeat needs: the ciphertext and its signature stay, everything else of the wire is made anew.
    package struct Sealed: Sendable, Equatable {
        /// SHA-256 of the ciphertext: what a receipt names.
        package var digest: [UInt8]
        package var data: [UInt8]
        package var signature: [UInt8]
        package var iv: [UInt8]
        /// The symmetric key as JSON text; empty for a broadcast.
        package var key: String

        package init(digest: [UInt8], data: [UInt8], signature: [UInt8], iv: [UInt8], key: String) {
            self.digest = digest
            self.data = data
            self.signature = signature
            self.iv = iv
            self.key = key
        }
    }
}

/// Design section 5.6. The last four are ends: nothing follows them.
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
