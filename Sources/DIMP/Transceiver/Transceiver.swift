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
        try verifyDecrypt(message, as: owner.id, with: owner.decryptionKeys)
    }

    /// The same for a receiver of whom only the ID and the private keys are at hand.
    package func verifyDecrypt(
        _ message: ReliableMessage, as receiver: ID, with secrets: [RSAPrivateKey]
    ) throws(Rejection) -> (message: InstantMessage, isSealed: Bool) {
        let addressee = message.envelope.receiver
        guard addressee == receiver || addressee.isGroup || addressee.isBroadcast else {
            throw Rejection(.receiver, "the message is for somebody else")
        }
        let secure = try message.trimmed(for: receiver).verified(by: try meta(ofSenderOf: message))
        let instant: InstantMessage
        if secure.envelope.isBroadcast {
            guard message.secure.keys.isEmpty else { throw Rejection(.key, "a broadcast has no key") }
            instant = try secure.decrypted(with: .plain)
        } else {
            let key = try secure.unwrapped(for: receiver, with: secrets).key
            instant = try secure.decrypted(with: key)
        }
        return (instant, try Seal.check(instant, iv: secure.iv))
    }

    /// The known one, else the attached one if it is the sender's.
    private func meta(ofSenderOf message: ReliableMessage) throws(Rejection) -> Meta {
        let sender = message.envelope.sender
        if let known = barrack.meta(of: sender) { return known }
        guard let attached = message.meta else { throw Rejection(.meta, "the sender's meta is not known") }
        let meta = try Meta(attached)
        guard meta.vouches(for: sender) else { throw Rejection(.meta, "the attached meta is of another ID") }
        return meta
    }
}
