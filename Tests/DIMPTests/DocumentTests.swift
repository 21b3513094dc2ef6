import Crypto
import DIMP
import Format
import Testing

@testable import Selftest

@Suite("Documents")
struct DocumentTests {
    private let scene: Scene

    init() throws {
        scene = try Scene()
    }

    @Test("what was signed for another purpose is no document, though the key is right")
    func purposes() throws {
        for (name, value) in [
            ("sn", 1), ("sn", "x"), ("type", 1), ("type", "1"), ("type", 1.5), ("signed", "state"), ("signed", nil),
        ] as [(String, JSON)] {
            #expect(try refusal(of: [name: value, "name": "alice"]) == .meta, "\(name): \(value)")
        }
        #expect(try refusal(of: ["T": "1", "N": 5, "W": 1]) == .meta)
        #expect(try refusal(of: ["type": "visa", "name": "alice"]) == nil)
        #expect(try refusal(of: ["name": "alice"]) == nil)
    }

    @Test("a broadcast's text is no document, and a document's is no broadcast")
    func broadcast() throws {
        let broadcast = try scene.packed(to: .everyone)
        let text = JSON.string(String(decoding: broadcast.secure.data, as: UTF8.self))
        let document = try Document(["data": text, "signature": .string(Base64.encode(broadcast.signature))])
        #expect(try stage { try document.check(about: scene.alice.id, meta: scene.alice.meta) } == .meta)

        let visa = scene.alice.visa
        let message = ReliableMessage(
            secure: SecureMessage(
                envelope: Envelope(sender: scene.alice.id, receiver: .everyone, time: People.now),
                data: Array(visa.data.utf8), iv: nil, keys: []), signature: visa.signature)
        #expect(try stage { try scene.transceiver.verifyDecrypt(scene.sent(message), as: scene.bob) } == .content)
    }

    @Test("one that names another entity, inside or outside of what is signed, is refused")
    func otherEntity() throws {
        let bob = JSON.string(scene.bob.id.text)
        for name in ["did", "ID"] {
            #expect(try refusal(of: [name: bob]) == .meta)
            #expect(try refusal(of: [name: 7]) == .meta)
            #expect(try refusal(of: [name: .string(scene.alice.id.text)]) == nil)
            #expect(try refusal(of: [name: .string(scene.alice.id.text + "/phone")]) == nil)
            for value in [bob, 7, "nobody"] {
                var json = scene.alice.visa.json
                json[name] = value
                let document = try Document(.object(json))
                #expect(try stage { try document.check(about: scene.alice.id, meta: scene.alice.meta) } == .meta)
            }
        }
        #expect(try stage { try scene.alice.visa.check(about: scene.bob.id, meta: scene.bob.meta) } == .meta)
    }

    @Test("a changed byte of the data or of the signature is noticed")
    func changed() throws {
        let visa = scene.alice.visa
        for (name, value) in [
            ("data", .string(visa.data + " ")), ("data", .string(" " + visa.data)),
            ("signature", .string(Base64.encode([visa.signature[0] ^ 1] + visa.signature.dropFirst()))),
            ("signature", .string(Base64.encode(visa.signature.dropLast()))), ("signature", ""),
        ] as [(String, JSON)] {
            var json = visa.json
            json[name] = value
            let document = try Document(.object(json))
            #expect(try stage { try document.check(about: scene.alice.id, meta: scene.alice.meta) } == .meta)
        }
    }

