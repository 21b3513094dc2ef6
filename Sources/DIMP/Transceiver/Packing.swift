package import Crypto
import Format

/// All that one outgoing message needs to be sealed, encrypted and signed, as a value: it can be done on any thread.
package struct Packing: Sendable {
    package var identity: Identity
    package var receiver: ID
    package var recipients: [(ID, RSAPublicKey)]
    /// A key that is used again, with its wrapped bytes; `nil` makes a fresh one.
    package var reused: ReusedKey?

    package init(identity: Identity, receiver: ID, recipients: [(ID, RSAPublicKey)], reused: ReusedKey? = nil) {
        self.identity = identity
        self.receiver = receiver
        self.recipients = recipients
        self.reused = reused
    }

    package struct Packed: Sendable {
        package var message: ReliableMessage
        package var key: SymmetricKey
        /// SHA-256 of what is signed: what a receipt names.
        package var digest: [UInt8]
    }

    /// One private-key operation: the signature.
    package func seal(_ content: Content) throws(CryptoError) -> Packed {
        var content = content
        let group = receiver.isGroup ? receiver.bare : content.group?.bare
        let envelope = Envelope(
            sender: identity.id, receiver: receiver.bare, time: content.time, group: group, type: content.type)
        if let group { content.json["group"] = .string(group.text) }
        let iv = envelope.isBroadcast ? nil : try Random.bytes(16)
        content.json["seal"] = Seal.of(sender: identity.id, target: envelope.target, iv: iv)
        var key = SymmetricKey.plain
        if let reused {
            key = reused.key
        } else if let iv {
            key = .aes(key: SecretBytes(try Random.bytes(32)), iv: iv)
        }
        var secure = try InstantMessage(envelope: envelope, content: content).encrypted(with: key, iv: iv ?? [])
        if let reused {
            secure.keys = recipients.map { SecureMessage.WrappedKey(receiver: $0.0.bare.text, bytes: reused.wrapped) }
        } else if key != .plain {
            secure.keys = try wrap(key)
        }
        let digest = Digest.sha256(secure.data)
        return Packed(message: try secure.signed(by: identity.secret, digest: digest), key: key, digest: digest)
    }

    /// The key for each recipient, under its ID as it is given. Keys of less than 2048 bits have no room for the sender's address.
    package func wrap(_ key: SymmetricKey) throws(CryptoError) -> [SecureMessage.WrappedKey] {
        let (long, short) = (key.json(from: identity.id.address).bytes, key.json(from: nil).bytes)
        return try recipients.map { id, publicKey throws(CryptoError) in
            let bytes = try publicKey.encrypt(publicKey.bits >= 2048 ? long : short)
            return SecureMessage.WrappedKey(receiver: id.text, bytes: bytes)
        }
    }
}
