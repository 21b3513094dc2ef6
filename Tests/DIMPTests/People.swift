import Crypto
import DIMP
import Format
import Testing

@testable import Selftest

/// Identities that tests share, because keys take time to make.
enum People {
    static let alice = Result { try register("alice", bits: 2048) }
    static let bob = Result { try register("bob", bits: 2048) }
    /// As all software makes them: 1024 bits.
    static let carol = Result { try register("carol", bits: 1024) }
    static let dora = Result { try register("dora", algorithm: .ecc, bits: 1024) }

    /// Seconds since 1970.
    static let now = 1_750_000_000.75

    private static func register(
        _ name: String, algorithm: Identity.Algorithm = .rsa, bits: Int
    ) throws -> Identity {
        try Identity.register(name: name, network: 0, algorithm: algorithm, bits: bits, time: now)
    }
}

/// Alice, who writes, and the readers; everybody knows everybody.
struct Scene {
    let alice: Identity
    let bob: Identity
    let carol: Identity
    let dora: Identity
    let group: ID
    let shelf: VectorBarrack
    let transceiver: Transceiver

    init() throws {
        alice = try People.alice.get()
        bob = try People.bob.get()
        carol = try People.carol.get()
        dora = try People.dora.get()
        let meta = try Meta(seed: "tea-party", signedBy: alice.secret)
        group = try #require(meta.id(network: 1))
        shelf = VectorBarrack(owning: [alice, bob, carol, dora])
        transceiver = Transceiver(barrack: shelf)
    }

    func text(_ text: String = "Hello world!") -> Content {
        .text(text, sn: 7, time: People.now)
    }

    func packed(to receiver: ID, _ content: Content? = nil, attach: Bool = false) throws -> ReliableMessage {
        try transceiver.encryptSign(
            content ?? text(), from: alice.id, to: receiver, members: [bob.id, carol.id], attach: attach)
    }

    /// What comes out of the wire on the other side.
    func sent(_ message: ReliableMessage) throws -> ReliableMessage {
        try ReliableMessage(parsing: message.json.bytes)
    }

    /// A message under this very key object and this text, signed by alice; what a stranger to our rules would write.
    func crafted(key: String, data: [UInt8], iv: [UInt8]?, to receiver: Identity) throws -> ReliableMessage {
        let wrapped = try #require(receiver.visa.key?.encryption).encrypt(Array(key.utf8))
        let secure = SecureMessage(
            envelope: Envelope(sender: alice.id, receiver: receiver.id, time: People.now), data: data, iv: iv,
            keys: [SecureMessage.WrappedKey(receiver: receiver.id.text, bytes: wrapped)])
        return try secure.signed(by: alice.secret)
    }
}

/// The stage at which `work` is refused; `nil` when it is not.
func stage<T>(_ work: () throws -> T) throws -> Rejection.Stage? {
    do {
        _ = try work()
        return nil
    } catch let refusal as Rejection {
        return refusal.stage
    }
}
