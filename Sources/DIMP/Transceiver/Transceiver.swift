package import Crypto
import Format

/// Whole messages in one step, between contents and the wire: the seed's `encryptSign` and `verifyDecrypt`.
///
/// For programs without a daemon (`culver pack`, `culver open`) and for tests. The agent takes the same steps of
/// `IncomingMessage` one by one, because between them it looks at trust, budgets and what it has seen.
public struct Transceiver {
    private let barrack: any Barrack

    /// `barrack` knows metas, visas and the caller's own identities; it is kept.
    public init(barrack: any Barrack) {
        self.barrack = barrack
    }

    /// Why nothing could be sealed.
    public enum Failure: Error, Sendable, CustomStringConvertible {
        case noIdentity(ID)
        /// Neither a visa nor a meta of this ID that can encrypt.
        case noKey(ID)
        /// What mbedTLS says.
        case crypto(String)

        public var description: String {
            switch self {
            case .noIdentity(let id): "\(id) is no identity of this board"
            case .noKey(let id): "no key of \(id) is known"
            case .crypto(let words): words
            }
        }
    }

    /// Seals, encrypts with a fresh key and signs. A group message goes to `members`, unsplit; a broadcast stays
    /// readable. `attach` puts our meta and visa beside it.
    public func encryptSign(
        _ content: Content, from sender: ID, to receiver: ID, members: [ID] = [], attach: Bool
    ) throws(Failure) -> ReliableMessage {
        guard let identity = barrack.identity(sender.address) else { throw .noIdentity(sender) }
        let group = receiver.hasMembers ? receiver : nil
        var recipients: [(ID, RSAPublicKey)] = []
        for member in receiver.isBroadcast ? [] : group == nil ? [receiver] : members {
            let keys = barrack.recipients(of: member)
            guard !keys.isEmpty else { throw .noKey(member) }
            recipients += keys
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
            throw .crypto("\(error)")
        }
    }

    /// The steps of `IncomingMessage` from the receiver to the seal, for a caller without policy. `isSealed` tells
    /// whether there is a seal.
    public func verifyDecrypt(
        _ message: ReliableMessage, as owner: Identity
    ) throws(Rejection) -> (message: InstantMessage, isSealed: Bool) {
        try verifyDecrypt(message, as: owner.id, with: owner.decryptionKeys)
    }

    /// The same for a receiver of whom only the ID and the private keys are at hand.
    package func verifyDecrypt(
        _ message: ReliableMessage, as receiver: ID, with secrets: [RSAPrivateKey]
    ) throws(Rejection) -> (message: InstantMessage, isSealed: Bool) {
        let addressed = try IncomingMessage(message).addressed(to: [receiver], including: [.broadcasts, .groups])
        let opened = try opened(addressed, with: secrets)
        return (opened.instant, try opened.checkSeal(isRequired: false))
    }

    /// From the meta to the content. The seal is still to be checked.
    package func opened(
        _ message: AddressedMessage, with secrets: [RSAPrivateKey]
    ) throws(Rejection) -> OpenedMessage {
        guard let meta = try message.meta(known: barrack.meta(of: message.sender)) else {
            throw Rejection(.meta, "the sender's meta is not known")
        }
        let verified = try message.verified(by: meta)
        if let key = try verified.broadcastKey() { return try verified.opened(with: key) }
        return try verified.opened(with: try verified.unwrapped(with: secrets))
    }
}
