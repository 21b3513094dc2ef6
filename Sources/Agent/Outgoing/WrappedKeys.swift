import Crypto
import DIMP

/// The bytes in which message keys travel, as long as messages are repeated under them. A reused key ends, or gives way to
/// another, while older messages are still under way: if each repeat wrapped it anew, the receiver would need its private key
/// for each, because it knows a key again by the bytes around it (extensions.md 2).
///
/// Kept in memory alone: after a start each key is wrapped once more.
struct WrappedKeys {
    private var wrapped: [Wrapping: [UInt8]] = [:]
    private var places: [Wrapping] = []

    /// A message key and the receiver's key around it, by their SHA-256.
    private struct Wrapping: Hashable {
        var key: [UInt8]
        var publicKey: [UInt8]
    }

    /// What messages under a key in use carry.
    mutating func remember(_ reused: ReusedKey) {
        keep(reused.wrapped, at: Wrapping(key: Self.digest(reused.key), publicKey: reused.wrappedFor))
    }

    /// The bytes of this key for this receiver's key, from `wrap` if they are not known; `nil` if that has none.
    mutating func bytes(
        of key: SymmetricKey, for publicKey: RSAPublicKey, or wrap: () -> [UInt8]?
    ) -> [UInt8]? {
        let place = Wrapping(key: Self.digest(key), publicKey: publicKey.fingerprint)
        if let known = wrapped[place] { return known }
        guard let bytes = wrap() else { return nil }
        keep(bytes, at: place)
        return bytes
    }

    private mutating func keep(_ bytes: [UInt8], at place: Wrapping) {
        if wrapped.updateValue(bytes, forKey: place) == nil { places.append(place) }
        if places.count > Tuning.rememberedWrappings { wrapped[places.removeFirst()] = nil }
    }

    private static func digest(_ key: SymmetricKey) -> [UInt8] { Digest.sha256(key.json().bytes) }
}
