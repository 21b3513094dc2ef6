/// A symmetric key on its way through many messages, wrapped once per key of the receiver (extensions.md 2).
package struct ReusedKey: Sendable, Equatable {
    package var key: SymmetricKey
    /// The bytes that travel in every message, and SHA-256 of the public key that they were wrapped with.
    package var wrapped: [UInt8]
    package var wrappedFor: [UInt8]
    /// Seconds lived at its birth, and messages since.
    package var born: Double
    package var uses: Int

    package init(key: SymmetricKey, wrapped: [UInt8], wrappedFor: [UInt8], born: Double, uses: Int) {
        self.key = key
        self.wrapped = wrapped
        self.wrappedFor = wrappedFor
        self.born = born
        self.uses = uses
    }

    /// Both sides destroy it after this many seconds or messages.
    package static let life = 86_400.0
    package static let limit = 1_000
}
