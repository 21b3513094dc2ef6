import Crypto
import DIMP
import Format

/// Entities that all tests share, because keys take time to make. Small keys: their strength is not the question.
enum People {
    static let moki = make("moki")
    static let hulk = make("hulk")
    static let carol = make("carol")
    static let dave = make("dave")
    /// What `hulk` would show if it were no culver agent.
    static let stockHulk = stockVisa(of: hulk)
    /// For new visas.
    static let spareKeys = [makeKey(), makeKey()]
    /// Before every moment of the tests, so that their visas are not from the future.
    static let time = 1_750_000_000.0

    static func make(_ name: String) -> Identity {
        guard
            let identity = try? Identity.register(name: name, network: 0, algorithm: .rsa, bits: 1024, time: time)
        else { fatalError("no identity for the tests") }
        return identity
    }

    private static func makeKey() -> PrivateKey {
        guard let key = try? RSAPrivateKey.generate(bits: 1024) else { fatalError("no key for the tests") }
        return .rsa(key)
    }

    private static func stockVisa(of identity: Identity) -> Document {
        guard let visa = try? identity.visa(time: time, isStock: true) else { fatalError("no visa for the tests") }
        return visa
    }
}

extension Identity {
    /// Another visa with the same key; `isStock` says nothing of culver.
    func visa(time: Double, isStock: Bool = false, hasKey: Bool = true) throws -> Document {
        var properties: JSONObject = ["name": "again"]
        if hasKey, let key = visaKeys.first { properties["key"] = key.publicKey.json }
        if !isStock { properties["culver"] = ["v": 1] }
        return try Document(kind: "visa", about: id, properties: properties, time: time, signedBy: secret)
    }

    /// As stock software writes it: a fresh key, no seal, the card attached if wanted.
    func stockMessage(
        _ content: Content, to receiver: Identity, attach: Bool = false, envelopeTime: Double? = nil
    ) throws -> ReliableMessage {
        let envelope = Envelope(
            sender: id, receiver: receiver.id, time: envelopeTime ?? content.time, type: content.type)
        let iv = try Random.bytes(16)
        let key = SymmetricKey.aes(key: SecretBytes(try Random.bytes(32)), iv: iv)
        var secure = try InstantMessage(envelope: envelope, content: content).encrypted(with: key, iv: iv)
        let packing = Packing(
            identity: self, receiver: receiver.id, recipients: [(receiver.id, receiver.encryptionKey)])
        secure.keys = try packing.wrap(key)
        return attached(try secure.signed(by: secret), attach)
    }

    /// As culver writes it.
    func sealedMessage(_ content: Content, to receiver: Identity, attach: Bool = false) throws -> ReliableMessage {
        let packing = Packing(
            identity: self, receiver: receiver.id, recipients: [(receiver.id, receiver.encryptionKey)])
        return attached(try packing.seal(content).message, attach)
    }

    func broadcast(_ content: Content, attach: Bool = true) throws -> ReliableMessage {
        attached(try Packing(identity: self, receiver: .anyone, recipients: []).seal(content).message, attach)
    }

    private func attached(_ message: ReliableMessage, _ attach: Bool) -> ReliableMessage {
        guard attach else { return message }
        var message = message
        message.meta = .object(meta.json)
        message.visa = .object(visa.json)
        return message
    }

    var encryptionKey: RSAPublicKey {
        guard let key = visa.key?.encryption else { fatalError("a test identity cannot encrypt") }
        return key
    }
}
