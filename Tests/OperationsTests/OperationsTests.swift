import Control
import DIMP
import Format
import Foundation
import Records
import Store
import Testing

@testable import Operations

/// An empty directory, which goes with the value.
private final class Scratch {
    let path = NSTemporaryDirectory() + "operations-\(UUID().uuidString)"
    let facebook: Facebook

    init() throws {
        facebook = try Facebook(try StateDirectory(path), time: now)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    var names: NameLookup { NameLookup(facebook: facebook) }
    var identities: IdentityOperations { IdentityOperations(facebook: facebook, time: now) }
    var messages: MessageOperations { MessageOperations(facebook: facebook, time: now) }

    func opened(_ wire: JSON) -> JSON {
        switch messages.openStep(for: wire) {
        case .work(let work): work.opened()
        case .refused(let answer): answer
        }
    }
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

@Suite struct OperationsTests {
    private let scratch: Scratch
    private let moki: Identity
    private let hulk: Identity
    private var names: NameLookup { scratch.names }
    private var identities: IdentityOperations { scratch.identities }

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
        #expect(try names.id(stranger.text) == stranger)
        #expect(try names.id(hulk.id.text) == hulk.id)
        #expect(try names.id(hulk.id.address.text) == hulk.id)
        #expect(try names.id("green") == hulk.id)
        // The name in front of an address has no check bytes; the meta that is known does.
        for (name, address) in [("Hulk", hulk.id.address), ("other", moki.id.address)] {
            let refused = refusal { try names.id("\(name)@\(address)") }
            #expect(refused?.kind == .badData && refused?.reason == "bad-id")
        }
        #expect(try names.id("moki") == moki.id)
        #expect(names.name(of: hulk.id) == "green")
        #expect(names.name(of: stranger) == nil)
    }

    @Test("an unknown name is told what it may have meant: a contact or an identity that is near")
    func meant() {
        for (word, hint) in [("gren", "did you mean green?"), ("mokki", "did you mean moki?"), ("blue", nil)] {
            let refused = refusal { try names.id(word) }
            #expect(refused?.reason == "unknown-name" && refused?.hint == hint)
        }
    }

    @Test("nothing is guessed: what others call themselves is no name, and a mistyped ID is no name either")
    func nothingGuessed() throws {
        #expect(refusal { try names.id("hulk") }?.kind == .unknownName)
        #expect(refusal { try names.id("GREEN") }?.kind == .unknownName)
        #expect(refusal { try names.id("") }?.kind == .unknownName)
        #expect(refusal { try names.id("green@nowhere-at-all") }?.kind == .badData)
        #expect(refusal { try names.id(hulk.id.text + "x") }?.kind == .badData)
    }

    @Test("the default identity is the first, others are taken by name or ID, contacts are none")
    func own() throws {
        #expect(try names.identity(nil).id == moki.id)
        #expect(try names.identity("moki").id == moki.id)
        #expect(try names.identity(moki.id.text).id == moki.id)
        #expect(refusal { try names.identity("green") }?.reason == "unknown-identity")
        let empty = try Scratch()
        #expect(refusal { try empty.names.identity(nil) }?.reason == "no-identity")
    }

    @Test(
        "a name has 1 to 64 plain characters",
        arguments: [
            "", "a b", "a@b", "a/b", "ü", "a\u{0}", "a\n", "-\u{200B}", String(repeating: "n", count: 65),
            "4WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXekk",
        ])
    func badNames(name: String) throws {
        #expect(refusal { try names.checkName(name, for: hulk.id) }?.reason == "bad-name")
    }

    @Test("a name belongs to one, who may keep it")
    func takenNames() throws {
        try names.checkName("green", for: hulk.id)
        try names.checkName(String(repeating: "n", count: 64), for: hulk.id)
        #expect(refusal { try names.checkName("moki", for: hulk.id) }?.reason == "name-taken")
        #expect(refusal { try names.checkName("green", for: moki.id) }?.reason == "name-taken")
    }

    // MARK: - Identities

    @Test("an identity that is there is found when that will do, and refused when a new one was asked for")
    func ensure() throws {
        guard case .done(let there) = try identities.create(named: "moki", isEnsured: true) else {
            Issue.record("planned a second moki")
            return
        }
        #expect(there.id == moki.id)
        #expect(there.kind == .found && there.answer["created"] == false)
        #expect(refusal { try identities.create(named: "moki", isEnsured: false) }?.kind == .exists)
        #expect(refusal { try identities.create(named: "green", isEnsured: true) }?.reason == "name-taken")
    }

    @Test("keys make what was asked for", arguments: [("rsa", "RSA"), ("ecc", "ECC")])
    func making(key: String, algorithm: String) throws {
        let params = Params(["name": "thor", "type": "bot", "key": .string(key), "bits": 1024])
        guard case .keys(let work) = try identities.create(params) else {
            Issue.record("found a thor")
            return
        }
        let identity = try work.made()
        let result = try identities.keep(identity, by: work)
        let row = result.answer
        #expect(result.kind == .made && result.id == identity.id)
        #expect(row["did"]?.string == identity.id.text)
        #expect(row["name"] == "thor")
        #expect(row["type"] == "bot")
        #expect(row["algorithm"]?.string == algorithm)
        #expect(row["created"] == true)
        #expect(identity.meta.vouches(for: identity.id))
        #expect(scratch.facebook.identities.map(\.id).contains(identity.id))
        // Two calls may have asked at once: the second one comes too late.
        #expect(refusal { try identities.keep(identity, by: work) }?.reason == "identity-exists")
    }

    @Test("a parameter of another type is named, before anything is looked up")
    func parameters() {
        func reason(_ body: () throws -> Any) -> String? {
            do {
                _ = try body()
                return nil
            } catch {
                return (error as? RPCError)?.reason
            }
        }
        #expect(reason { try identities.create(Params([:])) } == "missing-parameter")
        #expect(reason { try identities.create(Params(["name": 1])) } == "bad-parameter")
        #expect(reason { try identities.create(Params(["name": "thor", "bits": 100_000])) } == "bad-parameter")
        #expect(reason { try identities.beginRemoval(Params([:])) } == "missing-parameter")
        #expect(reason { try scratch.messages.open(Params([:])) } == "missing-parameter")
        #expect(reason { try scratch.messages.pack(Params(["text": "hi"]), from: moki) } == "missing-parameter")
    }

    @Test("what no identity can have is refused with its reason")
    func impossible() throws {
        func reason(type: String? = nil, key: String? = nil, bits: Int64? = nil, era: String? = nil) -> String? {
            refusal {
                try identities.create(named: "thor", type: type, key: key, bits: bits, era: era, isEnsured: false)
            }?.reason
        }
        #expect(reason(type: "device") == "bad-type")
        #expect(reason(type: "device", era: "2019") == nil)
        #expect(reason(type: "other") == "bad-type")
        for era in [nil, "2019"] { #expect(reason(type: "group", era: era) == "bad-type") }
        #expect(reason(era: "2018") == "bad-era")
        #expect(reason(key: "dsa") == "bad-key")
        for bits: Int64 in [0, 1016, 2047, 4104] { #expect(reason(bits: bits) == "bad-bits") }
    }

    @Test("a card is the ID with meta and visa that vouch for it")
    func card() throws {
        let card = identities.card(of: moki)
        #expect(card.object?.names == ["did", "meta", "visa"])
        let id = try #require(card["did"]?.string.flatMap { ID($0) })
        let meta = try Meta(card["meta"])
        #expect(meta.vouches(for: id))
        try Document(card["visa"]).check(about: id, meta: meta)
        #expect(identities.shown(moki)["default"] == true)
        #expect(identities.list()["identities"]?.array?.count == 1)
    }

    // MARK: - Messages

    @Test("a content is text or an object with a type, and what culver writes is not the caller's")
    func contents() throws {
        let text = try MessageOperations.content(text: "", content: nil)
        #expect(text.type == .text && text.members["text"] == "")
        let custom = try MessageOperations.content(text: nil, content: ["type": 1, "text": "a", "more": [1]])
        #expect(custom.type == .text && custom.members["type"] == nil && custom.members["more"] == [1])
        #expect(refusal { try MessageOperations.content(text: nil, content: nil) }?.reason == "text-or-content")
        #expect(refusal { try MessageOperations.content(text: "a", content: ["type": 1]) }?.reason == "text-or-content")
        for bad: JSON in ["a", [1], [:], ["type": "x"], ["type": -1], ["text": "a"]] {
            #expect(refusal { try MessageOperations.content(text: nil, content: bad) }?.reason == "bad-content")
        }
        for name in ["sn", "time", "seal", "seq"] {
            let content: JSON = .object(["type": 1, name: 1])
            #expect(refusal { try MessageOperations.content(text: nil, content: content) }?.reason == "reserved-member")
        }
    }

    private func packed(for receiver: ID, attach: Bool = false) throws -> JSON {
        let content = Content(type: .text, sn: 7, time: now, ["text": "hi"])
        let answer = try scratch.messages.packWork(content, from: moki, to: receiver, attach: attach).packed()
        return try #require(answer["message"])
    }

    /// hulk's own directory, which knows moki when told so.
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
            let opened = other.opened(wire)
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
        #expect(other.opened(try packed(for: hulk.id))["refused"] == "meta")
        let opened = other.opened(try packed(for: hulk.id, attach: true))
        #expect(opened["attached"] == ["meta", "visa"])
        #expect(opened["content"]?["text"] == "hi")
        #expect(!other.facebook.contacts.contains { $0.id == moki.id })
    }

    @Test("a refused message is refused with its stage and a reason")
    func refused() throws {
        let other = try other(knowsMoki: true)
        let message = try packed(for: hulk.id)
        func stage(_ wire: JSON) -> String? {
            let answer = other.opened(wire)
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

    @Test("a message that somebody kept is opened whatever its age, and a peer known to seal must have sealed it")
    func keptAndUnsealed() throws {
        let other = try other(knowsMoki: true)
        func unsealed(sn: Int64, time: Double) throws -> JSON {
            let envelope = Envelope(sender: moki.id, receiver: hulk.id, time: time)
            let key = try SymmetricKey.generate()
            let content = Content.text("old", sn: sn, time: time)
            var secure = try InstantMessage(envelope: envelope, content: content)
                .encrypted(with: key, iv: [UInt8](repeating: 1, count: 16))
            let encryption = try #require(hulk.visa.key?.encryption)
            secure.keys = try Packing(identity: moki, receiver: hulk.id, recipients: [(hulk.id, encryption)]).wrap(key)
            return try secure.signed(by: moki.secret).json
        }
        let year = 365.0 * 86_400
        for time in [now - 9 * year, now + 9 * year] {
            #expect(other.opened(try unsealed(sn: 8, time: time))["sealed"] == false)
        }
        other.facebook.put(Contact(id: moki.id, trust: .contact, isCulver: true))
        #expect(other.opened(try unsealed(sn: 9, time: now))["refused"] == "seal")
        #expect(other.opened(try packed(for: hulk.id))["sealed"] == true)
        #expect(other.opened(try packed(for: .everyone))["encrypted"] == false)
    }

    @Test("another name at our address is somebody else, and nobody is no sender")
    func otherName() throws {
        let other = try other(knowsMoki: true)
        var message = try #require(try packed(for: hulk.id).object)
        message["receiver"] = .string("other@\(hulk.id.address)")
        #expect(other.opened(.object(message))["refused"] == "receiver")
        message["receiver"] = .string(hulk.id.text)
        message["sender"] = "anyone@anywhere"
        #expect(other.opened(.object(message))["refused"] == "meta")
    }

    @Test("a broadcast says that it is one: numbers or decimal digits, signed for no other purpose")
    func broadcasts() throws {
        let other = try other(knowsMoki: true)
        func open(_ data: String) throws -> JSON {
            let envelope = Envelope(sender: moki.id, receiver: .anyone, time: now)
            let secure = SecureMessage(envelope: envelope, data: Array(data.utf8), iv: nil, keys: [])
            return other.opened(try secure.signed(by: moki.secret).json)
        }
        for (type, sn) in [("136", "5"), (#""136""#, #""5""#), (#""136""#, "5"), ("136", #""5""#)] {
            #expect(try open(#"{"type":\#(type),"sn":\#(sn),"command":"x"}"#)["encrypted"] == false)
        }
        for (type, sn) in [(#""+136""#, "5"), ("136", #""5a""#), (#""command""#, "5"), ("136", "null")] {
            #expect(try open(#"{"type":\#(type),"sn":\#(sn),"command":"x"}"#)["refused"] == "content")
        }
        #expect(try open(#"{"type":136,"sn":5,"signed":"state","command":"x"}"#)["refused"] == "content")
    }

    @Test("nothing can be packed for whom no key is known of, and a broadcast is packed readable")
    func keys() throws {
        let stranger = try made("thor").id
        #expect(refusal { try packed(for: stranger) }?.reason == "no-key")
        let broadcast = try packed(for: .everyone)
        #expect(broadcast["data"]?.string?.contains("hi") == true)
        let opened = try other(knowsMoki: true).opened(broadcast)
        #expect(opened["encrypted"] == false)
        #expect(opened["content"]?["text"] == "hi")
    }
}
