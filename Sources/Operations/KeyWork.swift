import Crypto
package import DIMP
package import Records

/// The keys of an identity that is to be made or to get a new key: with all that it needs, so that any thread can do it.
package struct KeyWork: Sendable {
    enum Kind {
        /// `isEnsured`: an identity of this name that comes into being meanwhile will do.
        case new(name: String, network: UInt8, algorithm: Identity.Algorithm, bits: Int, isEnsured: Bool)
        case rotation(of: Identity)
    }

    let kind: Kind
    /// Seconds since 1970.
    let time: Double

    /// Makes the keys. Slow: seconds on a small board.
    package func made() throws(Refusal) -> Identity {
        do throws(CryptoError) {
            switch kind {
            case .new(let name, let network, let algorithm, let bits, _):
                return try Identity.register(name: name, network: network, algorithm: algorithm, bits: bits, time: time)
            case .rotation(let identity): return try identity.rotated(time: time)
            }
        } catch {
            throw Refusal(.inputOutput, "no-keys", "cannot make keys: \(error)")
        }
    }
}
