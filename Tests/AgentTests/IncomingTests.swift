import Agent
import Crypto
import DIMP
import Format
import Records
import TestSupport
import Testing

@Suite("The way in")
struct IncomingTests {
    private let moki = People.moki
    private let hulk = People.hulk

    private func text(_ words: String, sn: Int64 = 7, time: Double = Pair.start) -> Content {
        .text(words, sn: sn, time: time)
    }

    /// A sealed message to hulk that nobody laid anywhere yet.
    private func message(_ words: String = "sealed") throws -> ReliableMessage {
        try moki.sealedMessage(text(words), to: hulk)
    }

    @Test("a sealed message comes in, and the very same again only makes a receipt, at most once in 10 s")
    func repeats() throws {
        let pair = Pair.friends()
        let message = try message()
        pair.lay(message)
        #expect(pair.b.texts == ["sealed"])
        func receipts() -> Int { pair.messages(from: 1, to: moki.id.address).count }
        #expect(receipts() == 1)
        for _ in 0..<5 { pair.lay(message) }
        #expect(receipts() == 1)
        pair.advance(10)
        for _ in 0..<5 { pair.lay(message) }
        #expect(receipts() == 2)
        #expect(pair.b.inbox.count == 1)
    }

    @Test("the receipt that is given again is the one of the first time")
    func sameReceipt() throws {
        let pair = Pair.friends()
        let token = pair.send("hello")
        pair.trouble.lost = 0
        pair.settle()
        let wire = try #require(pair.messages(from: 0, to: hulk.id.address).first)
        pair.advance(11)
        pair.lay(wire)
        #expect(pair.a.rejections.isEmpty)
        #expect(pair.row(token)?.state == .delivered)
    }

    @Test("a message whose JSON is deeper or has more values than the limits say is refused unread")
    func builtTooDeep() throws {
        let wire = try message().json.bytes
        for limits in [JSONLimits(depth: 0), JSONLimits(values: 3)] {
            let pair = Pair.friends()
            pair.b.policy.json = limits
            pair.feed(1, .arrived(wire, at: hulk.id.address))
            pair.settle()
            #expect(pair.b.texts.isEmpty)
            #expect(pair.b.rejections.map(\.stage) == [.parse])
        }
    }

    @Test("two copies at the same time are one")
    func doubled() throws {
        let pair = Pair.friends()
        let wire = try message().json.bytes
        for _ in 0..<3 { pair.feed(1, .arrived(wire, at: hulk.id.address)) }
        #expect(pair.jobCount == 1)
        pair.settle()
        #expect(pair.b.texts == ["sealed"])
    }

    @Test("a message whose result was lost comes in with a later repeat")
    func lostResult() throws {
        let pair = Pair.friends()
        let message = try message()
        pair.feed(1, .arrived(message.json.bytes, at: hulk.id.address))
        pair.dropJobs()
        pair.advance(61)
        pair.lay(message)
        #expect(pair.b.texts == ["sealed"])
    }

    @Test(
        "what is shown and stored is what was proven: no terminal, no name before a broadcast address, no group outside"
    )
    func proven() throws {
        let pair = Pair.friends()
        var json = try #require(try message().json.object)
        json["sender"] = .string("\(moki.id.text)/x")
        json["receiver"] = .string("\(hulk.id.text)/y")
        pair.lay(JSON.object(json).bytes)
        let row = try #require(pair.b.inbox.first)
        #expect(row.sender.text == moki.id.text && row.receiver.text == hulk.id.text && row.sealed)

        let content = Content(type: .text, sn: 5, time: Pair.start, ["text": "to all"])
        let packed = try Packing(identity: moki, receiver: .anyone, recipients: []).seal(content)
        var broadcast = try #require(packed.message.json.object)
        broadcast["receiver"] = "somebody@anywhere"
        pair.lay(JSON.object(broadcast).bytes)
        #expect(pair.b.inbox.map(\.receiver.text) == [hulk.id.text, "anyone@anywhere"])
    }

