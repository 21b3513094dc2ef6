package import Crypto
import Format

/// A message that a person can read: envelope and content.
///
///     InstantMessage (content) ─ encrypted ─▶ SecureMessage (data, keys) ─ signed ─▶ ReliableMessage (signature)
public struct InstantMessage: Sendable {
    package var envelope: Envelope
    public package(set) var content: Content

    package init(envelope: Envelope, content: Content) {
        self.envelope = envelope
        self.content = content
    }

    /// The ciphertext under this key and IV, with no wrapped key yet; for a broadcast the JSON text itself.
    package func encrypted(with key: SymmetricKey, iv: [UInt8]) throws(CryptoError) -> SecureMessage {
        let plaintext = JSON.object(content.json).bytes
        var envelope = envelope
        envelope.type = content.type
        switch key {
        case .plain: return SecureMessage(envelope: envelope, data: plaintext, iv: nil, keys: [])
        case .aes(let bytes, _):
            let data = try bytes.withBytes { (key) throws(CryptoError) in
                try AES.encrypt(plaintext, key: key, iv: iv)
            }
            return SecureMessage(envelope: envelope, data: data, iv: iv, keys: [])
        }
    }
}
