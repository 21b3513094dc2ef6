/// That a message was taken, so that it is taken once, and what its receipt says, so that it can be given again.
package struct AcceptedRecord: Sendable, Equatable {
    /// Addresses of the local identity and of the sender.
    package var owner: String
    package var sender: String
    /// SHA-256 of the ciphertext; for unsealed messages also of the decrypted content.
    package var digest: [UInt8]
    package var contentDigest: [UInt8]?
    /// Seconds since 1970 of the content; `nil` for one without usable time, which stays until the contact goes.
    package var time: Double?
    /// The receipt's content as JSON text; `nil` for a message that is not receipted.
    package var receipt: String?
    /// The full ID to receipt to, and from.
    package var receiptTo: String
    package var receiptFrom: String
    /// A receipt is owed and no broker has acknowledged it yet.
    package var isOwed: Bool
    /// When the receipt was last sent, in seconds lived.
    package var answered: Double

    package init(
        owner: String, sender: String, digest: [UInt8], contentDigest: [UInt8]? = nil, time: Double?, receipt: String?,
        receiptTo: String, receiptFrom: String, isOwed: Bool, answered: Double
    ) {
        self.owner = owner
        self.sender = sender
        self.digest = digest
        self.contentDigest = contentDigest
        self.time = time
        self.receipt = receipt
        self.receiptTo = receiptTo
        self.receiptFrom = receiptFrom
        self.isOwed = isOwed
        self.answered = answered
    }
}