    @Test("events, parked messages and receipts name the sender without what somebody added to the envelope")
    func unprovenElsewhere() throws {
        let pair = Pair([Board([moki]), Board([hulk], seed: 2)])
        pair.linkAll()
        var json = try #require(
            try moki.sealedMessage(.text("x", sn: 5, time: Pair.start), to: hulk, attach: true).json.object)
        json["sender"] = .string("\(moki.id.text)/west-wing")
        json["receiver"] = .string("\(hulk.id.text)/east-wing")
        pair.lay(JSON.object(json).bytes)
        let parked = try #require(pair.b.ledger.state.parked.first)
        #expect(parked.sender.text == moki.id.text && parked.receiver.text == hulk.id.text)
        let request = try #require(pair.b.ledger.state.events.first { $0.kind == .request })
        #expect(request.did?.text == moki.id.text && !request.text.contains("/west-wing"))
        pair.feed(1, .befriended(moki.id))
        pair.settle()
        #expect(pair.b.texts == ["x"])
        let receipt = try #require(pair.b.ledger.state.accepted.first?.receipt)
        #expect(!receipt.contains("-wing"))
    }

    @Test(
        "a sealed message altered in its envelope is refused",
        arguments: [
            "sender", "receiver", "time", "group", "IV", "data", "key", "signature",
        ])
    func altered(field: String) throws {
        let pair = Pair.friends()
        pair.b.befriend(People.carol)
        var json = try #require(try message().json.object)
        switch field {
        case "sender": json["sender"] = .string(People.carol.id.text)
        case "receiver": json["receiver"] = .string(People.carol.id.text)
        case "time": json["time"] = .integer(Int64(Pair.start) + 1)
        case "group": json["group"] = .string(try #require(moki.meta.id(network: 16)).text)
        case "IV": json["IV"] = .string(Base64.encode([UInt8](repeating: 9, count: 16)))
        case "data": json["data"] = try message("other").json["data"]
        case "key":
            json["key"] = .string(Base64.encode([UInt8](repeating: 9, count: 128)))
            json["keys"] = nil
        default: json["signature"] = try message("other").json["signature"]
        }
        pair.lay(JSON.object(json).bytes)
        #expect(pair.b.inbox.isEmpty)
        #expect(pair.b.rejections.count == 1)
        pair.lay(try message())
        #expect(pair.b.texts == ["sealed"])
    }

    @Test("what failed to decrypt is not tried again, and the true message still comes in")
    func failedOnce() throws {
        let pair = Pair.friends()
        let message = try message()
        var bad = message
        bad.secure.keys = [.init(receiver: "", bytes: [UInt8](repeating: 9, count: 128))]
        pair.lay(bad)
        #expect(pair.b.unwraps == 1)
        pair.lay(bad)
        #expect(pair.b.unwraps == 1)
        #expect(pair.b.rejections.map(\.stage) == [.decrypt, .decrypt])
        pair.feed(1, .identitiesChanged)
        pair.lay(bad)
        #expect(pair.b.unwraps == 2)
        pair.lay(message)
        #expect(pair.b.texts == ["sealed"])
    }

    @Test("foreign messages and ones from nobody are refused")
    func notForUs() throws {
        let pair = Pair.friends()
        pair.lay(try moki.sealedMessage(text("x"), to: People.carol))
        var nobody = try message()
        nobody.secure.envelope.sender = .anyone
        pair.lay(nobody)
        #expect(pair.b.rejections.map(\.stage) == [.receiver, .meta])
        #expect(pair.b.inbox.isEmpty)
        #expect(pair.messages(from: 1, to: moki.id.address).isEmpty)
    }

    @Test("a message over the limit is refused before it is read")
    func tooLarge() throws {
        let pair = Pair.friends()
        pair.b.policy.messageSize = 1000
        pair.lay([UInt8](repeating: 0x20, count: 1001))
        #expect(pair.b.rejections.map(\.stage) == [.parse])
    }

    @Test(
        "contents from the future and very old ones are refused",
        arguments: [
            (599.0, true), (601.0, false), (-2_592_000.0, true), (-2_678_401.0, false),
        ])
    func window(offset: Double, isTaken: Bool) throws {
        let pair = Pair.friends()
        pair.lay(try moki.sealedMessage(text("when", time: Pair.start + offset), to: hulk))
        #expect(pair.b.texts == (isTaken ? ["when"] : []))
        #expect(pair.b.rejections.map(\.stage) == (isTaken ? [] : [.time]))
    }

    @Test("without a clock nothing is too old, and a time before 2024 is none")
    func noTime() throws {
        let pair = Pair.friends()
        pair.lay(try moki.sealedMessage(text("in 2020", sn: 1, time: 1_600_000_000), to: hulk))
        pair.b.isClockSet = false
        pair.lay(try moki.sealedMessage(text("last year", sn: 2, time: Pair.start - 300 * 86_400), to: hulk))
        pair.lay(try moki.sealedMessage(text("next year", sn: 3, time: Pair.start + 300 * 86_400), to: hulk))
        #expect(pair.b.texts == ["in 2020", "last year", "next year"])
        #expect(pair.b.ledger.state.accepted.first?.time == nil)
    }

    @Test("once a peer sealed, its unsealed messages are refused, whatever a later visa says")
    func sticky() throws {
        let pair = Pair.friends()
        pair.b.befriend(moki, isCulver: false, visa: try moki.visa(time: People.time, isStock: true))
        pair.lay(try moki.stockMessage(text("plain 1", sn: 1), to: hulk))
        #expect(pair.b.texts == ["plain 1"])
        #expect(pair.b.inbox.first?.sealed == false)
        pair.lay(try moki.sealedMessage(text("sealed", sn: 2), to: hulk))
        pair.b.book.apply(.visa(try moki.visa(time: People.time + 5, isStock: true), of: moki.id))
        pair.lay(try moki.stockMessage(text("plain 2", sn: 3), to: hulk))
        #expect(pair.b.texts == ["plain 1", "sealed"])
        #expect(pair.b.rejections.map(\.stage) == [.seal])
    }

    @Test("a visa that advertises culver is enough to refuse unsealed ones")
    func stickyByVisa() throws {
        let pair = Pair([Board([moki]), Board([hulk])])
        pair.b.policy.strangers = .open
        pair.lay(try moki.stockMessage(text("stripped"), to: hulk, attach: true))
        #expect(pair.b.inbox.isEmpty)
        #expect(pair.b.rejections.map(\.stage) == [.seal])
    }

    @Test("a stock peer's repeat with a new ciphertext is one message")
    func stockRepeat() throws {
        let pair = Pair.friends()
        pair.b.befriend(moki, isCulver: false, visa: try moki.visa(time: People.time, isStock: true))
        for _ in 0..<3 { pair.lay(try moki.stockMessage(text("again"), to: hulk)) }
        #expect(pair.b.texts == ["again"])
    }

    @Test("a reused key opens the second message without a private key, and ends after a day or 1000 messages")
    func reusedKey() throws {
        let pair = Pair.friends()
        pair.send("one", wantsSignedReceipt: true)
        pair.settle()
        #expect(pair.b.unwraps == 1)
        // The receipt has its own direction.
        #expect(pair.a.unwraps == 1)
        pair.send("two", wantsSignedReceipt: true)
        pair.settle()
        #expect(pair.b.unwraps == 1)
        #expect(pair.a.unwraps == 1)
        let keys = pair.messages(from: 0, to: hulk.id.address).map(\.secure.keys)
        #expect(keys[0] == keys[1])
        pair.advance(86_400)
        pair.send("three")
        pair.settle()
        #expect(pair.b.unwraps == 2)
        var known = try #require(pair.a.book.sendingKey(from: moki.id, to: hulk.id))
        known.uses = 999
        pair.a.book.apply(.sendingKey(known, from: moki.id, to: hulk.id))
        pair.send("the thousandth")
        pair.settle()
        #expect(pair.b.unwraps == 2)
        pair.send("after")
        pair.settle()
        #expect(pair.b.unwraps == 3)
        #expect(pair.b.texts.count == 5)
    }

    @Test("wrapped bytes of one sender open nothing for another")
    func keysArePerSender() throws {
        let pair = Pair.friends()
        pair.b.befriend(People.carol)
        let message = try message()
        pair.lay(message)
        let theirs = try People.carol.sealedMessage(text("mine"), to: hulk)
        var mixed = theirs
        mixed.secure.keys = message.secure.keys
        pair.lay(mixed)
        #expect(pair.b.unwraps == 2)
        #expect(pair.b.texts == ["sealed"])
        pair.lay(theirs)
        #expect(pair.b.texts == ["sealed", "mine"])
    }

    @Test("a full inbox gives no receipt and names the consumer that is behind; the sender repeats until there is room")
    func inboxFull() throws {
        let pair = Pair.friends()
        pair.b.ledger.inboxLimit = 0
        pair.b.ledger.slowest = "lamp"
        let token = pair.send("wait")
        pair.settle()
        #expect(pair.row(token)?.state == .published)
        #expect(pair.messages(from: 1, to: moki.id.address).isEmpty)
        let said = pair.b.ledger.state.events.filter { $0.kind == .inbox && $0.reason == "inbox-full" }
        #expect(said.first?.text.contains("consumer lamp is behind") == true)
        pair.b.ledger.inboxLimit = 10
        pair.advance(30)
        #expect(pair.row(token)?.state == .delivered)
        #expect(pair.b.texts == ["wait"])
    }

    @Test("random bytes and mutated messages never reach the inbox")
    func mutated() throws {
        let pair = Pair.friends()
        let dice = Dice(seed: 42)
        let wire = try message().json.bytes
        for length in [0, 1, 2, 50, 1000] {
            pair.lay((0..<length).map { _ in UInt8(truncatingIfNeeded: dice.next()) })
        }
        for number in 0..<400 {
            var bytes = wire
            switch number % 4 {
            case 0: bytes[dice.below(bytes.count)] ^= UInt8(1 << dice.below(8))
            case 1: bytes = Array(bytes.prefix(dice.below(bytes.count)))
            case 2: bytes.insert(UInt8(truncatingIfNeeded: dice.next()), at: dice.below(bytes.count))
            default: bytes.remove(at: dice.below(bytes.count))
            }
            pair.lay(bytes)
            // A change in something that means nothing, like an attached card or white space, changes nothing.
            #expect(pair.b.texts.allSatisfy { $0 == "sealed" })
        }
        #expect(pair.b.inbox.count <= 1)
        pair.advance(70)
        pair.lay(wire)
        #expect(pair.b.texts == ["sealed"])
    }

    /// moki, a contact of hulk whose software does not seal.
    private func withStockFriend() throws -> Pair {
        let pair = Pair([Board([moki]), Board([hulk], seed: 2)])
        pair.b.befriend(moki, isCulver: false, visa: try moki.visa(time: People.time, isStock: true))
        pair.linkAll()
        return pair
    }

    @Test("a broadcast without seal is refused of a peer that seals, and a sealed one is taken")
    func unsealedBroadcast() throws {
        let pair = Pair.friends()
        let time = Int64(Pair.start)
        pair.lay(try signed(#"{"type":1,"sn":5,"time":\#(time),"text":"not mine"}"#))
        #expect(pair.b.inbox.isEmpty)
        #expect(pair.b.rejections.map(\.stage) == [.seal])
        pair.lay(try moki.broadcast(.text("to all", sn: 6, time: Pair.start)))
        #expect(pair.b.texts == ["to all"])
    }

    @Test(
        "a visa that says culver pins its owner by whatever way it comes, also against a later one that does not say so",
        arguments: ["kept", "directory", "attached"])
    func pinned(way: String) throws {
        let pair = try withStockFriend()
        let visa = try moki.visa(time: People.time + 10)
        switch way {
        case "kept": pair.b.book.keep(visa, of: moki.id)
        case "directory":
            pair.b.book.state.visas = [:]
            pair.send("look me up", from: 1)
            pair.putCard(of: moki, visa: visa)
        default:
            var message = try moki.stockMessage(.text("see my visa", sn: 4, time: Pair.start), to: hulk)
            message.meta = .object(moki.meta.json)
            message.visa = .object(visa.json)
            pair.lay(message)
        }
        #expect(pair.b.book.contact(moki.id.address)?.isCulver == true)
        pair.b.book.keep(try moki.visa(time: People.time + 20, isStock: true), of: moki.id)
        #expect(pair.b.book.contact(moki.id.address)?.isCulver == true)
        let before = pair.b.inbox.count
        pair.lay(try moki.stockMessage(.text("unsealed", sn: 5, time: Pair.start), to: hulk))
        pair.lay(try signed(#"{"type":1,"sn":6,"time":\#(Int64(Pair.start)),"text":"to all"}"#))
        #expect(pair.b.inbox.count == before)
    }

    @Test("a contact whose pin was lost is pinned by the visa that is still there when that is replaced")
    func pinnedAgain() throws {
        let pair = Pair.friends()
        pair.b.book.apply(.contact(Contact(id: moki.id, trust: .contact)))
        pair.b.book.keep(try moki.visa(time: People.time + 20, isStock: true), of: moki.id)
        #expect(pair.b.book.contact(moki.id.address)?.isCulver == true)
    }

    /// A broadcast of moki with this very text.
    private func signed(_ data: String) throws -> ReliableMessage {
        let envelope = Envelope(sender: moki.id, receiver: .anyone, time: Pair.start)
        return try SecureMessage(envelope: envelope, data: Array(data.utf8), iv: nil, keys: []).signed(by: moki.secret)
    }

    @Test("a broadcast must be able to be nothing else than a broadcast")
    func broadcasts() throws {
        let pair = try withStockFriend()
        let time = Int64(Pair.start)
        pair.lay(try signed(#"{"type":1,"sn":5,"time":\#(time),"text":"to all"}"#))
        #expect(pair.b.texts == ["to all"])
        #expect(pair.b.inbox.first?.encrypted == false)
        pair.lay(try signed(#"{"type":"text","sn":6,"time":\#(time),"text":"a"}"#))
        pair.lay(try signed(#"{"type":1,"time":\#(time),"text":"b"}"#))
        pair.lay(try signed(#"{"type":1,"sn":7,"signed":"state","time":\#(time),"text":"c"}"#))
        pair.lay(try signed(moki.visa.data))
        #expect(pair.b.texts == ["to all"])
        #expect(pair.b.rejections.allSatisfy { $0.stage == .content })
        #expect(pair.b.rejections.count == 4)
        #expect(pair.messages(from: 1, to: moki.id.address).isEmpty)
    }

    @Test("a broadcast whose type and serial number are decimal digits is taken, as bare Python writes it")
    func broadcastInDigits() throws {
        let pair = try withStockFriend()
        let time = Int64(Pair.start)
        pair.lay(try signed(#"{"type":"1","sn":"5","time":"\#(time)","text":"digits"}"#))
        pair.lay(try signed(#"{"T":"1","N":6,"W":\#(time),"text":"short"}"#))
        #expect(pair.b.texts == ["digits", "short"])
        #expect(pair.b.rejections.isEmpty)
        for (type, sn) in [("+1", "7"), ("1", "-7"), ("1", ""), ("1", "7a"), (" 1", "7"), ("1", "٧")] {
            pair.lay(try signed(#"{"type":"\#(type)","sn":"\#(sn)","time":\#(time),"text":"no"}"#))
        }
        pair.lay(try signed(#"{"type":"1","sn":"7","signed":"state","time":\#(time),"text":"no"}"#))
        #expect(pair.b.texts == ["digits", "short"])
        #expect(pair.b.rejections.map(\.stage) == Array(repeating: .content, count: 7))
    }

    @Test("a replay after its digest was kept is no message")
    func replayed() throws {
        let pair = Pair.friends()
        pair.send("once")
        pair.settle()
        let wire = try #require(pair.messages(from: 0, to: hulk.id.address).first)
        pair.restart(1)
        pair.settle()
        for _ in 0..<3 {
            pair.advance(86_400)
            pair.lay(wire)
        }
        #expect(pair.b.texts == ["once"])
    }
}
