package import Crypto
package import Format

/// The key of a message's content (wire.md 5.2): AES in CBC mode, or PLAIN for broadcasts.
package enum SymmetricKey: Sendable, Equatable {
    case aes(key: SecretBytes, iv: [UInt8]?)
    case plain

    package static func generate() throws(CryptoError) -> SymmetricKey {
        .aes(key: SecretBytes(try Random.bytes(32)), iv: try Random.bytes(16))
    }

    /// Full or short names. Takes AES with 16, 24 or 32 bytes, and PLAIN, which is legal only for a broadcast.
    package init(_ json: JSON) throws(Rejection) {
        guard let object = json.object, let algorithm = object.first("algorithm", "A")?.string else {
            throw Rejection(.key, "the message key names no algorithm")
        }
        switch algorithm {
        case "AES", "AES/CBC/PKCS7Padding":
            guard let key = object.first("data", "D")?.string.flatMap(Base64.decode), [16, 24, 32].contains(key.count)
            else { throw Rejection(.key, "the message key has no 16, 24 or 32 bytes") }
            let iv = object.first("iv", "IV", "I")?.string
            self = .aes(key: SecretBytes(key), iv: try iv.map { (text) throws(Rejection) in try Self.iv(text) })
        case "PLAIN": self = .plain
        default: throw Rejection(.key, "the message key has an unknown algorithm")
        }
    }

    /// Without spaces, in this order and with nothing more: with a key of 1024 bits only 117 bytes fit. `from` names
    /// the sender's address, so that nobody else can put their signature under the ciphertext.
    package func json(from sender: Address? = nil) -> JSON {
        switch self {
        case .aes(let key, let iv):
            var object: JSONObject = ["algorithm": "AES", "data": .string(Base64.encode(key.revealed))]
            if let iv { object["iv"] = .string(Base64.encode(iv)) }
            if let sender { object["from"] = .string(sender.text) }
            return .object(object)
        case .plain: return ["algorithm": "PLAIN"]
        }
    }

    /// 16 bytes of Base64.
    static func iv(_ text: String) throws(Rejection) -> [UInt8] {
        guard let iv = Base64.decode(text), iv.count == 16 else { throw Rejection(.key, "the IV has no 16 bytes") }
        return iv
    }
}

extension SymmetricKey: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package var description: String { "symmetric key" }
    package var debugDescription: String { description }
    package var customMirror: Mirror { Mirror(self, children: [:]) }
}
