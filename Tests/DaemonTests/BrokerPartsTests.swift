import Agent
import Crypto
import DIMP
import Format
import Testing

@testable import culverd

@Suite struct TopicsTests {
    private let topics = Topics(root: "dim/v1")
    private let address = "4WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXekk"

    @Test("every topic has a text, and the text is that topic again", arguments: ["in", "meta", "visa", "state"])
    func bothWays(level: String) throws {
        let address = try #require(Address(self.address))
        let place = try #require(topics.topic(of: "dim/v1/\(self.address)/\(level)"))
        #expect(topics.text(place) == "dim/v1/\(address)/\(level)")
        #expect(topics.own(address).contains(topics.text(place)))
    }

    @Test(
        "what is no topic of ours is none",
        arguments: [
            "", "/", "dim/v1", "dim/v1/", "dim/v1//in", "dim/v1/x/in", "dim/v1/4WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXekk",
            "dim/v1/4WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXekk/", "dim/v1/4WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXekk/in/",
            "dim/v1/4WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXekk/in/more", "dim/v1/4WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXekk/IN",
            "dim/v2/4WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXekk/in", "/dim/v1/4WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXekk/in",
            "dim/v14WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXekk/in", "dim/v1/4WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXekl/in",
            "dim/v1/+/in", "dim/v1/#", "dim/v1/../in", "dim/v1/\u{0}/in",
            "dim/v1/hulk@4WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXekk/in",
        ])
    func hostile(topic: String) {
        #expect(topics.topic(of: topic) == nil)
    }

    @Test("what is for all has a topic without a further level", arguments: [Address.anywhere, .everywhere])
    func broadcasts(address: Address) {
        #expect(topics.text(.inbox(address)) == "dim/v1/\(address)")
        #expect(topics.topic(of: "dim/v1/\(address)") == .inbox(address))
        #expect(topics.broadcasts.contains("dim/v1/\(address)"))
        for level in ["in", "meta", "visa", "state", "ack", ""] {
            #expect(topics.topic(of: "dim/v1/\(address)/\(level)") == nil)
        }
        #expect(topics.topic(of: "dim/v1/\(address.text.uppercased())") == nil)
    }

    @Test("a piece of a file has four levels, of which the number is one")
    func pieces() throws {
        let address = try #require(Address(self.address))
        let text = "dim/v1/\(address)/file/0123456789abcdefghij/17"
        #expect(topics.topic(of: text) == .piece(address, file: "0123456789abcdefghij", 17))
        #expect(topics.text(.piece(address, file: "0123456789abcdefghij", 17)) == text)
        #expect(topics.own(address).contains("dim/v1/\(address)/file/+/+"))
        for wrong in ["-1", "", "x", "99999999999", "1/2", "+"] {
            #expect(topics.topic(of: "dim/v1/\(address)/file/0123456789abcdefghij/\(wrong)") == nil, "\(wrong)")
        }
        for wrong in ["short", "0123456789ABCDEFGHIJ", "../../../../../../x", String(repeating: "a", count: 33)] {
            #expect(topics.topic(of: "dim/v1/\(address)/file/\(wrong)/1") == nil, "\(wrong)")
        }
    }

    @Test("a text as long as MQTT allows is no topic")
    func long() {
        #expect(topics.topic(of: "dim/v1/" + String(repeating: "4", count: 65_520) + "/in") == nil)
    }
}

@Suite struct PresenceTests {
    @Test("both statements are signed for their purpose and pass for nothing else")
    func purpose() throws {
        let first = try madeIdentity("moki")
        let second = try madeIdentity("hulk")
        let presence = try #require(Presence(identities: [first, second], boot: "b00t", at: 1_700_000_000))
        #expect(presence.address == first.id.address)
        for (bytes, state) in [(presence.online, "online"), (presence.gone, "gone")] {
            let statement = try JSON(parsing: bytes)
            let text = try #require(statement["data"]?.string)
            let signature = try #require(statement["signature"]?.string.flatMap(Base64.decode))
            #expect(first.meta.key.verifies(signature, of: Array(text.utf8)))
            let data = try JSON(parsing: text)
            #expect(data["signed"] == "state")
            #expect(data["state"]?.string == state)
            #expect(data["did"]?.string == first.id.text)
            #expect(data["boot"] == "b00t")
            #expect(data["with"] == .array([.string(second.id.text)]))
            for name in ["type", "sn", "key"] { #expect(data[name] == nil) }
            #expect(throws: Rejection.self) {
                try Document([
                    "did": data["did"] ?? .null, "data": .string(text), "signature": statement["signature"] ?? .null,
                ])
                .check(about: first.id, meta: first.meta)
            }
        }
    }

    @Test("without an identity there is no presence")
    func nobody() {
        #expect(Presence(identities: [], boot: "b", at: 1) == nil)
    }
}

@Suite struct HostTests {
    @Test("a template is filled where its word stands, and only there")
    func fill() {
        #expect(Host.fill("{a}-{b}-{a}", word: "{a}", with: "x") == "x-{b}-x")
        #expect(Host.fill("{{a}}", word: "{a}", with: "x") == "{x}")
        #expect(Host.fill("{a", word: "{a}", with: "x") == "{a")
        #expect(Host.fill("", word: "{a}", with: "x") == "")
        #expect(Host.fill("{a}", word: "{a}", with: "{a}") == "{a}")
    }

    @Test("a label has only the characters of a name, and no more than 64 of them")
    func label() {
        #expect(Host.label(filling: "a b/ü") == "a-b--")
        #expect(Host.label(filling: "") == "culver")
        #expect(Host.label(filling: String(repeating: "n", count: 100)).count == 64)
        #expect(!Host.label(filling: "{hostname}").contains("{"))
    }
}

@Suite struct RefusedTopicsTests {
    @Test("the pause before a refused topic is asked for again doubles up to five minutes, and a refusal is told once")
    func pauses() {
        var topics = RefusedTopics()
        #expect(topics.wait == nil)
        var (pauses, told): ([Double], [Bool]) = ([], [])
        for _ in 0..<12 {
            told += [topics.refused("in"), topics.refused("in")]
            pauses.append(topics.wait ?? 0)
            let asked = topics.repeated()
            #expect(asked == ["in"])
            #expect(topics.wait == nil)
        }
        #expect(told == [true] + Array(repeating: false, count: 23))
        #expect(pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300])
    }

    @Test("what is granted is asked for no more, and only a refusal that was told is taken back")
    func granted() {
        var topics = RefusedTopics()
        var answers = [topics.granted("in")]
        _ = topics.refused("in")
        _ = topics.refused("ack")
        answers += [topics.granted("in"), topics.granted("in")]
        #expect(answers == [false, true, false])
        let asked = topics.repeated()
        #expect(asked == ["ack"])
        let isNew = topics.refused("in")
        #expect(isNew)
    }
}
