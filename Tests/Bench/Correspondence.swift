import Crypto
import DIMP
import Format

/// Two boards that know each other, and the steps that the agent takes for a message between them. Signs with the
/// sender's meta key, decrypts with the receiver's visa key: both RSA-2048.
struct Correspondence {
    let sender: Identity
    let receiver: Identity
    /// The receiver's key of its visa, to which keys are wrapped.
    let secret: RSAPrivateKey
    let reused: ReusedKey
    private let known: [[UInt8]: SymmetricKey]
    private let time = 1_700_000_000.0

    init() throws {
        sender = try Identity.register(name: "left", network: 0, algorithm: .rsa, bits: 2048, time: time)
        receiver = try Identity.register(name: "right", network: 0, algorithm: .rsa, bits: 2048, time: time)
        secret = receiver.decryptionKeys[0]
        let key = try SymmetricKey.generate()
        let packing = Packing(
            identity: sender, receiver: receiver.id, recipients: [(receiver.id, secret.publicKey)])
        let wrapped = try packing.wrap(key)[0].bytes
        reused = ReusedKey(
            key: key, wrapped: wrapped, wrappedFor: secret.publicKey.fingerprint, born: 0, uses: 1)
        known = [Digest.sha256(wrapped): key]
    }

    /// From the members of a content to the bytes on the wire, as `Messenger.seal` and `Messenger.wire` go.
    func pack(_ text: String, reusing reused: ReusedKey?) throws -> [UInt8] {
        var content = Content(type: .text, sn: 4_021_877_310, time: time, ["text": .string(text)])
        content.json["seq"] = ["s": "0123456789abcdef0123456789abcdef", "n": 1_000]
        let packing = Packing(
            identity: sender, receiver: receiver.id, recipients: [(receiver.id, secret.publicKey)], reused: reused)
        return try packing.seal(content).message.json.bytes
    }

    /// A message to a group as the agent makes it: encrypted and signed once, with a key and a copy for each member.
    func pack(_ text: String, to group: ID, of members: [(ID, RSAPublicKey)]) throws -> [ReliableMessage] {
        var content = Content(type: .text, sn: 4_021_877_310, time: time, group: group, ["text": .string(text)])
        content.json["seq"] = ["s": "0123456789abcdef-a1b2c3", "n": 1_000]
        let packing = Packing(identity: sender, receiver: group, recipients: members)
        return try packing.seal(content).message.split(for: members.map(\.0))
    }

    /// So many, each with a key of its own in memory, of the same numbers.
    func members(_ count: Int) throws -> [(ID, RSAPublicKey)] {
        try (0..<count).map { number in
            let meta = try Meta(seed: "member\(number)", signedBy: receiver.secret)
            guard let id = meta.id(network: 0) else { throw Failure.isUnknown }
            return (id, try RSAPublicKey(der: secret.publicKey.der))
        }
    }

    /// From the bytes on the wire to a checked content, as `Messenger+Incoming` goes; `secrets` unwrap a key that is
    /// not known.
    func open(_ wire: [UInt8], knowing isKnown: Bool, with secrets: [RSAPrivateKey]) throws -> Content {
        let message = try ReliableMessage(parsing: wire)
        guard message.envelope.receiver == receiver.id else { throw Failure.isForSomebodyElse }
        let secure = try message.verified(by: sender.meta, digest: Digest.sha256(message.secure.data))
        let key = try isKnown ? knownKey(of: secure) : secure.unwrapped(for: receiver.id, with: secrets).key
        let instant = try secure.decrypted(with: key)
        guard try Seal.check(instant, iv: secure.iv) else { throw Failure.isNotSealed }
        return instant.content
    }

    private func knownKey(of secure: SecureMessage) throws -> SymmetricKey {
        for wrapped in secure.wrappedKeys(for: receiver.id) {
            if let key = known[Digest.sha256(wrapped)] { return key }
        }
        throw Failure.isUnknown
    }

    enum Failure: Error {
        case isForSomebodyElse, isNotSealed, isUnknown
    }
}
