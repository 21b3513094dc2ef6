import Crypto
import DIMP

/// What agents say to each other beside the messages of the outbox: receipts, answers, questions. Sent once, never
/// repeated, never receipted.
enum ControlMessage {
    /// Gives it to the pool. `attached`: a key that the receiver showed with the very message that is answered. False when
    /// no key of the receiver is known: then nothing is said.
    @discardableResult
    static func seal(
        _ content: Content, from sender: Address, to receiver: ID, attached: RSAPublicKey? = nil,
        purpose: Sealing.Purpose, in context: inout Context
    ) -> Bool {
        guard let identity = context.book.identity(sender) else { return false }
        var packing = Packing(identity: identity, receiver: receiver, recipients: [])
        if !receiver.isBroadcast {
            let own = context.book.identity(receiver.address)?.visa.key?.encryption
            guard let key = context.book.encryptionKey(of: receiver)?.encryption ?? own ?? attached else {
                return false
            }
            let known = context.book.recipients(of: receiver)
            packing.recipients = known.isEmpty ? [(receiver, key)] : known
            if context.book.isCulver(receiver) {
                packing.reused = context.book.keyInUse(for: packing, wrappedFor: key, lived: context.now.lived)
            }
        }
        context.counts.signatures += 1
        context.perform(
            .work(
                Job(
                    lane: "receipt \(receiver.address.text)",
                    work: .seal(Sealing(packing: packing, content: .whole(content), purpose: purpose)))))
        return true
    }

    /// A broadcast that needs no key, laid on one entity's topic: it asks for that entity's card.
    static func ask(_ content: Content, about id: ID, as identity: Identity, in context: inout Context) {
        context.counts.signatures += 1
        context.perform(
            .work(
                Job(
                    lane: "ask \(id.address.text)",
                    work: .seal(
                        Sealing(
                            packing: Packing(identity: identity, receiver: .anyone, recipients: []),
                            content: .whole(content), purpose: .query(id))))))
    }
}
