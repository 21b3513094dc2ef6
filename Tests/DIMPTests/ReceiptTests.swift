import Crypto
import DIMP
import Format
import Testing

@Suite("Receipts")
struct ReceiptTests {
    private let scene: Scene

    init() throws {
        scene = try Scene()
    }

    @Test("ours say everything in both spellings, and are read back")
    func ours() throws {
        let message = try scene.packed(to: scene.bob.id)
        let content = try scene.transceiver.verifyDecrypt(message, as: scene.bob).message.content
        let members = Receipt.members(of: message, content: content, text: "Message received.")
        let receipt = Content.command("receipt", sn: 99, time: People.now + 5, members)
        let json = JSON.object(receipt.json)
        #expect(json["text"] == "Message received." && json["message"] == "Message received.")
        let origin = try #require(json["origin"])
        #expect(origin["sn"] == 7 && origin["type"] == 1 && origin["time"] == .integer(1_750_000_000))
        for name in ["sender", "receiver", "signature"] { #expect(json[name] == origin[name]) }
        #expect(origin["sender"]?.string == scene.alice.id.text && origin["receiver"]?.string == scene.bob.id.text)
        #expect(json["digest"]?.string == Base64.encode(Digest.sha256(message.secure.data)))
        // The receipt's own.
        #expect(receipt.sn == 99 && receipt.time == 1_750_000_005)
        guard case .command(.receipt(let read)) = try Content(JSON(parsing: json.bytes)).body else {
            return #expect(Bool(false), "not read as a receipt")
        }
        #expect(read.sn == 7 && read.digest == Digest.sha256(message.secure.data))
        #expect(read.signature.flatMap(Base64.decode) == message.signature)
        #expect(read.sender == scene.alice.id && read.receiver == scene.bob.id && read.group == nil)
    }

    @Test("that of a group message names the group")
    func group() throws {
        let message = try #require(scene.packed(to: scene.group).split(for: [scene.bob.id]).first)
        let content = try scene.transceiver.verifyDecrypt(message, as: scene.bob).message.content
        let origin = Receipt.members(of: message, content: content, text: "x")["origin"]
        #expect(origin?["group"]?.string == scene.group.text && origin?["receiver"]?.string == scene.bob.id.text)
    }

    @Test("what stands on the envelope alone is not repeated in a receipt")
    func altered() throws {
        var message = try scene.packed(to: scene.bob.id)
        let content = try Content(["type": 1, "sn": 7, "text": "no time"])
        message.secure.envelope.sender = try #require(ID(scene.alice.id.text + "/x"))
        message.secure.envelope.receiver = try #require(ID(scene.bob.id.text + "/y"))
        message.secure.envelope.group = scene.group
        let members = Receipt.members(of: message, content: content, text: "x")
        let origin = try #require(members["origin"]?.object)
        for object in [members, origin] {
            #expect(object["sender"]?.string == scene.alice.id.text && object["receiver"]?.string == scene.bob.id.text)
            #expect(object["time"] == nil && object["group"] == nil)
        }
    }

    @Test("the spellings of 2019, flat or with an envelope, are read")
    func flat() throws {
        let (alice, bob) = (scene.alice.id, scene.bob.id)
        let flat: JSONObject = [
            "message": "received", "sn": 5, "sender": .string(alice.text), "receiver": .string(bob.text),
            "time": 1_560_000_000, "signature": "c2ln",
        ]
        let envelope: JSONObject = [
            "message": "received", "sn": 5, "signature": "c2ln",
            "envelope": ["sender": .string(alice.text), "receiver": .string(bob.text), "time": 1_560_000_000],
        ]
        for members in [flat, envelope] {
            guard case .command(.receipt(let receipt)) = Content.command("receipt", sn: 1, time: 2, members).body else {
                return #expect(Bool(false), "not read as a receipt")
            }
            #expect(receipt.text == "received" && receipt.sn == 5 && receipt.signature == "c2ln")
            #expect(receipt.sender == alice && receipt.receiver == bob && receipt.digest == nil)
        }
    }

    @Test("one with strange members is a receipt for nothing")
    func strange() throws {
        let members: JSONObject = [
            "origin": ["sn": "x", "signature": 7, "sender": ["a"], "receiver": "nobody"], "digest": "no Base64!",
            "text": [],
        ]
        guard case .command(.receipt(let receipt)) = Content.command("receipt", sn: 1, time: 2, members).body else {
            return #expect(Bool(false), "not read as a receipt")
        }
        #expect(receipt.sn == 0 && receipt.signature == nil && receipt.digest == nil)
        #expect(receipt.sender == nil && receipt.receiver == nil && receipt.text == "")
    }
}
