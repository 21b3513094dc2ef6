package import Crypto
import Format

/// A message whose sender is proven. Nothing else of its envelope is.
package struct VerifiedMessage: Sendable {
    package let addressed: AddressedMessage
    package let secure: SecureMessage
    /// The sender's.
    package let meta: Meta

    init(addressed: AddressedMessage, secure: SecureMessage, meta: Meta) {
        self.addressed = addressed
        self.secure = secure
        self.meta = meta
    }

    /// Without the terminal, which nobody has signed.
    package var sender: ID { addressed.sender }
    package var envelope: Envelope { secure.envelope }
    package var isBroadcast: Bool { secure.envelope.isBroadcast }

    /// Step 11 for a broadcast, which has no key; `nil` for every other message.
    package func broadcastKey() throws(Rejection) -> MessageKey? {
        guard isBroadcast else { return nil }
        guard secure.keys.isEmpty else { throw Rejection(.key, "a broadcast has no key") }
        return MessageKey(key: .plain)
    }

    /// Step 11 without a private key: a reused key that the caller kept when it accepted an earlier message of this
    /// sender for this target. `nil` when it keeps none.
    package func keptKey(in cache: some KeyCache) -> MessageKey? {
        for wrapped in secure.wrappedKeys(for: addressed.owner) {
            let digest = Digest.sha256(wrapped)
            if let key = cache.receivedKey(from: sender, to: envelope.target, wrapping: digest) {
                return MessageKey(key: key, wrapped: wrapped, wrappedDigest: digest)
            }
        }
        return nil
    }

    /// Step 11 with the owner's private keys, in turn. Before it come the caller's trust and budget. Wrong padding
    /// goes on with a random key, so that it looks like any other wrong key. A private-key operation for each secret
    /// and wrapped key.
    package func unwrapped(with secrets: [RSAPrivateKey]) throws(Rejection) -> MessageKey {
        let (key, wrapped, secret) = try secure.unwrapped(for: addressed.owner, with: secrets)
        return MessageKey(
            key: key, wrapped: wrapped, wrappedDigest: Digest.sha256(wrapped), isByNewest: secret == 0)
    }

    /// Steps 12 and 13: decrypts, and reads the content. The content of a broadcast must say that it is one
    /// (extensions.md 3); whether strangers may broadcast is for the caller to know.
    package func opened(with key: MessageKey) throws(Rejection) -> OpenedMessage {
        OpenedMessage(verified: self, key: key, content: try secure.decrypted(with: key.key).content)
    }
}

/// The key of one message, and how it was found.
package struct MessageKey: Sendable {
    package let key: SymmetricKey
    /// The bytes that it was wrapped in; `nil` in a broadcast.
    package let wrapped: [UInt8]?
    /// SHA-256 of them.
    package let wrappedDigest: [UInt8]?
    /// The newest of the owner's private keys unwrapped it, so the sender has the owner's present visa.
    package let isByNewest: Bool

    init(
        key: SymmetricKey, wrapped: [UInt8]? = nil, wrappedDigest: [UInt8]? = nil, isByNewest: Bool = false
    ) {
        self.key = key
        self.wrapped = wrapped
        self.wrappedDigest = wrappedDigest
        self.isByNewest = isByNewest
    }
}