    @Test("what has no readable data or signature is refused")
    func unreadable() throws {
        let good = JSON.object(scene.alice.visa.json)
        #expect(try stage { try Document(good) } == nil)
        for (name, value) in [
            ("data", nil), ("data", 7), ("data", "x"), ("data", "[]"), ("data", #"{"a":1,"a":2}"#), ("signature", nil),
            ("signature", "!"), ("signature", 7),
        ] as [(String, JSON?)] {
            var json = scene.alice.visa.json
            json[name] = value
            #expect(try stage { try Document(.object(json)) } == .meta)
        }
        for json in [nil, [], "x"] as [JSON?] { #expect(try stage { try Document(json) } == .meta) }
    }

    @Test("the text that was signed is kept to the letter")
    func kept() throws {
        let text = "{ \"name\" : \"\\u00e9\\/\" ,\n\"type\":\"visa\" }"
        let document = try signed(text)
        try document.check(about: scene.alice.id, meta: scene.alice.meta)
        #expect(document.json["data"]?.string == text && document.name == "é/")
        let again = try Document(JSON(parsing: JSON.object(document.json).bytes))
        try again.check(about: scene.alice.id, meta: scene.alice.meta)
    }

    @Test("only the members that DIMP defines are kept")
    func members() throws {
        var json = scene.alice.visa.json
        json["x"] = .string(String(repeating: "x", count: 500_000))
        json["meta"] = .object(scene.alice.meta.json)
        json["terminal"] = "phone"
        let read = try Document(.object(json))
        try read.check(about: scene.alice.id, meta: scene.alice.meta)
        #expect(read.json.names.sorted() == ["ID", "data", "did", "signature", "terminal", "type"])
    }

    @Test("a document of more than 64 KiB is refused, one of less is not")
    func size() throws {
        func document(_ bytes: Int) throws -> Document {
            let data = JSON(["name": .string(String(repeating: "n", count: bytes))]).text
            return try Document(["data": .string(data), "signature": "AAAA"])
        }
        #expect(try document(65_000).name?.utf8.count == 65_000)
        #expect(try stage { try document(65_536) } == .meta)
        var padded = scene.alice.visa.json
        padded["did"] = .array(Array(repeating: 1, count: 40_000))
        #expect(try stage { try Document(.object(padded)) } == .meta)
    }

    @Test("a time is from 1970 to the end of the year 9999, or there is none; any other is no document")
    func times() throws {
        for (time, expected) in [
            (nil, 0), (.null, 0), (0, 0), (1.5, 1.5), ("1750000000", 1_750_000_000),
            (253_402_300_799, 253_402_300_799),
        ] as [(JSON?, Double)] {
            #expect(try signed(JSON(["time": time ?? .null, "name": "x"]).text).time == expected)
        }
        for time in [-1, 1e300, 253_402_300_800, "1e999", "nan", "x", true, [], .integer(.max)] as [JSON] {
            #expect(try stage { try signed(JSON(["time": time]).text) } == .meta, "\(time.text)")
        }
    }

    @Test("only a key that encrypts is the key of a visa")
    func keys() throws {
        let eccKey = scene.dora.secret.publicKey.json
        #expect(try signed(JSON(["key": eccKey]).text).key == nil)
        #expect(try signed(JSON(["key": "x"]).text).key == nil)
        #expect(try signed(JSON(["name": "x"]).text).key == nil)
        #expect(try signed(JSON(["key": scene.bob.secret.publicKey.json]).text).key == scene.bob.secret.publicKey)
        #expect(scene.shelf.encryptionKey(of: scene.dora.id) == scene.dora.visaKeys.first?.publicKey)
        scene.shelf.visas = [:]
        #expect(scene.shelf.encryptionKey(of: scene.dora.id) == nil)
        #expect(scene.shelf.encryptionKey(of: scene.bob.id) == scene.bob.secret.publicKey)
    }

    private func signed(_ text: String) throws -> Document {
        let signature = try scene.alice.secret.sign(Array(text.utf8))
        return try Document(["data": .string(text), "signature": .string(Base64.encode(signature))])
    }

    private func refusal(of properties: JSONObject) throws -> Rejection.Stage? {
        let document = try signed(JSON.object(properties).text)
        return try stage { try document.check(about: scene.alice.id, meta: scene.alice.meta) }
    }
}

extension JSON {
    fileprivate init(_ members: JSONObject) {
        self = .object(members)
    }
}
