package import DIMP

/// A message that waits: for its sender's meta (`isVerified` false), or for the owner's word about a stranger.
package struct Parked: Sendable, Equatable {
    package var number: Int64
    package var isVerified: Bool
    /// As the envelope claims them; the sender's is proven only when `isVerified`.
    package var sender: ID
    package var receiver: ID
    /// The ReliableMessage as it came.
    package var wire: [UInt8]
    /// SHA-256 of the ciphertext, so that a repeat is not parked twice.
    package var digest: [UInt8]
    /// Seconds since 1970 and seconds lived at arrival.
    package var received: Double
    package var since: Double

    package init(
        number: Int64 = 0, isVerified: Bool, sender: ID, receiver: ID, wire: [UInt8], digest: [UInt8],
        received: Double, since: Double
    ) {
        self.number = number
        self.isVerified = isVerified
        self.sender = sender
        self.receiver = receiver
        self.wire = wire
        self.digest = digest
        self.received = received
        self.since = since
    }
}
