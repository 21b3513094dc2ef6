import Crypto
import DIMP
import Format
import Testing

@Suite("The seal")
struct SealTests {
    private let scene: Scene

    init() throws {
        scene = try Scene()
    }

    @Test("an untouched message is sealed: private, to a group, split, and broadcast")
    func untouched() throws {
        let (bob, carol) = (scene.bob, scene.carol)
        let single = try scene.sent(scene.packed(to: bob.id))
        #expect(try scene.transceiver.verifyDecrypt(single, as: bob).isSealed)
        let many = try scene.packed(to: scene.group)
        for reader in [bob, carol] {
            let opened = try scene.transceiver.verifyDecrypt(scene.sent(many), as: reader)
            #expect(opened.isSealed && opened.message.content.body == .text("Hello world!"))
        }
        for (copy, reader) in zip(many.split(for: [bob.id, carol.id]), [bob, carol]) {
            #expect(try scene.transceiver.verifyDecrypt(scene.sent(copy), as: reader).isSealed)
        }
        for everyone in [ID.anyone, .everyone] {
            let broadcast = try scene.sent(scene.packed(to: everyone))
            let opened = try scene.transceiver.verifyDecrypt(broadcast, as: bob)
            #expect(opened.isSealed && opened.message.content.body == .text("Hello world!"))
        }
    }

    @Test("the IV is part of the seal of a private message and not of a broadcast")
    func form() throws {
        let message = try scene.packed(to: scene.bob.id)
        let content = try scene.transceiver.verifyDecrypt(message, as: scene.bob).message.content
        let iv = try #require(message.secure.iv)
        #expect(
            content.json["seal"] == [
                "v": 1, "from": .string(scene.alice.id.address.text), "to": .string(scene.bob.id.address.text),
                "iv": .string(Base64.encode(Digest.sha256(iv))),
            ])
        let broadcast = try scene.transceiver.verifyDecrypt(scene.packed(to: .everyone), as: scene.bob)
        #expect(broadcast.message.content.json["seal"]?["iv"] == nil)
        #expect(broadcast.message.content.json["seal"]?["to"] == "everywhere")
    }

    @Test("a message that was re-addressed is refused")
    func receiver() throws {
        var message = try scene.packed(to: scene.bob.id)
        #expect(try stage { try scene.transceiver.verifyDecrypt(message, as: scene.carol) } == .receiver)
        // Whoever holds bob's keys and another name: only the seal notices.
        message.secure.envelope.receiver = scene.carol.id
        message.secure.keys = message.secure.keys.map {
            SecureMessage.WrappedKey(receiver: scene.carol.id.text, bytes: $0.bytes)
        }
        #expect(
            try stage {
                try scene.transceiver.verifyDecrypt(message, as: scene.carol.id, with: scene.bob.decryptionKeys)
            } == .seal)
    }

    @Test("a message whose sender was replaced is refused")
    func sender() throws {
        let message = try scene.packed(to: scene.bob.id)
        var forged = message
        forged.secure.envelope.sender = scene.carol.id
        #expect(try refusal(forged) == .signature)
        // Signed again by somebody else: the wrapped key names alice.
        #expect(try refusal(forged.secure.signed(by: scene.carol.secret)) == .key)
        #expect(try refusal(resigned(to: scene.carol).secure.signed(by: scene.dora.secret), as: scene.carol) == .seal)
    }

    /// Alice's message to a receiver with 1024 bits, whose wrapped key has no room for her address, under dora's name.
    private func resigned(to receiver: Identity) throws -> ReliableMessage {
        var message = try scene.packed(to: receiver.id)
        message.secure.envelope.sender = scene.dora.id
        return message
    }

    @Test("a re-dated message is refused, one within the same second is not")
    func time() throws {
        var message = try scene.packed(to: scene.bob.id)
        for (time, expected) in [
            (People.now.rounded(.down), nil), (People.now + 0.2, nil), (People.now + 1, .seal), (People.now - 1, .seal),
            (0, .seal), (1e300, .seal),
        ] as [(Double, Rejection.Stage?)] {
            message.secure.envelope.time = time
            #expect(try refusal(message) == expected, "\(time)")
        }
        message.secure.envelope.time = nil
        #expect(try refusal(message) == .seal)
    }

    @Test("a message put into a group, out of it, or into another one is refused")
    func group() throws {
        var message = try scene.packed(to: scene.bob.id)
        message.secure.envelope.group = scene.group
        #expect(try refusal(message) == .seal)
        var copy = try #require(scene.packed(to: scene.group).split(for: [scene.bob.id]).first)
        #expect(try refusal(copy) == nil)
        copy.secure.envelope.group = nil
        #expect(try refusal(copy) == .seal)
        let other = try #require(Meta(seed: "coffee", signedBy: scene.alice.secret).id(network: 1))
        copy.secure.envelope.group = other
        #expect(try refusal(copy) == .seal)
        copy.secure.envelope.group = .everyone
        #expect(try refusal(copy) != nil)
    }

    @Test("a changed IV is refused, though the signature does not cover it")
    func iv() throws {
        let message = try scene.packed(to: scene.bob.id)
        // The seventh byte of the text lies in the value of `type` or behind; it stays JSON.
        for place in 0..<16 {
            var changed = message
            changed.secure.iv?[place] ^= 1
            let stage = try refusal(changed)
            #expect(stage != nil, "byte \(place)")
        }
        var without = message
        without.secure.iv = nil
        // The key has the same IV, and the seal says that one was in the message.
        #expect(try refusal(without) == .seal)
    }

    @Test("without a seal, or with one of a version to come, a message is unsealed and not refused")
    func unsealed() throws {
        for seal in [nil, ["v": 2, "from": "x"], "x", nil] as [JSON?] {
            var content = scene.text()
            if let seal { content.json["seal"] = seal }
            let envelope = Envelope(sender: scene.alice.id, receiver: scene.bob.id, time: 1)
            #expect(try Seal.check(InstantMessage(envelope: envelope, content: content), iv: nil) == false)
        }
    }

    @Test("an unsealed content of another group than the envelope's is refused")
    func unsealedGroup() throws {
        let other = try #require(Meta(seed: "coffee", signedBy: scene.alice.secret).id(network: 1))
        let content = Content(type: .text, sn: 1, time: People.now, group: other, ["text": "x"])
        let envelope = Envelope(sender: scene.alice.id, receiver: scene.bob.id, time: People.now, group: scene.group)
        let message = InstantMessage(envelope: envelope, content: content)
        #expect(try stage { try Seal.check(message, iv: nil) } == .seal)
    }

    private func refusal(_ message: ReliableMessage, as reader: Identity? = nil) throws -> Rejection.Stage? {
        try stage { try scene.transceiver.verifyDecrypt(message, as: reader ?? scene.bob) }
    }
}
