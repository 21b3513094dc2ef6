import DIMP
import Format
import Foundation
import Records
import Store
import Testing

@testable import Operations

/// A operations on an empty directory, which goes with the value.
private final class Scratch {
    let path = NSTemporaryDirectory() + "operations-\(UUID().uuidString)"
    let facebook: Facebook

    init() throws {
        facebook = try Facebook(try StateDirectory(path), time: now)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    var operations: FileOperations { FileOperations(facebook: facebook, time: now) }
}

private let now = 1_700_000_000.0

private func made(_ name: String) throws -> Identity {
    try Identity.register(name: name, network: 0, algorithm: .rsa, bits: 1024, time: now)
}

private func refusal<Value>(_ body: () throws -> Value) -> Refusal? {
    do {
        _ = try body()
        return nil
    } catch {
        return error as? Refusal
    }
}

@Suite struct FileOperationsTests {
    private let scratch: Scratch
    private let moki: Identity
    private let hulk: Identity
    private var operations: FileOperations { scratch.operations }

    /// moki is ours and the default, hulk a contact that we call `green`.
    init() throws {
        scratch = try Scratch()
        moki = try made("moki")
        hulk = try made("hulk")
        scratch.facebook.put(moki)
        scratch.facebook.put(Contact(id: hulk.id, name: "green", trust: .contact))
        scratch.facebook.put(hulk.meta, of: hulk.id)
        scratch.facebook.put(hulk.visa, of: hulk.id)
    }

    // MARK: - IDs and names

    @Test("an ID is itself, an address alone and a name that we gave are who they belong to")
    func resolving() throws {
        let stranger = try made("thor").id
        #expect(try operations.id(stranger.text) == stranger)
        #expect(try operations.id(hulk.id.text) == hulk.id)
        #expect(try operations.id(hulk.id.address.text) == hulk.id)
        #expect(try operations.id("green") == hulk.id)
        #expect(try operations.id("moki") == moki.id)
        #expect(operations.name(of: hulk.id) == "green")
        #expect(operations.name(of: stranger) == nil)
    }

    @Test("nothing is guessed: what others call themselves is no name, and a mistyped ID is no name either")
    func nothingGuessed() throws {
        #expect(refusal { try operations.id("hulk") }?.kind == .unknownName)
        #expect(refusal { try operations.id("GREEN") }?.kind == .unknownName)
        #expect(refusal { try operations.id("") }?.kind == .unknownName)
        #expect(refusal { try operations.id("green@nowhere-at-all") }?.kind == .badData)
        #expect(refusal { try operations.id(hulk.id.text + "x") }?.kind == .badData)
    }

    @Test("the default identity is the first, others are taken by name or ID, contacts are none")
    func own() throws {
        #expect(try operations.identity(nil).id == moki.id)
        #expect(try operations.identity("moki").id == moki.id)
        #expect(try operations.identity(moki.id.text).id == moki.id)
        #expect(refusal { try operations.identity("green") }?.reason == "unknown-identity")
        let empty = try Scratch()
        #expect(refusal { try empty.operations.identity(nil) }?.reason == "no-identity")
    }

    @Test(
        "a name has 1 to 64 plain characters",
        arguments: [
            "", "a b", "a@b", "a/b", "ü", "a\u{0}", "a\n", "-\u{200B}", String(repeating: "n", count: 65),
            "4WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXekk",
        ])
    func badNames(name: String) throws {
        #expect(refusal { try operations.checkName(name, for: hulk.id) }?.reason == "bad-name")
    }

    @Test("a name belongs to one, who may keep it")
    func takenNames() throws {
        try operations.checkName("green", for: hulk.id)
        try operations.checkName(String(repeating: "n", count: 64), for: hulk.id)
        #expect(refusal { try operations.checkName("moki", for: hulk.id) }?.reason == "name-taken")
        #expect(refusal { try operations.checkName("green", for: moki.id) }?.reason == "name-taken")
    }

    // MARK: - Identities

    @Test("an identity that is there is found when that will do, and refused when a new one was asked for")
    func ensure() throws {
        guard
            case .there(let there) = try operations.plan(
                name: "moki", type: nil, key: nil, bits: nil, era: nil, ensure: true)
        else {
            Issue.record("planned a second moki")
            return
        }
        #expect(there.id == moki.id)
        let again = refusal {
            try operations.plan(name: "moki", type: nil, key: nil, bits: nil, era: nil, ensure: false)
        }
        #expect(again?.kind == .exists)
        #expect(
            refusal { try operations.plan(name: "green", type: nil, key: nil, bits: nil, era: nil, ensure: true) }?
                .reason
                == "name-taken")
    }

    @Test("a plan makes what was asked for", arguments: [("rsa", "RSA"), ("ecc", "ECC")])
    func plans(key: String, algorithm: String) throws {
        guard
            case .planned(let plan) = try operations.plan(
                name: "thor", type: "bot", key: key, bits: 1024, era: nil, ensure: false)
        else {
            Issue.record("found a thor")
            return
        }
        let identity = try plan.identity()
        let row = operations.created(identity, isNew: true)
        #expect(row["did"]?.string == identity.id.text)
        #expect(row["name"] == "thor")
        #expect(row["type"] == "bot")
        #expect(row["algorithm"]?.string == algorithm)
        #expect(row["created"] == true)
        #expect(identity.meta.vouches(for: identity.id))
    }

