import DIMP
import Format
import Testing

@Suite("Group messages")
struct GroupTests {
    private let scene: Scene

    init() throws {
        scene = try Scene()
    }

    @Test("an unsplit one has every member's key and opens for each")
    func unsplit() throws {
        let json = try scene.packed(to: scene.group).json
        #expect(json["receiver"]?.string == scene.group.text && json["group"]?.string == scene.group.text)
        #expect(json["keys"]?.object?.names == [scene.bob.id.text, scene.carol.id.text])
        #expect(json["key"] == nil)
        let message = try ReliableMessage(json)
        for member in [scene.bob, scene.carol] {
            let content = try scene.transceiver.verifyDecrypt(message, as: member).message.content
            #expect(content.body == .text("Hello world!") && content.group == scene.group)
        }
        #expect(try stage { try scene.transceiver.verifyDecrypt(message, as: scene.dora) } == .key)
    }

    @Test("a split copy is for one member, with that key alone under both names and the same signature")
    func split() throws {
        let message = try scene.packed(to: scene.group)
        let copies = message.split(for: [scene.bob.id, scene.carol.id])
        #expect(copies.count == 2)
        for (copy, member) in zip(copies, [scene.bob, scene.carol]) {
            let json = copy.json
            #expect(json["receiver"]?.string == member.id.text && json["group"]?.string == scene.group.text)
            #expect(json["keys"]?.object?.names == [member.id.text])
            #expect(json["key"] == json["keys"]?[member.id.text])
            #expect(copy.signature == message.signature && copy.secure.data == message.secure.data)
        }
        #expect(copies[0].secure.keys != copies[1].secure.keys)
        #expect(try stage { try scene.transceiver.verifyDecrypt(copies[0], as: scene.carol) } == .receiver)
    }

    @Test("a split copy has a key for each device of its member, under its own name")
    func devices() throws {
        var message = try scene.packed(to: scene.group)
        let bob = scene.bob.id.text
        let key = try #require(message.secure.keys.first { $0.receiver == bob })
        for device in ["phone", "tablet"] {
            message.secure.keys.append(SecureMessage.WrappedKey(receiver: "\(bob)/\(device)", bytes: key.bytes))
        }
        let copies = message.split(for: [scene.bob.id, scene.carol.id])
        #expect(copies[0].json["keys"]?.object?.names == [bob, "\(bob)/phone", "\(bob)/tablet"])
        #expect(copies[1].json["keys"]?.object?.names == [scene.carol.id.text])
    }

    @Test("trimming is splitting for the reader, and leaves everything else alone")
    func trim() throws {
        let message = try scene.packed(to: scene.group)
        let trimmed = message.trimmed(for: scene.bob.id)
        #expect(trimmed.envelope.receiver == scene.bob.id && trimmed.envelope.group == scene.group)
        #expect(trimmed.secure.keys.count == 1)
        let single = try scene.packed(to: scene.bob.id)
        #expect(single.trimmed(for: scene.carol.id).json == single.json)
        let broadcast = try scene.packed(to: .everyone)
        #expect(broadcast.trimmed(for: scene.bob.id).json == broadcast.json)
    }

    @Test("a key digest beside the keys is no member")
    func digest() throws {
        var json = try #require(scene.packed(to: scene.group).json.object)
        var keys = try #require(json["keys"]?.object)
        keys["digest"] = "not Base64!"
        json["keys"] = .object(keys)
        let message = try ReliableMessage(.object(json))
        #expect(message.secure.keys.count == 2)
    }

    @Test("a key under the ID with a terminal is for us; of many only a few are tried")
    func terminals() throws {
        var message = try scene.packed(to: scene.bob.id)
        let right = try #require(message.secure.keys.first).bytes
        message.secure.keys = [.init(receiver: scene.bob.id.text + "/phone", bytes: right)]
        #expect(throws: Never.self) { try scene.transceiver.verifyDecrypt(message, as: scene.bob) }
        message.secure.keys =
            (0..<1000).map { .init(receiver: "\(scene.bob.id)/\($0)", bytes: [UInt8($0 & 255), UInt8($0 >> 8)]) }
            + [.init(receiver: scene.carol.id.text, bytes: [1]), .init(receiver: scene.bob.id.text, bytes: right)]
        let candidates = message.secure.wrappedKeys(for: scene.bob.id)
        #expect(candidates.count <= 4 && candidates.first == right && !candidates.contains([1]))
    }

    @Test("membership commands are read in the spelling of every era")
    func commands() throws {
        let (bob, carol) = (scene.bob.id, scene.carol.id)
        for members in [
            ["members": [.string(bob.text), .string(carol.text)]], ["member": .string(bob.text)],
            ["members": [.string(bob.text), "nobody", 7], "member": .string(carol.text)],
        ] as [JSONObject] {
            let content = Content(type: .history, sn: 1, time: 0, group: scene.group, members)
            // Without a command it is no history that we know.
            #expect(content.body == .opaque)
            var named = content.json
            named["cmd"] = "invite"
            guard case .history(let command) = try Content(.object(named)).body else {
                return #expect(Bool(false), "not read")
            }
            #expect(command.name == "invite" && command.members.first == bob)
            #expect(command.members == (members["members"]?.array?.count == 2 ? [bob, carol] : [bob]))
        }
    }
}
