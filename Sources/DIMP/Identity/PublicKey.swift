package import Crypto
package import Format

/// The public half of an asymmetric key object (wire.md 5.1). RSA signs and encrypts; ECC only signs.
package enum PublicKey: Sendable, Equatable {
    case rsa(RSAPublicKey)
    case ecc(ECCPublicKey, isCompressed: Bool)

    package init(_ json: JSON?) throws(Rejection) {
        guard let algorithm = json?["algorithm"]?.string, let data = json?["data"]?.string else {
            throw Rejection(.meta, "the key object has no algorithm or no data")
        }
        do throws(CryptoError) {
            switch KeyAlgorithm(algorithm) {
            case .rsa: self = .rsa(try RSAPublicKey(pem: data))
            case .ecc: self = .ecc(try ECCPublicKey(text: data), isCompressed: Self.isTrue(json?["compressed"]))
            case nil: throw CryptoError.badKey("unknown algorithm")
            }
        } catch {
            throw Rejection(.meta, "the public key cannot be read: \(error)")
        }
    }

    /// What a key object may say (wire.md 5.1).
    static let members = ["algorithm", "data", "mode", "padding", "digest", "curve", "compressed", "keySize"]

    /// What libraries take for a true value: `true`, a number that is not 0, or the word or digit for it.
    private static func isTrue(_ json: JSON?) -> Bool {
        switch json {
        case .bool(let flag)?: flag
        case .string(let word)?: ["1", "true", "yes", "on"].contains(word.lowercased())
        default: json?.double.map { $0 != 0 } ?? false
        }
    }

    /// An ECC key as 130 hex digits: the one form that all implementations read.
    package var json: JSON {
        switch self {
        case .rsa(let key): KeyAlgorithm.rsa.object(key.pem)
        case .ecc(let key, _): KeyAlgorithm.ecc.object(Hex.encode(key.point))
        }
    }

    /// The same for the `key` of a visa. JavaScript encrypts to more than 1024 bits only where `keySize` says how many
    /// bytes the modulus has (wire.md 5.1).
    package var visaJSON: JSON {
        guard var object = json.object, let key = encryption else { return json }
        object["keySize"] = .integer(Int64(key.size))
        return .object(object)
    }

    /// What addresses of metas without a seed are made of: SubjectPublicKeyInfo, or the point (wire.md 3).
    package var data: [UInt8] {
        switch self {
        case .rsa(let key): key.der
        case .ecc(let key, let isCompressed): isCompressed ? key.compressedPoint : key.point
        }
    }

    package func verifies(_ signature: [UInt8], of message: [UInt8]) -> Bool {
        verifies(signature, ofDigest: Digest.sha256(message))
    }

    /// The same for whoever has the message's SHA-256 already.
    package func verifies(_ signature: [UInt8], ofDigest digest: [UInt8]) -> Bool {
        switch self {
        case .rsa(let key): key.verifies(signature, ofDigest: digest)
        case .ecc(let key, _): key.verifies(signature, ofDigest: digest)
        }
    }

    /// The key that wraps message keys; `nil` for ECC, which cannot encrypt.
    package var encryption: RSAPublicKey? {
        if case .rsa(let key) = self { key } else { nil }
    }
}

/// The names under which the two algorithms are written since 2019.
enum KeyAlgorithm {
    case rsa, ecc

    init?(_ name: String) {
        switch name {
        case "RSA", "SHA256withRSA", "RSA/ECB/PKCS1Padding": self = .rsa
        case "ECC", "SHA256withECDSA": self = .ecc
        default: return nil
        }
    }

    func object(_ data: String) -> JSON {
        switch self {
        case .rsa:
            ["algorithm": "RSA", "data": .string(data), "mode": "ECB", "padding": "PKCS1", "digest": "SHA256"]
        case .ecc: ["algorithm": "ECC", "data": .string(data), "curve": "SECP256k1", "digest": "SHA256"]
        }
    }
}
