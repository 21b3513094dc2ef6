package import DIMP

/// That a message was taken, so that it is taken once, and what its receipt says, so that it can be given again.
package struct AcceptedRecord: Sendable, Equatable {
    /// The local identity and the sender.
    package var owner: Address
    package var sender: Address
    /// SHA-256 of the ciphertext; for unsealed messages also of the decrypted content.
    package var digest: [UInt8]
    package var contentDigest: [UInt8]?
    /// Seconds since 1970 of the content; `nil` for one without usable time, which stays until the contact goes.
    package var time: Double?
    /// The receipt's content as JSON text; `nil` for a message that is not receipted.
    package var receipt: String?
    /// Whom the receipt goes to, and from which identity.
    package var receiptTo: ID
    package var receiptFrom: ID
    /// A receipt is owed and no broker has acknowledged it yet.
    package var isOwed: Bool
    /// When the receipt was last sent, in seconds lived.
    package var answered: Double

    package init(
        owner: Address, sender: Address, digest: [UInt8], contentDigest: [UInt8]? = nil, time: Double?,
        receipt: String?,
        receiptTo: ID, receiptFrom: ID, isOwed: Bool, answered: Double
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
