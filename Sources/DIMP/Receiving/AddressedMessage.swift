import Crypto
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
    package var sender: ID { message.envelope.sender }
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

    /// Step 8: the signature, under the meta of step 5. Before it the caller drops what it has seen and what exceeds
    /// its budget. A public-key operation.
    package func verified(by meta: Meta) throws(Rejection) -> VerifiedMessage {
        let secure = try message.verified(by: meta, digest: digest)
        return VerifiedMessage(addressed: self, secure: secure, meta: meta)
    }
}