    @Test("what no identity can have is refused with its reason")
    func badPlans() throws {
        func reason(type: String? = nil, key: String? = nil, bits: Int64? = nil, era: String? = nil) -> String? {
            refusal { try operations.plan(name: "thor", type: type, key: key, bits: bits, era: era, ensure: false) }?
                .reason
        }
        #expect(reason(type: "device") == "bad-type")
        #expect(reason(type: "device", era: "2019") == nil)
        #expect(reason(type: "other") == "bad-type")
        #expect(reason(era: "2018") == "bad-era")
        #expect(reason(key: "dsa") == "bad-key")
        for bits: Int64 in [0, 1016, 2047, 4104] { #expect(reason(bits: bits) == "bad-bits") }
    }

    @Test("a card is the ID with meta and visa that vouch for it")
    func card() throws {
        let card = operations.card(moki)
        #expect(card.object?.names == ["did", "meta", "visa"])
        let id = try #require(card["did"]?.string.flatMap { ID($0) })
        let meta = try Meta(card["meta"])
        #expect(meta.vouches(for: id))
        try Document(card["visa"]).check(about: id, meta: meta)
        #expect(operations.shown(moki)["default"] == true)
        #expect(operations.identities()["identities"]?.array?.count == 1)
    }

    // MARK: - Messages

    @Test("a content is text or an object with a type, and what culver writes is not the caller's")
    func contents() throws {
        let text = try FileOperations.content(text: "", content: nil)
        #expect(text.type == .text && text.members["text"] == "")
        let custom = try FileOperations.content(text: nil, content: ["type": 1, "text": "a", "more": [1]])
        #expect(custom.type == .text && custom.members["type"] == nil && custom.members["more"] == [1])
        #expect(refusal { try FileOperations.content(text: nil, content: nil) }?.reason == "text-or-content")
        #expect(refusal { try FileOperations.content(text: "a", content: ["type": 1]) }?.reason == "text-or-content")
        for bad: JSON in ["a", [1], [:], ["type": "x"], ["type": -1], ["text": "a"]] {
            #expect(refusal { try FileOperations.content(text: nil, content: bad) }?.reason == "bad-content")
        }
        for name in ["sn", "time", "seal", "seq"] {
            let content: JSON = .object(["type": 1, name: 1])
            #expect(refusal { try FileOperations.content(text: nil, content: content) }?.reason == "reserved-member")
        }
    }

    private func packed(for receiver: ID, attach: Bool = false) throws -> JSON {
        try operations.pack(from: moki, to: receiver, type: .text, members: ["text": "hi"], sn: 7, attach: attach)
    }

    /// hulk's own operations, which knows moki when told so.
    private func other(knowsMoki: Bool) throws -> Scratch {
        let other = try Scratch()
        other.facebook.put(hulk)
        if knowsMoki { other.facebook.put(moki.meta, of: moki.id) }
        return other
    }

    @Test("what is packed for somebody is opened by them, as an object and as text")
    func packAndOpen() throws {
        let message = try packed(for: hulk.id)
        let other = try other(knowsMoki: true)
        for wire in [message, .string(message.text)] {
            let opened = other.operations.open(wire)
            #expect(opened["sender"]?.string == moki.id.text)
            #expect(opened["receiver"]?.string == hulk.id.text)
            #expect(opened["content"]?["text"] == "hi")
            #expect(opened["content"]?["sn"] == 7)
            #expect(opened["sealed"] == true)
            #expect(opened["encrypted"] == true)
            #expect(opened["attached"] == [])
        }
    }

    @Test("a card beside the message introduces the sender, without it a stranger is refused at meta")
    func attached() throws {
        let other = try other(knowsMoki: false)
        #expect(other.operations.open(try packed(for: hulk.id))["refused"] == "meta")
        let opened = other.operations.open(try packed(for: hulk.id, attach: true))
        #expect(opened["attached"] == ["meta", "visa"])
        #expect(opened["content"]?["text"] == "hi")
        #expect(!other.facebook.contacts.contains { $0.id == moki.id })
    }

    @Test("a refused message is refused with its stage and a reason")
    func refused() throws {
        let other = try other(knowsMoki: true)
        let message = try packed(for: hulk.id)
        func stage(_ wire: JSON) -> String? {
            let answer = other.operations.open(wire)
            #expect(answer["reason"]?.string?.isEmpty == false)
            return answer["refused"]?.string
        }
        #expect(stage(.string("{")) == "parse")
        #expect(stage(.null) == "parse")
        #expect(stage([:]) == "parse")
        var altered = try #require(message.object)
        altered["signature"] = .string(Base64.encode([UInt8](repeating: 1, count: 128)))
        #expect(stage(.object(altered)) == "signature")
        #expect(stage(try packed(for: moki.id)) == "receiver")
    }

    @Test("nothing can be packed for whom no key is known of, and a broadcast is packed readable")
    func keys() throws {
        let stranger = try made("thor").id
        #expect(refusal { try packed(for: stranger) }?.reason == "no-key")
        let broadcast = try packed(for: .everyone)
        #expect(broadcast["data"]?.string?.contains("hi") == true)
        let opened = try other(knowsMoki: true).operations.open(broadcast)
        #expect(opened["encrypted"] == false)
        #expect(opened["content"]?["text"] == "hi")
    }
}
