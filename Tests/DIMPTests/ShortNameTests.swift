import Crypto
import DIMP
import Format
import Testing

@testable import Selftest

@Suite("Short names")
struct ShortNameTests {
    private let scene: Scene

    init() throws {
        scene = try Scene()
    }

    @Test("are read in the message, in the content and in the key", arguments: ["keys", "key"])
    func threeLevels(_ form: String) throws {
        let key = try SymmetricKey.generate()
        guard case .aes(let secret, let iv?) = key else { return #expect(Bool(false), "no AES key") }
        let bytes = secret.revealed
        let content = #"{"T":"1","N":12,"W":1750000000.25,"text":"short"}"#
        let wrapped = try #require(scene.bob.visa.key?.encryption).encrypt(
            Array(#"{"A":"AES","D":"\#(Base64.encode(bytes))","I":"\#(Base64.encode(iv))"}"#.utf8))
        let data = try AES.encrypt(Array(content.utf8), key: bytes, iv: iv)
        let text = JSON.string(Base64.encode(wrapped))
        let wire: JSON = [
            "F": .string(scene.alice.id.text), "R": .string(scene.bob.id.text), "W": 1_750_000_000.25, "T": "1",
            "D": .string(Base64.encode(data)), "K": form == "key" ? text : .object([scene.bob.id.text: text]),
            "V": .string(Base64.encode(try scene.alice.secret.sign(data))),
            "M": .object(scene.alice.meta.json), "P": .object(scene.alice.visa.json),
        ]
        let message = try ReliableMessage(parsing: wire.bytes)
        #expect(message.envelope.time == 1_750_000_000.25 && message.envelope.type == 1)
        #expect(message.meta != nil && message.visa != nil)
        let stranger = Transceiver(barrack: VectorBarrack(owning: [scene.bob]))
        let opened = try stranger.verifyDecrypt(message, as: scene.bob).message.content
        #expect(opened.body == .text("short") && opened.sn == 12 && opened.time == 1_750_000_000.25)
        #expect(opened.json.names == ["type", "sn", "time", "text"])
        #expect(message.json["sender"]?.string == scene.alice.id.text && message.json["F"] == nil)
    }

    @Test("of a group and of commands are read")
    func contents() throws {
        let json: JSON = ["T": "136", "N": 1, "W": 2, "G": .string(scene.group.text), "C": "report", "title": "online"]
        let content = try Content(json)
        #expect(content.body == .command(.report(title: "online")) && content.group == scene.group)
        let history = try Content(["T": 137, "N": 1, "C": "quit", "G": .string(scene.group.text)])
        guard case .history(let command) = history.body else { return #expect(Bool(false), "no history") }
        #expect(command.name == "quit")
    }

    @Test("in a content with full names are members like any other; where both are there the full one counts")
    func both() throws {
        let full = try Content(["type": 204, "sn": 5, "T": "x", "N": 9, "C": "y"])
        #expect(full.type == 204 && full.sn == 5 && full.json["C"] == "y" && full.json["command"] == nil)
        let mixed = try Content(["T": 1, "N": 9, "sn": 5, "text": "x"])
        #expect(mixed.type == 1 && mixed.sn == 5 && mixed.json["N"] == nil)
        var wire = try #require(scene.packed(to: scene.bob.id).json.object)
        wire["F"] = .string(scene.carol.id.text)
        #expect(try ReliableMessage(.object(wire)).envelope.sender == scene.alice.id)
    }
}
