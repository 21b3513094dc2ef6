package import Crypto
import Format

/// A message for one of the caller's entities. Its sender is a claim, and its envelope may have been changed.
package struct AddressedMessage: Sendable {
    /// An unsplit group message holds the owner's keys alone.
    package let message: ReliableMessage
    /// The entity that the message is for, without terminal.
    package let owner: ID
    /// SHA-256 of what is signed: names the message among those seen before.
    package let digest: [UInt8]

    init(message: ReliableMessage, owner: ID) {
        self.message = message
        self.owner = owner
        digest = Digest.sha256(message.secure.data)
    }

    package var envelope: Envelope { message.envelope }
    /// Without the terminal, which nobody signs.
    package var sender: ID { message.envelope.sender.bare }
    package var hasMeta: Bool { message.meta != nil }

    /// Step 5: the sender's meta, which is the known one, else the attached one if it vouches for the sender. `nil`:
    /// the caller must look it up. An attached meta that is read costs a public-key operation, a known one none.
    package func meta(known: Meta?) throws(Rejection) -> Meta? {
        if let known { return known }
        guard let attached = message.meta else { return nil }
        let meta = try Meta(attached)
        guard meta.vouches(for: sender) else { throw Rejection(.meta, "the attached meta is of another ID") }
        return meta
    }

    /// Step 5 where no meta is known and one was asked for: the meta of the sender that stands in the ciphertext alone, as
    /// applications answer (wire.md 7.1). What is decrypted here has no verified sender, so it serves for nothing but
    /// this meta, which proves itself; `nil` when there is none. A private-key operation for each secret and wrapped key.
    package func metaInside(with secrets: [RSAPrivateKey]) -> Meta? {
        guard !envelope.isBroadcast, let key = try? message.secure.unwrapped(for: owner, with: secrets).key,
            let content = try? message.secure.decrypted(with: key).content
        else { return nil }
        let json = content.commands?.lazy.compactMap { command -> JSON? in
            switch command {
            case .meta(_, let meta), .documents(_, _, let meta, _): meta
            default: nil
            }
        }.first
        guard let json, let meta = try? Meta(json), meta.vouches(for: sender) else { return nil }
        return meta
    }

    /// The same message with this meta of its sender beside it.
    package func attaching(_ meta: Meta) -> AddressedMessage {
        var message = message
        message.meta = .object(meta.json)
        return AddressedMessage(message: message, owner: owner)
    }

    /// Step 8: the signature, under the meta of step 5. Before it the caller drops what it has seen and what exceeds
    /// its budget. A public-key operation.
    package func verified(by meta: Meta) throws(Rejection) -> VerifiedMessage {
        let secure = try message.verified(by: meta, digest: digest)
        return VerifiedMessage(addressed: self, secure: secure, meta: meta)
    }
}
