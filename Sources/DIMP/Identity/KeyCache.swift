/// Symmetric keys that are used again, by direction: the seed's KeyCache, filled by `KeyStore` from flat files.
package protocol KeyCache: AnyObject {
    /// What our `sender` encrypts with for this receiver now; `nil` when a new one must be made.
    func sendingKey(from sender: ID, to receiver: ID) -> ReusedKey?
    /// The key behind wrapped bytes (their SHA-256) that this sender used for this target, once accepted in full.
    func receivedKey(from sender: ID, to target: ID, wrapping digest: [UInt8]) -> SymmetricKey?
}
