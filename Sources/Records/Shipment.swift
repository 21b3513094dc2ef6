package import DIMP

/// What was sealed at once and goes to its receiver as one message: one row of the outbox, or several to a culver peer
/// (extensions.md 5). The rows point to it. It holds once what each repeat needs, so that a repeat neither reads nor keeps
/// a content.
package struct Shipment: Sendable, Equatable {
    /// Rises with each shipment.
    package var number: Int64
    /// As its rows have them: an identity of this board, and to whom it goes, both without a terminal.
    package var sender: ID
    package var receiver: ID
    /// The serial number of a single content, for the receipts of stock peers; `nil` for several contents.
    package var sn: Int64?
    /// What a receipt can name: SHA-256 of the ciphertext, and the signature.
    package var digest: [UInt8]
    package var signature: [UInt8]
    /// What the envelope says of the content.
    package var type: Int64?
    package var time: Double?
    package var group: ID?
    /// Nothing but a signed receipt closes it: the sender asked for one.
    package var wantsSignedReceipt: Bool
    package var attempts: Int64
    /// When it is sent next, in seconds that this installation has lived; `nil`: not any more.
    package var due: Double?
    /// That of its rows.
    package var priority: Priority
    /// It waits for its receiver's turn. Until then nothing is due for it but the expiry of a row.
    package var isHeld: Bool

    package init(
        number: Int64, sender: ID, receiver: ID, sn: Int64?, digest: [UInt8], signature: [UInt8], type: Int64?,
        time: Double?, group: ID? = nil, wantsSignedReceipt: Bool = false, attempts: Int64 = 0, due: Double?,
        priority: Priority = .normal, isHeld: Bool = false
    ) {
        self.number = number
        self.sender = sender
        self.receiver = receiver
        self.sn = sn
        self.digest = digest
        self.signature = signature
        self.type = type
        self.time = time
        self.group = group
        self.wantsSignedReceipt = wantsSignedReceipt
        self.attempts = attempts
        self.due = due
        self.priority = priority
        self.isHeld = isHeld
    }

    /// What is dropped when the last of its rows has ended.
    package struct Ciphertext: Sendable, Equatable {
        /// What was signed.
        package var data: [UInt8]
        /// The initialisation vector and the symmetric key as JSON text; `nil` for a broadcast.
        package var iv: [UInt8]?
        package var key: String?

        package init(data: [UInt8], iv: [UInt8]?, key: String?) {
            self.data = data
            self.iv = iv
            self.key = key
        }
    }
}
