package import Crypto
package import Format

/// The private half of an asymmetric key object (wire.md 5.1). Never describes itself.
package enum PrivateKey: Sendable {
    case rsa(RSAPrivateKey)
    case ecc(ECCPrivateKey)

    /// From a key file of ours or of another DIMP tool: our own fault when it is damaged.
    package init(_ json: JSON) throws(CryptoError) {
        guard let algorithm = json["algorithm"]?.string, let data = json["data"]?.string else {
            throw .badKey("the key object has no algorithm or no data")
        }
        switch KeyAlgorithm(algorithm) {
        case .rsa: self = .rsa(try RSAPrivateKey(pem: data))
        case .ecc: self = .ecc(try ECCPrivateKey(text: data))
        case nil: throw .badKey("unknown algorithm")
        }
    }

    /// Holds the secret in the clear: for the key file alone.
    package var json: JSON {
        switch self {
        case .rsa(let key): KeyAlgorithm.rsa.object(key.pem)
        case .ecc(let key): KeyAlgorithm.ecc.object(key.pem)
        }
    }

    package var publicKey: PublicKey {
        switch self {
        case .rsa(let key): .rsa(key.publicKey)
        case .ecc(let key): .ecc(key.publicKey, isCompressed: false)
        }
    }

    package var algorithm: String {
        switch self {
        case .rsa: "RSA"
        case .ecc: "ECC"
        }
    }

    package func sign(_ message: [UInt8]) throws(CryptoError) -> [UInt8] {
        try sign(digest: Digest.sha256(message))
    }

    /// The same for whoever has the message's SHA-256 already.
    package func sign(digest: [UInt8]) throws(CryptoError) -> [UInt8] {
        switch self {
        case .rsa(let key): try key.sign(digest: digest)
        case .ecc(let key): try key.sign(digest: digest)
        }
    }

    /// The key that unwraps message keys; `nil` for ECC.
    package var decryption: RSAPrivateKey? {
        if case .rsa(let key) = self { key } else { nil }
    }
}

extension PrivateKey: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "private key" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: [:]) }
}
