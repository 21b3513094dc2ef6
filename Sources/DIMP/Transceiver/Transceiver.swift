package import Crypto
import Format

/// Whole messages in one step, between contents and the wire: the seed's `encryptSign` and `verifyDecrypt`.
///
/// For programs without a daemon (`culver pack`, `culver open`) and for tests. The agent takes the same steps one by
/// one, because between them it looks at trust, budgets and what it has seen.
package struct Transceiver {
    private let barrack: any Barrack

    package init(barrack: any Barrack) {
        self.barrack = barrack
    }

    package enum Failure: Error, Sendable, CustomStringConvertible {
        case noIdentity(ID)
        /// Neither a visa nor a meta of this ID that can encrypt.
        case noKey(ID)
        case crypto(CryptoError)

        package var description: String {
            switch self {
            case .noIdentity(let id): "\(id) is no identity of this board"
            case .noKey(let id): "no key of \(id) is known"
            case .crypto(let error): "\(error)"
            }
        }
    }

    /// Seals, encrypts with a fresh key and signs. A group message goes to `members`, unsplit; a broadcast stays
    /// readable. `attach` puts our meta and visa beside it.
    package func encryptSign(
        _ content: Content, from sender: ID, to receiver: ID, members: [ID] = [], attach: Bool
    ) throws(Failure) -> ReliableMessage {
        guard let identity = barrack.identity(sender.address) else { throw .noIdentity(sender) }
        let group = receiver.isGroup && !receiver.isBroadcast ? receiver : nil
        var recipients: [(ID, RSAPublicKey)] = []
        for member in receiver.isBroadcast ? [] : group == nil ? [receiver] : members {
            guard let key = barrack.encryptionKey(of: member)?.encryption else { throw .noKey(member) }
            recipients.append((member, key))
        }
        do throws(CryptoError) {
            var message = try Packing(identity: identity, receiver: receiver, recipients: recipients)
                .seal(content).message
            if attach {
                message.meta = .object(identity.meta.json)
                message.visa = .object(identity.visa.json)
            }
            return message
        } catch {
            throw .crypto(error)
        }
    }

    /// Verifies, decrypts and checks the seal. `isSealed` tells whether there was one.
    package func verifyDecrypt(
        _ message: ReliableMessage, as owner: Identity
    ) throws(Rejection) -> (message: InstantMessage, isSealed: Bool) {
        let sender = message.envelope.sender
        let receiver = message.envelope.receiver
        guard receiver == owner.id || receiver.isGroup || receiver.isBroadcast else {
            throw Rejection(.receiver, "the message is for somebody else")
        }
        let meta: Meta
        if let known = barrack.meta(of: sender) {
            meta = known
        } else {
            guard let attached = message.meta else { throw Rejection(.meta, "the sender's meta is not known") }
            meta = try Meta(attached)
            guard meta.vouches(for: sender) else { throw Rejection(.meta, "the attached meta is of another ID") }
        }
        let secure = try message.trimmed(for: owner.id).verified(by: meta)
        let instant: InstantMessage
        if secure.envelope.isBroadcast {
            guard message.secure.keys.isEmpty else { throw Rejection(.key, "a broadcast has no key") }
            instant = try secure.decrypted(with: .plain)
        } else {
            let (key, _) = try secure.unwrapped(for: owner.id, with: owner.decryptionKeys)
            instant = try secure.decrypted(with: key)
        }
        return (instant, try Seal.check(instant, iv: secure.iv))
    }
}
