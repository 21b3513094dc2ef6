import Crypto
import DIMP
import Format
import Testing

@testable import Selftest

@Suite("Whole messages")
struct TransceiverTests {
    private let scene: Scene

    init() throws {
        scene = try Scene()
    }

    @Test(
        "any text arrives as it was",
        arguments: [
            "", "x", "a\0b\u{1}\u{7F}", "ключ 漢字 😀", "\"\\/\n", "e\u{301}",
            String(repeating: "0123456789abcdef", count: 4096),
        ])
    func texts(_ text: String) throws {
        for reader in [scene.bob, scene.carol, scene.dora] {
            let message = try scene.sent(scene.packed(to: reader.id, scene.text(text)))
            let opened = try scene.transceiver.verifyDecrypt(message, as: reader)
            guard case .text(let read) = opened.message.content.body else { return #expect(Bool(false), "no text") }
            #expect(Array(read.utf8) == Array(text.utf8))
            #expect(opened.message.envelope.sender == scene.alice.id)
        }
    }

    @Test("an attached meta is enough to read a stranger, and counts only if it is the sender's")
    func attached() throws {
        let stranger = Transceiver(barrack: VectorBarrack(owning: [scene.bob]))
        var message = try scene.sent(scene.packed(to: scene.bob.id, attach: true))
        #expect(try stranger.verifyDecrypt(message, as: scene.bob).isSealed)
        message.meta = .object(scene.carol.meta.json)
        #expect(try stage { try stranger.verifyDecrypt(message, as: scene.bob) } == .meta)
        message.meta = "x"
        #expect(try stage { try stranger.verifyDecrypt(message, as: scene.bob) } == .meta)
        message.meta = nil
        #expect(try stage { try stranger.verifyDecrypt(message, as: scene.bob) } == .meta)
        // To whom the sender is known a wrong attachment changes nothing.
        message.meta = .object(scene.carol.meta.json)
        #expect(try scene.transceiver.verifyDecrypt(message, as: scene.bob).isSealed)
    }

    @Test("nobody can be written to without a key, and nobody written for who is not of this board")
    func cannot() throws {
        #expect(throws: Transceiver.Failure.self) {
            try Transceiver(barrack: VectorBarrack(owning: [scene.alice])).encryptSign(
                scene.text(), from: scene.alice.id, to: scene.bob.id, attach: false)
        }
        #expect(throws: Transceiver.Failure.self) {
            try Transceiver(barrack: VectorBarrack(knowing: [scene.alice, scene.bob])).encryptSign(
                scene.text(), from: scene.alice.id, to: scene.bob.id, attach: false)
        }
    }

    @Test("PLAIN as the key of a private message is refused, and so is any key but AES")
    func plain() throws {
        let data = JSON.object(scene.text().json).bytes
        for key in [
            #"{"algorithm":"PLAIN"}"#, #"{"A":"PLAIN"}"#, #"{"algorithm":"DES","data":"AAAAAAAAAAA="}"#, "{}", "[]",
        ] {
            let message = try scene.sent(scene.crafted(key: key, data: data, iv: nil, to: scene.bob))
            #expect(try stage { try scene.transceiver.verifyDecrypt(message, as: scene.bob) } == .key, "\(key)")
        }
    }

    @Test("AES keys of 16, 24 and 32 bytes open, others are refused")
    func keySizes() throws {
        for (count, expected) in [(16, nil), (24, nil), (32, nil), (0, .key), (15, .key), (31, .key), (33, .key)]
            as [(Int, Rejection.Stage?)]
        {
            let key = [UInt8](repeating: 3, count: count)
            let iv = [UInt8](repeating: 9, count: 16)
            let size = [16, 24, 32].contains(count) ? count : 32
            let data = try AES.encrypt(
                JSON.object(scene.text().json).bytes, key: [UInt8](repeating: 3, count: size), iv: iv)
            let text = #"{"algorithm":"AES","data":"\#(Base64.encode(key))"}"#
            let message = try scene.sent(scene.crafted(key: text, data: data, iv: iv, to: scene.bob))
            #expect(try stage { try scene.transceiver.verifyDecrypt(message, as: scene.bob) } == expected, "\(count)")
        }
    }

    @Test("the IV is looked for in the message, then in the key, and is zero where there is none")
    func whereTheIVIs() throws {
        let key = [UInt8](repeating: 3, count: 32)
        let iv = [UInt8](repeating: 9, count: 16)
        let zero = [UInt8](repeating: 0, count: 16)
        let text = JSON.object(scene.text().json).bytes
        let bare = #"{"algorithm":"AES","data":"\#(Base64.encode(key))""#
        for (used, inKey, inMessage) in [(iv, "", iv), (iv, #","iv":"\#(Base64.encode(zero))""#, iv), (zero, "", nil)]
            as [([UInt8], String, [UInt8]?)]
        {
            let data = try AES.encrypt(text, key: key, iv: used)
            let message = try scene.crafted(key: bare + inKey + "}", data: data, iv: inMessage, to: scene.bob)
            #expect(try open(message).body == .text("Hello world!"))
        }
        for name in ["iv", "IV", "I"] {
            let data = try AES.encrypt(text, key: key, iv: iv)
            let full = bare + #","\#(name)":"\#(Base64.encode(iv))"}"#
            #expect(
                try open(scene.crafted(key: full, data: data, iv: nil, to: scene.bob)).body == .text("Hello world!"))
        }
    }

    @Test("the NUL padding of 0.1.x is read")
    func padding() throws {
        let key = [UInt8](repeating: 3, count: 32)
        let iv = [UInt8](repeating: 9, count: 16)
        for length in 0..<16 {
            let content = scene.text(String(repeating: "x", count: length))
            var text = JSON.object(content.json).bytes
            text += [UInt8](repeating: 0, count: (16 - text.count % 16) % 16)
            // Without the block of PKCS#7 that stands behind whole blocks.
            let data = Array(try AES.encrypt(text, key: key, iv: iv).dropLast(16))
            let json = #"{"algorithm":"AES","data":"\#(Base64.encode(key))","iv":"\#(Base64.encode(iv))"}"#
            let message = try scene.crafted(key: json, data: data, iv: nil, to: scene.bob)
            if text.last == 0 {
                #expect(try open(message).json == content.json, "\(length)")
            } else {
                #expect(try stage { try open(message) } == .decrypt, "\(length)")
            }
        }
    }

    @Test("a key that cannot be unwrapped and a wrong one look the same")
    func wrongKeys() throws {
        let good = try scene.packed(to: scene.carol.id)
        let encryption = try #require(scene.carol.visa.key?.encryption)
        for round in 0..<300 {
            var bytes = try Random.bytes(128)
            if round % 2 == 0 { bytes = try encryption.encrypt(SymmetricKey.generate().json().bytes) }
            if round % 3 == 0 { bytes.removeLast() }
            var message = good
            message.secure.keys = [.init(receiver: "", bytes: bytes)]
            #expect(try stage { try scene.transceiver.verifyDecrypt(message, as: scene.carol) } == .decrypt)
        }
        var none = good
        none.secure.keys = []
        #expect(try stage { try scene.transceiver.verifyDecrypt(none, as: scene.carol) } == .key)
    }

    @Test("messages wrapped for the visa's key and for the meta's both open, whichever of two fields has the key")
    func bothKeys() throws {
        let key = try SymmetricKey.generate()
        let content = InstantMessage(
            envelope: Envelope(sender: scene.alice.id, receiver: scene.bob.id, time: 1), content: scene.text())
        for wrapping in [scene.bob.visaKeys.first?.publicKey, scene.bob.secret.publicKey] {
            let bytes = try #require(wrapping?.encryption).encrypt(key.json().bytes)
            for name in ["", scene.bob.id.text, scene.bob.id.text + "/phone"] {
                var secure = try content.encrypted(with: key, iv: [UInt8](repeating: 1, count: 16))
                secure.keys = [
                    .init(receiver: name, bytes: bytes), .init(receiver: scene.bob.id.text + "/old", bytes: [1, 2, 3]),
                ]
                #expect(try open(secure.signed(by: scene.alice.secret)).body == .text("Hello world!"))
            }
        }
    }

    @Test("a broadcast with a key, without numeric type or serial number, or signed for another purpose is refused")
    func broadcasts() throws {
        var message = try scene.packed(to: .everyone)
        message.secure.keys = [.init(receiver: scene.bob.id.text, bytes: [1])]
        #expect(try stage { try scene.transceiver.verifyDecrypt(message, as: scene.bob) } == .key)
        for (text, expected) in [
            (#"{"type":1,"sn":5,"text":"x"}"#, nil), (#"{"type":"1","sn":5,"text":"x"}"#, nil),
            (#"{"T":"1","N":5,"text":"x"}"#, nil), (#"{"type":1,"sn":"5","text":"x"}"#, nil),
            (#"{"type":1,"N":5,"text":"x"}"#, .content), (#"{"type":1,"sn":5,"signed":"ack"}"#, .content),
            (#"{"type":"text","sn":5,"text":"x"}"#, .content),
            (#"{"type":1,"text":"x"}"#, .content), (#"{"type":"visa","sn":5}"#, .content), (#"{"sn":5}"#, .content),
            ("[]", .content), ("x", .content),
        ] as [(String, Rejection.Stage?)] {
            let secure = SecureMessage(
                envelope: Envelope(sender: scene.alice.id, receiver: .anyone, time: 1), data: Array(text.utf8), iv: nil,
                keys: [])
            let message = try scene.sent(secure.signed(by: scene.alice.secret))
            #expect(try stage { try scene.transceiver.verifyDecrypt(message, as: scene.bob) } == expected, "\(text)")
        }
    }

    @Test("a private message declared a broadcast is refused")
    func declaredBroadcast() throws {
        var message = try scene.packed(to: scene.bob.id)
        message.secure.envelope.group = .everyone
        #expect(try stage { try scene.transceiver.verifyDecrypt(message, as: scene.bob) } == .key)
        message.secure.keys = []
        #expect(try stage { try scene.transceiver.verifyDecrypt(message, as: scene.bob) } == .content)
    }

    @Test("a forwarded message is opened with its own sender and its own seal")
    func forward() throws {
        let inner = try scene.packed(to: scene.bob.id)
        let json = inner.json
        for members in [["forward": json], ["secrets": [json]], ["forward": json, "secrets": [json]]] as [JSONObject] {
            let content = Content(type: .forward, sn: 8, time: People.now, members)
            let outer = try scene.transceiver.encryptSign(
                content, from: scene.carol.id, to: scene.bob.id, attach: false)
            let opened = try scene.transceiver.verifyDecrypt(scene.sent(outer), as: scene.bob)
            #expect(opened.message.envelope.sender == scene.carol.id)
            guard case .forward(let messages) = opened.message.content.body else {
                return #expect(Bool(false), "nothing forwarded")
            }
            #expect(messages == [json])
            let again = try scene.transceiver.verifyDecrypt(ReliableMessage(messages[0]), as: scene.bob)
            #expect(again.isSealed && again.message.envelope.sender == scene.alice.id)
        }
        let many = Content(type: .forward, sn: 8, time: 1, ["secrets": [json, json]])
        #expect(many.body == .forward([json, json]))
    }

    @Test("messages under a reused key carry the same wrapped bytes and open without the private key")
    func reused() throws {
        let bob = scene.bob
        let encryption = try #require(bob.visa.key?.encryption)
        let fresh = try Packing(identity: scene.alice, receiver: bob.id, recipients: [(bob.id, encryption)])
            .seal(scene.text())
        let wrapped = try #require(fresh.message.secure.keys.first).bytes
        let reused = ReusedKey(key: fresh.key, wrapped: wrapped, wrappedFor: [], born: 0, uses: 1)
        let packing = Packing(
            identity: scene.alice, receiver: bob.id, recipients: [(bob.id, encryption)], reused: reused)
        let messages = try (0..<3).map { try packing.seal(scene.text("\($0)")).message }
        #expect(Set(messages.map { $0.secure.iv ?? [] }).count == 3)
        for (index, message) in messages.enumerated() {
            #expect(message.secure.keys.map(\.bytes) == [wrapped])
            #expect(
                try message.verified(by: scene.alice.meta).decrypted(with: fresh.key).content.body == .text("\(index)"))
            #expect(try scene.transceiver.verifyDecrypt(scene.sent(message), as: bob).isSealed)
        }
    }

    private func open(_ message: ReliableMessage) throws -> Content {
        try scene.transceiver.verifyDecrypt(scene.sent(message), as: scene.bob).message.content
    }
}
