import Crypto
import DIMP
import Format
import Testing

@testable import Selftest

/// What strangers can have us do before a signature is looked at, and behind their own: twice the bytes cost twice the
/// work. Names that are compared and IDs that are checked are counted, no time.
@Suite("Work for strangers")
struct EffortTests {
    private let scene: Scene

    init() throws {
        scene = try Scene()
    }

    private func effort(_ work: () throws -> Void) throws -> Int {
        let effort = Effort()
        try Effort.$counted.withValue(effort) { try work() }
        return effort.count
    }

    /// Reading grows no faster than what is read, from 1 000 to 8 000 members, and costs no more than `each` for one.
    private func expectLinear(each: Int, _ work: (Int) throws -> Void) throws {
        let few = try effort { try work(1_000) }
        let many = try effort { try work(8_000) }
        #expect(many <= few * 9 && many <= 8_000 * each, "\(few), \(many)")
    }

    private func members(_ count: Int, _ member: (Int) -> (String, JSON)) -> JSON {
        .object(JSONObject((0..<count).map(member)))
    }

    @Test("wrapped keys: all different, all alike, under names that look like our own terminals")
    func keys() throws {
        let message = try scene.packed(to: scene.bob.id)
        var object = try #require(message.json.object)
        for kind in ["different", "alike", "terminals", "IDs"] {
            try expectLinear(each: 40) { count in
                object["keys"] = members(count) { number in
                    let name =
                        switch kind {
                        case "terminals": "\(scene.bob.id.text)/\(number)"
                        case "IDs": "\(number)@\(scene.bob.id.address)/x"
                        default: "k\(number)"
                        }
                    return (name, kind == "alike" ? "AAAA" : .string(Base64.encode(Array("\(number)".utf8))))
                }
                let wire = JSON.object(object).bytes
                let addressed = try IncomingMessage(parsing: wire).addressed(to: [scene.bob.id])
                #expect(addressed.message.secure.keys.count >= count)
                #expect(addressed.message.secure.wrappedKeys(for: scene.bob.id).count <= ProtocolLimits.wrappedKeys)
            }
        }
    }

    @Test("a group message with thousands of keys is trimmed for its reader")
    func trimmed() throws {
        let message = try scene.packed(to: scene.group)
        var object = try #require(message.json.object)
        try expectLinear(each: 40) { count in
            var keys = (0..<count).map { ("k\($0)", JSON.string("AAAA")) }
            keys.append((scene.bob.id.text, try #require(message.json["keys"]?[scene.bob.id.text])))
            object["keys"] = .object(JSONObject(keys))
            let addressed = try IncomingMessage(parsing: JSON.object(object).bytes)
                .addressed(to: [scene.bob.id], including: .groups)
            #expect(addressed.message.secure.keys.count == 1)
        }
    }

    @Test("a message with thousands of other members, and what is written again of one with thousands of keys")
    func written() throws {
        var object = try #require(scene.packed(to: scene.bob.id).json.object)
        try expectLinear(each: 60) { count in
            let extra = (0..<count).map { ("x\($0)", JSON.integer(1)) }
            let wire = JSON.object(JSONObject(object.members.map { ($0.name, $0.value) } + extra)).bytes
            let message = try ReliableMessage(parsing: wire)
            #expect(message.envelope.sender == scene.alice.id)
        }
        try expectLinear(each: 60) { count in
            object["keys"] = members(count) { ("k\($0)", "AAAA") }
            let message = try ReliableMessage(parsing: JSON.object(object).bytes)
            #expect(message.json["keys"]?.object?.count == count)
        }
    }

    @Test("contents with short names, with full ones, and those that a local program writes")
    func contents() throws {
        try expectLinear(each: 40) { count in
            let members = [("T", JSON.integer(1)), ("N", 5), ("W", 1_750_000_000)] + (0..<count).map { ("m\($0)", 1) }
            let content = try Content(.object(JSONObject(members)))
            #expect(content.json.count == count + 3)
        }
        try expectLinear(each: 40) { count in
            let members = [("type", JSON.integer(1)), ("sn", 5)] + (0..<count).map { ("m\($0)", 1) }
            let content = try Content(.object(JSONObject(members)))
            #expect(content.json.count == count + 2)
        }
        try expectLinear(each: 40) { count in
            let members = JSONObject((0..<count).map { ("m\($0)", 1) })
            #expect(Content(type: .text, sn: 1, time: 1, members).json.count == count + 3)
        }
    }

    @Test("lists of IDs are read as long as a group can be, and handed on unread beyond")
    func lists() throws {
        func command(_ name: String, _ list: String, _ count: Int) throws -> Content {
            let ids = JSON.array(Array(repeating: .string(scene.bob.id.text), count: count))
            return try Content(["type": name == "invite" ? 137 : 136, "sn": 1, "command": .string(name), list: ids])
        }
        for (name, list) in [("invite", "members"), ("invite", "administrators"), ("mute", "list"), ("block", "list")] {
            #expect(try command(name, list, 1_024).body != .opaque)
            var content: Content?
            let effort = try effort { content = try command(name, list, 1_025) }
            #expect(content?.body == .opaque && content?.json[list]?.array?.count == 1_025)
            #expect(effort < 100)
        }
        #expect(try Content(["type": 136, "sn": 1, "command": "mute"]).body == .command(.mute(nil)))
    }
}
