import Agent
import Crypto
import DIMP
import Format
import Records
import Testing

@Suite("Receipts")
struct ReceiptTests {
    private let moki = People.moki
    private let hulk = People.hulk

    /// moki has sent a message to hulk, who has lost it; the row is `published`.
    private func unanswered(isStock: Bool = false) throws -> (Pair, UInt64, ReliableMessage) {
        let pair = Pair.friends()
        pair.a.befriend(People.carol)
        if isStock {
            pair.a.befriend(hulk, isCulver: false, visa: try hulk.visa(time: People.time, isStock: true))
        }
        pair.trouble.lost = 1
        let token = pair.send("hello")
        pair.settle()
        pair.trouble.lost = 0
        return (pair, token, try #require(pair.messages(from: 0, to: hulk.id.address).first))
    }

    private func receipt(of message: ReliableMessage, sn: Int64, _ change: (inout JSONObject) -> Void = { _ in })
        -> Content
    {
        var members = Receipt.members(
            of: message, content: .text("", sn: sn, time: Pair.start), text: "Message received.")
        change(&members)
        return .command("receipt", sn: 99, time: Pair.start, members)
    }

    @Test("only a receipt of the receiver itself delivers")
    func ofAnother() throws {
        let (pair, token, message) = try unanswered()
        let sn = try #require(pair.row(token)?.sn)
        pair.lay(try People.carol.sealedMessage(receipt(of: message, sn: sn), to: moki), on: 0)
        #expect(pair.row(token)?.state == .published)
        #expect(pair.a.rejections.map(\.stage) == [.content])
        pair.lay(try hulk.sealedMessage(receipt(of: message, sn: sn), to: moki), on: 0)
        #expect(pair.row(token)?.state == .delivered)
    }

    @Test("a receipt with another digest delivers nothing, nor does a sealed one without a digest")
    func otherDigest() throws {
        let (pair, token, message) = try unanswered()
        let sn = try #require(pair.row(token)?.sn)
        for digest in [JSON.string(Base64.encode(Digest.sha256([1]))), nil] {
            pair.lay(try hulk.sealedMessage(receipt(of: message, sn: sn) { $0["digest"] = digest }, to: moki), on: 0)
        }
        #expect(pair.row(token)?.state == .published)
        #expect(pair.a.rejections.count == 2)
    }

    @Test("a broadcast is no receipt")
    func broadcast() throws {
        let (pair, token, message) = try unanswered()
        pair.lay(try hulk.broadcast(receipt(of: message, sn: 1)), on: 0)
        #expect(pair.row(token)?.state == .published)
    }

    @Test("receipts are not receipted and not in the inbox")
    func noReceiptForReceipts() throws {
        let (pair, _, message) = try unanswered()
        pair.forgetPublished()
        pair.lay(try hulk.sealedMessage(receipt(of: message, sn: 1), to: moki), on: 0)
        #expect(pair.messages(from: 0, to: hulk.id.address).isEmpty)
        #expect(pair.a.inbox.isEmpty)
    }

    @Test("an array of receipts closes each of its messages, and a word beside them comes in")
    func arrays() throws {
        let pair = Pair.friends()
        pair.trouble.lost = 1
        let tokens = [pair.send("1"), pair.send("2")]
        pair.settle()
        pair.trouble.lost = 0
        let messages = pair.messages(from: 0, to: hulk.id.address)
        let receipts = messages.map { JSON.object(receipt(of: $0, sn: 1).json) }
        let time = Pair.start
        pair.lay(
            try hulk.sealedMessage(
                Content(type: .array, sn: 5, time: time, ["contents": .array(receipts)]), to: moki), on: 0)
        #expect(tokens.allSatisfy { pair.row($0)?.state == .delivered })
        #expect(pair.a.inbox.isEmpty)
        let mixed = receipts + [JSON.object(Content.text("hi", sn: 6, time: time).json)]
        pair.lay(
            try hulk.sealedMessage(Content(type: .array, sn: 7, time: time, ["contents": .array(mixed)]), to: moki),
            on: 0)
        #expect(pair.a.inbox.map(\.type) == [1] && pair.a.rejections.isEmpty)
        let many = [JSON](repeating: receipts[0], count: 65)
        pair.lay(
            try hulk.sealedMessage(Content(type: .array, sn: 8, time: time, ["contents": .array(many)]), to: moki),
            on: 0)
        #expect(pair.a.rejections.map(\.stage) == [.content])
    }

    @Test(
        "receipts that come together for one culver peer share a signature, for a stock peer they do not",
        arguments: [true, false])
    func shared(isCulver: Bool) throws {
        let pair = Pair.friends()
        if !isCulver { pair.b.befriend(moki, isCulver: false, visa: try moki.visa(time: People.time, isStock: true)) }
        for number in 0..<10 {
            let content = Content.text("\(number)", sn: Int64(number) + 1, time: Pair.start)
            let message = try isCulver ? moki.sealedMessage(content, to: hulk) : moki.stockMessage(content, to: hulk)
            pair.feed(1, .arrived(message.json.bytes, at: hulk.id.address))
        }
        pair.settle()
        #expect(pair.b.inbox.count == 10)
        // The first goes at once; what comes while it is signed goes together.
        let count = pair.messages(from: 1, to: moki.id.address).count
        #expect(isCulver ? count <= 3 : count == 10)
        #expect(pair.b.ledger.state.accepted.allSatisfy { !$0.isOwed })
    }

    @Test("the receipts of many messages all come back")
    func many() throws {
        let pair = Pair.friends()
        let tokens = (0..<100).map { pair.send("\($0)") }
        pair.settle()
        #expect(tokens.allSatisfy { pair.row($0)?.state == .delivered })
    }

    @Test("to a stock peer a message goes once, and its end is published")
    func stockOnce() throws {
        let (pair, token, _) = try unanswered(isStock: true)
        pair.advance(100_000)
        #expect(pair.row(token)?.state == .published)
        #expect(pair.messages(from: 0, to: hulk.id.address).count == 1)
    }

    @Test("to a stock peer it goes again while no acknowledgement came")
    func stockUnacknowledged() throws {
        let pair = Pair.friends()
        pair.a.befriend(hulk, isCulver: false, visa: try hulk.visa(time: People.time, isStock: true))
        pair.outcome = .nobody
        let token = pair.send("hello")
        pair.advance(15)
        #expect(pair.row(token)?.state == .queued)
        #expect(pair.row(token)?.reason == "nobody-subscribed")
        pair.outcome = nil
        pair.advance(60)
        #expect(pair.row(token)?.state == .delivered)
    }

    @Test("what may have reached a stock peer is not sent again after four hours, what never left is")
    func stockDoubt() throws {
        let pair = Pair.friends()
        pair.a.befriend(hulk, isCulver: false, visa: try hulk.visa(time: People.time, isStock: true))
        pair.isAcknowledging = false
        pair.trouble.lost = 1
        let doubtful = pair.send("doubtful")
        pair.settle()
        pair.unlink(0)
        let unsent = pair.send("unsent")
        pair.advance(3 * 3600)
        pair.link(0)
        pair.settle()
        #expect(pair.messages(from: 0, to: hulk.id.address).count == 3)
        pair.unlink(0)
        pair.advance(3600)
        pair.isAcknowledging = true
        pair.trouble.lost = 0
        pair.link(0)
        pair.settle()
        #expect(pair.row(doubtful)?.state == .failed)
        #expect(pair.row(doubtful)?.reason == "unacknowledged")
        #expect(pair.row(unsent)?.state == .delivered)
        #expect(!pair.a.ledger.state.values.keys.contains { if case .tried = $0 { true } else { false } })
    }

    @Test("what a stock peer has takes no room in the outbox, and its receipt is still understood")
    func stockRoom() throws {
        let (pair, token, message) = try unanswered(isStock: true)
        #expect(pair.isSpent(token))
        #expect(pair.row(token)?.due == nil)
        let sn = try #require(pair.row(token)?.sn)
        pair.lay(try hulk.sealedMessage(receipt(of: message, sn: sn), to: moki), on: 0)
        #expect(pair.row(token)?.state == .delivered)
    }

    @Test("a fresh key in every message to a stock peer")
    func stockKeys() throws {
        let pair = Pair.friends()
        pair.a.befriend(hulk, isCulver: false, visa: try hulk.visa(time: People.time, isStock: true))
        for number in 0..<3 { pair.send("\(number)") }
        pair.settle()
        let keys = pair.messages(from: 0, to: hulk.id.address).compactMap(\.secure.keys.first?.bytes)
        #expect(keys.count == 3)
        #expect(Set(keys).count == 3)
    }

    /// What a stock peer writes: no digest, the signature whole or its end, in either spelling.
    @Test(
        "a stock receipt counts by serial number and the end of the signature",
        arguments: [
            ("whole", true), ("8 of the end", true), ("7 of the end", false), ("start", false), ("other sn", false),
            ("2019", true),
        ])
    func stockReceipt(kind: String, isTaken: Bool) throws {
        let (pair, token, message) = try unanswered(isStock: true)
        let sn = try #require(pair.row(token)?.sn)
        let signature = Base64.encode(message.signature)
        var members: JSONObject = ["text": "Message received."]
        var origin: JSONObject = ["sn": .integer(kind == "other sn" ? sn + 1 : sn)]
        switch kind {
        case "8 of the end": origin["signature"] = .string(String(signature.suffix(8)))
        case "7 of the end": origin["signature"] = .string(String(signature.suffix(7)))
        case "start": origin["signature"] = .string(String(signature.prefix(20)))
        default: origin["signature"] = .string(signature)
        }
        if kind == "2019" {
            members = ["message": "Message received.", "signature": .string(signature)]
            var json = Content.command("receipt", sn: sn, time: Pair.start, members).json
            json["text"] = nil
            pair.lay(try hulk.stockMessage(try Content(.object(json)), to: moki), on: 0)
        } else {
            members["origin"] = .object(origin)
            pair.lay(
                try hulk.stockMessage(.command("receipt", sn: 99, time: Pair.start, members), to: moki), on: 0)
        }
        #expect(pair.row(token)?.state == (isTaken ? .delivered : .published))
    }

    /// As today's applications write it: a number of its own beside an `origin` without one.
    @Test(
        "a stock receipt without a serial number counts by the whole signature and the second of the message",
        arguments: [
            ("whole", true), ("float", true), ("end", false), ("other", false), ("no time", false),
            ("other time", false),
            ("too late", false), ("of another", false), ("sealed", false),
        ])
    func withoutNumber(kind: String, isTaken: Bool) throws {
        let (pair, token, message) = try unanswered(isStock: true)
        let signature = Base64.encode(message.signature)
        let time = try #require(message.envelope.time)
        var origin: JSONObject = [
            "sender": .string(moki.id.text), "receiver": .string(hulk.id.text), "time": .integer(Int64(time)),
            "signature": .string(signature),
        ]
        switch kind {
        case "float": origin["time"] = .number(time + 0.75)
        case "end": origin["signature"] = .string(String(signature.suffix(16)))
        case "other": origin["signature"] = .string(Base64.encode(message.signature.reversed()))
        case "no time": origin["time"] = nil
        case "other time": origin["time"] = .integer(Int64(time) - 1)
        case "too late": origin["time"] = .number(1e300)
        default: break
        }
        let content = Content.command(
            "receipt", sn: 99, time: Pair.start, ["text": "Message received.", "origin": .object(origin)])
        if kind == "of another" {
            pair.a.befriend(People.carol, isCulver: false)
            pair.lay(try People.carol.stockMessage(content, to: moki), on: 0)
        } else if kind == "sealed" {
            pair.lay(try hulk.sealedMessage(content, to: moki), on: 0)
        } else {
            pair.lay(try hulk.stockMessage(content, to: moki), on: 0)
        }
        #expect(pair.row(token)?.state == (isTaken ? .delivered : .published))
        #expect(pair.row(token)?.reason == nil)
    }

    @Test("of many messages in one second each receipt without a serial number closes its own")
    func withoutNumberAmongMany() throws {
        let pair = Pair.friends()
        pair.a.befriend(hulk, isCulver: false, visa: People.stockHulk)
        pair.b.isSilent = true
        let tokens = (0..<20).map { pair.send("\($0)") }
        pair.settle()
        for message in pair.messages(from: 0, to: hulk.id.address).suffix(5) {
            let origin: JSON = [
                "time": .number(message.envelope.time ?? 0), "signature": .string(Base64.encode(message.signature)),
            ]
            let content = Content.command("receipt", sn: 7, time: Pair.start, ["text": "Got it.", "origin": origin])
            pair.lay(try hulk.stockMessage(content, to: moki), on: 0)
        }
        #expect(tokens.map { pair.row($0)?.state == .delivered } == (0..<20).map { $0 >= 15 })
    }

    @Test("a stock peer that does not support a content has it, and says so")
    func notSupported() throws {
        let (pair, token, message) = try unanswered(isStock: true)
        let sn = try #require(pair.row(token)?.sn)
        let content = receipt(of: message, sn: sn) { members in
            members["digest"] = nil
            members["text"] = "Content (type: 204) not support yet!"
        }
        pair.lay(try hulk.stockMessage(content, to: moki), on: 0)
        #expect(pair.row(token)?.state == .delivered)
        #expect(pair.row(token)?.reason == "not-understood")
    }

    @Test("a receipt owed when the link broke goes out at the next one")
    func owed() throws {
        let pair = Pair.friends()
        pair.trouble.held = 1
        pair.lay(try moki.sealedMessage(.text("x", sn: 4, time: Pair.start), to: hulk))
        #expect(pair.messages(from: 1, to: moki.id.address).count == 1)
        #expect(pair.b.ledger.state.accepted.first?.isOwed == true)
        pair.trouble.held = 0
        pair.advance(10)
        #expect(pair.messages(from: 1, to: moki.id.address).count == 2)
        #expect(pair.b.ledger.state.accepted.first?.isOwed == false)
    }

    @Test("a receipt owed when the power was cut goes out after the start")
    func owedAfterStart() throws {
        let pair = Pair.friends()
        let token = pair.send("hello")
        // Sealed, sent, verified, unwrapped and in the inbox; the receipt is not sealed yet.
        while pair.b.inbox.isEmpty { pair.feedSome(1) }
        pair.restart(1)
        pair.settle()
        #expect(pair.row(token)?.state == .delivered)
        #expect(pair.b.texts == ["hello"])
    }

    @Test("to a peer of no key nothing can be said, and nothing breaks")
    func noKey() throws {
        let pair = Pair([Board([moki]), Board([hulk])])
        pair.b.policy.strangers = .open
        let ecc = try Identity.register(name: "ecc", network: 0, algorithm: .ecc, bits: 1024, time: 0)
        let content = Content.text("no visa", sn: 3, time: Pair.start)
        var message = try ecc.sealedMessage(content, to: hulk)
        message.meta = .object(ecc.meta.json)
        pair.lay(message)
        #expect(pair.b.texts == ["no visa"])
        #expect(pair.b.ledger.state.accepted.first?.isOwed == true)
    }
}
