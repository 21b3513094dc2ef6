import Agent
import Crypto
import DIMP
import Format
import Records
import TestSupport
import Testing

@Suite("Contents that share a message")
struct BatchTests {
    private let moki = People.moki
    private let hulk = People.hulk

    /// A content as a culver agent puts it into a batch; `n` is its number in a stream.
    private func text(
        _ words: String, sn: Int64 = 7, n: Int64? = nil, stream: String = "s", time: Double = Pair.start,
        waited: Bool = false
    ) -> JSON {
        var json = Content.text(words, sn: sn, time: time).json
        if let n { json["seq"] = ["s": .string(stream), "n": .integer(n)] }
        if waited { json["seq"] = ["s": .string(stream), "n": .integer(n ?? 1), "waited": true] }
        return .object(json)
    }

    private func batch(
        _ contents: [JSON], sn: Int64 = 1, time: Double = Pair.start, mark: JSON = true, more: JSONObject = [:]
    ) -> Content {
        let members: JSONObject = ["batch": mark, "contents": .array(contents)]
        let all = JSONObject((members.members + more.members).map { ($0.name, $0.value) })
        return Content(type: .array, sn: sn, time: time, all)
    }

    private func sealed(_ contents: [JSON], sn: Int64 = 1, time: Double = Pair.start) throws -> ReliableMessage {
        try moki.sealedMessage(batch(contents, sn: sn, time: time), to: hulk)
    }

    private func single(_ content: JSON) throws -> ReliableMessage {
        try moki.sealedMessage(try Content(content), to: hulk)
    }

    /// Receipts and acknowledgements: by either a sender knows that a batch was taken.
    private func receipts(_ pair: Pair, to sender: Identity = People.moki) -> Int {
        let address = sender.id.address
        return pair.messages(from: 1, to: address).count + pair.acknowledgements(from: 1, to: address).count
    }

    private func events(_ pair: Pair, _ kind: EventRecord.Kind) -> [EventRecord] {
        pair.b.ledger.state.events.filter { $0.kind == kind }
    }

    // MARK: - Taken

    @Test("each content comes in as itself, in order, with its own number and time, under one receipt and one digest")
    func apart() throws {
        let pair = Pair.friends()
        let message = try sealed([
            text("one", sn: 11, n: 1, time: Pair.start - 5), text("two", sn: 12, n: 2, time: Pair.start - 3),
            text("three", sn: 13, n: 3),
        ])
        pair.lay(message)
        #expect(pair.b.texts == ["one", "two", "three"])
        #expect(pair.b.inbox.map(\.sn) == [11, 12, 13])
        #expect(pair.b.inbox.map(\.time) == [Pair.start - 5, Pair.start - 3, Pair.start])
        #expect(pair.b.inbox.allSatisfy { $0.sealed && $0.encrypted && $0.sender == moki.id && $0.type == 1 })
        #expect(pair.b.inbox.allSatisfy { !$0.content.contains("seq") })
        #expect(Set(pair.b.inbox.map(\.id)).count == 3)
        #expect(receipts(pair) == 1)
        #expect(pair.b.ledger.state.accepted.map(\.digest) == [Digest.sha256(message.secure.data)])
        #expect(pair.b.messenger.counts.received == 3)
        #expect(pair.b.unwraps == 1)
    }

    @Test("the very same batch again only makes the receipt, and nothing comes twice")
    func repeats() throws {
        let pair = Pair.friends()
        let message = try sealed([text("one", n: 1), text("two", n: 2)])
        for _ in 0..<3 { pair.lay(message) }
        pair.advance(10)
        pair.lay(message)
        #expect(pair.b.texts == ["one", "two"])
        #expect(receipts(pair) == 2)
        #expect(events(pair, .clone).isEmpty)
    }

    @Test("a batch of one is one, and the receipt names the batch's ciphertext")
    func one() throws {
        let pair = Pair.friends()
        let message = try sealed([text("alone", n: 1)])
        pair.lay(message)
        #expect(pair.b.texts == ["alone"])
        let receipt = try #require(pair.b.ledger.state.accepted.first?.receipt)
        #expect(receipt.contains(Base64.encode(Digest.sha256(message.secure.data))))
    }

    @Test("as many as the own visa says are taken, one more is none", arguments: [64, 65, 16_000])
    func limit(count: Int) throws {
        let pair = Pair.friends()
        let contents: [JSON] = count > 1000 ? Array(repeating: 1, count: count) : (1...count).map { text("\($0)") }
        pair.lay(try sealed(contents))
        #expect(pair.b.inbox.count == (count == 64 ? 64 : 0))
        #expect(pair.b.rejections.map(\.stage) == (count == 64 ? [] : [.content]))
        #expect(receipts(pair) == (count == 64 ? 1 : 0))
    }

    @Test("a board whose owner allows less in arrays takes batches as its visa says")
    func ownLimit() throws {
        let pair = Pair.friends()
        pair.b.policy.arrayContents = 2
        pair.lay(try sealed([text("1"), text("2"), text("3")]))
        #expect(pair.b.texts == ["1", "2", "3"] && pair.b.rejections.isEmpty)
    }

    @Test("answers that a peer put together are taken, however little the owner allows in arrays")
    func bundledAnswers() throws {
        let pair = Pair.friends()
        pair.b.policy.arrayContents = 2
        let receipts = (1...3).map { number -> JSON in
            .object(
                Content.command("receipt", sn: number, time: Pair.start, ["text": "received", "digest": "AAAA"]).json)
        }
        pair.lay(
            try moki.sealedMessage(
                Content(type: .array, sn: 9, time: Pair.start, ["contents": .array(receipts)]), to: hulk))
        // Each is looked at, and is about nothing that was sent.
        #expect(pair.b.rejections.map(\.reason) == Array(repeating: "a receipt for nothing that we sent", count: 3))
    }

    @Test("two contents with one serial number are two messages")
    func sameSerialNumber() throws {
        let pair = Pair.friends()
        pair.lay(try sealed([text("a", sn: 5, n: 1), text("b", sn: 5, n: 2), text("b", sn: 5, n: 3)]))
        #expect(pair.b.texts == ["a", "b", "b"])
    }

    @Test("every kind of content that is a message of its own may be in a batch, a strange one too")
    func kinds() throws {
        let pair = Pair.friends()
        pair.lay(
            try sealed([
                text("t"), ["type": 204, "sn": 8, "app": "a", "mod": "m", "act": "x"], ["type": 4711, "sn": 9],
                ["type": 16, "sn": 10, "filename": "f", "URL": "http://x"],
            ]))
        #expect(pair.b.inbox.map(\.type) == [1, 204, 4711, 16])
    }

    // MARK: - All or nothing

    @Test(
        "one content that cannot be taken, wherever it stands, keeps all of them out, without a receipt",
        arguments: [
            #"{"type":202,"sn":3,"contents":[]}"#,
            #"{"type":202,"sn":3,"batch":true,"contents":[{"type":1,"text":"x"}]}"#,
            #"{"type":255,"sn":3,"secrets":[]}"#, #"{"type":136,"sn":3,"command":"receipt"}"#,
            #"{"type":136,"sn":3,"command":"meta","did":"anyone@anywhere"}"#,
            #"{"type":137,"sn":3,"command":"reset","group":"everyone@everywhere"}"#, #"{"sn":3}"#, "7", "null", "[]",
            #""x""#,
            #"{"type":1,"sn":3,"time":1760000601,"text":"ahead"}"#,
            #"{"type":1,"sn":3,"time":1757000000,"text":"old"}"#,
            #"{"type":1,"sn":3,"time":1760000000,"group":"everyone@everywhere","text":"x"}"#,
            #"{"T":202,"N":3,"contents":[]}"#,
        ], [0, 1, 2])
    func refused(json: String, place: Int) throws {
        let pair = Pair.friends()
        var contents = [text("good", n: 1), text("good too", n: 2)]
        contents.insert(try JSON(parsing: "[\(json)]").array?[0] ?? .null, at: place)
        let before = pair.b.ledger.state
        pair.lay(try sealed(contents))
        #expect(pair.b.inbox.isEmpty)
        #expect(pair.b.rejections.count == 1)
        #expect(receipts(pair) == 0)
        #expect(pair.b.ledger.state.accepted.isEmpty)
        #expect(pair.b.ledger.state.values == before.values)
        pair.lay(try sealed([text("good", n: 1), text("good too", n: 2)], sn: 2))
        #expect(pair.b.texts == ["good", "good too"])
        #expect(events(pair, .clone).isEmpty)
    }

    @Test("a batch of nothing is refused")
    func nothing() throws {
        let pair = Pair.friends()
        pair.lay(try sealed([]))
        #expect(pair.b.inbox.isEmpty && pair.b.rejections.map(\.stage) == [.content])
        #expect(receipts(pair) == 0)
    }

    @Test(
        "a batch whose own time is ahead or too old is refused, whatever its contents say",
        arguments: [700.0, -2_700_000])
    func outerTime(offset: Double) throws {
        let pair = Pair.friends()
        pair.lay(try sealed([text("now")], time: Pair.start + offset))
        #expect(pair.b.inbox.isEmpty && pair.b.rejections.map(\.stage) == [.time])
    }

    @Test("contents as old as what this board has forgotten are refused")
    func forgotten() throws {
        let pair = Pair.friends()
        pair.b.ledger.state.values[.forgottenUntil] = "\(Pair.start - 100)"
        pair.lay(try sealed([text("new"), text("old", time: Pair.start - 100)]))
        #expect(pair.b.inbox.isEmpty && pair.b.rejections.map(\.stage) == [.time])
        pair.lay(try sealed([text("new"), text("newer", time: Pair.start - 99)]))
        #expect(pair.b.texts == ["new", "newer"])
    }

    @Test("without room for all of them none is taken, and the sender's repeat brings them when there is")
    func full() throws {
        let pair = Pair.friends()
        pair.b.ledger.inboxLimit = 3
        pair.lay(try single(text("before")))
        let message = try sealed([text("one", n: 1), text("two", n: 2), text("three", n: 3)])
        pair.lay(message)
        #expect(pair.b.texts == ["before"])
        #expect(receipts(pair) == 1)
        #expect(events(pair, .inbox).map(\.reason) == ["inbox-full"])
        // One that finds room is not held up by it.
        pair.lay(try single(text("small", sn: 8)))
        #expect(pair.b.texts == ["before", "small"])
        pair.b.ledger.inboxLimit = 5
        pair.lay(message)
        #expect(pair.b.texts == ["before", "small", "one", "two", "three"])
        #expect(events(pair, .clone).isEmpty && events(pair, .gap).isEmpty)
    }

    @Test("what fails to be written leaves nothing of the batch, and the repeat brings all of it", arguments: 1...12)
    func cut(writes: Int) throws {
        let pair = Pair.friends()
        pair.lay(try single(text("before")))
        let message = try sealed([text("one", n: 1, waited: true), text("two", n: 2), text("three", n: 3)])
        pair.b.ledger.failures = (Dice(seed: UInt64(writes)), 4)
        pair.lay(message)
        #expect([1, 4].contains(pair.b.inbox.count))
        pair.b.ledger.failures = nil
        pair.advance(120)
        pair.lay(message)
        #expect(pair.b.texts == ["before", "one", "two", "three"])
    }

    @Test("members of any length are taken within a message, and do not reach the inbox cut")
    func huge() throws {
        let pair = Pair.friends()
        let long = String(repeating: "x", count: 200_000)
        pair.lay(try sealed([text(long), .object(["type": 1, "sn": 8, "text": "y", long: 1]), text("end")]))
        #expect(pair.b.inbox.count == 3)
        #expect(pair.b.texts == [long, "y", "end"])
        #expect(pair.b.inbox[1].content.utf8.count > 200_000)
    }

    // MARK: - What is no batch

    @Test(
        "anything but true under its name is an ordinary array, which comes apart all the same, with one receipt",
        arguments: [1, "true", .null, false, [], .object([:]), [true]] as [JSON])
    func otherMarks(mark: JSON) throws {
        let pair = Pair.friends()
        pair.lay(try moki.sealedMessage(batch([text("one"), text("two")], mark: mark), to: hulk))
        #expect(pair.b.inbox.map(\.type) == [1, 1])
        #expect(receipts(pair) == 1)
    }

    @Test("contents that are no array are no batch", arguments: ["x", 7, .null, .object(["a": 1])] as [JSON])
    func noArray(contents: JSON) throws {
        let pair = Pair.friends()
        pair.lay(
            try moki.sealedMessage(
                Content(type: .array, sn: 1, time: Pair.start, ["batch": true, "contents": contents]), to: hulk))
        #expect(pair.b.inbox.map(\.type) == [202])
    }

    @Test("without a seal, or as a broadcast, it is an array")
    func unsealed() throws {
        let pair = Pair.friends()
        pair.b.befriend(moki, isCulver: false, visa: try moki.visa(time: People.time, isStock: true))
        pair.lay(try moki.stockMessage(batch([text("one"), text("two")]), to: hulk))
        pair.lay(try moki.broadcast(batch([text("three"), text("four")], sn: 2), attach: false))
        #expect(pair.b.texts == ["one", "two", "three", "four"])
        #expect(pair.b.inbox.map(\.sealed) == [false, false, true, true])
        #expect(receipts(pair) == 1)
    }

    @Test("a stranger's batch waits for the owner's word as a whole, and then comes apart")
    func stranger() throws {
        let pair = Pair([Board([moki]), Board([hulk], seed: 2)])
        pair.linkAll()
        let message = try moki.sealedMessage(batch([text("one", n: 1), text("two", n: 2)]), to: hulk, attach: true)
        pair.lay(message)
        #expect(pair.b.inbox.isEmpty && pair.b.ledger.state.parked.count == 1)
        pair.feed(1, .befriended(moki.id))
        pair.settle()
        #expect(pair.b.texts == ["one", "two"])
        #expect(pair.b.ledger.state.parked.isEmpty)
    }

    @Test("a parked batch for which there is no room stays where it is")
    func parkedWithoutRoom() throws {
        let pair = Pair([Board([moki]), Board([hulk], seed: 2)])
        pair.linkAll()
        pair.b.ledger.inboxLimit = 1
        pair.lay(try moki.sealedMessage(batch([text("one", n: 1), text("two", n: 2)]), to: hulk, attach: true))
        pair.feed(1, .befriended(moki.id))
        pair.settle()
        #expect(pair.b.inbox.isEmpty && pair.b.ledger.state.parked.count == 1)
        pair.b.ledger.inboxLimit = 2
        pair.advance(4000)
        #expect(pair.b.texts == ["one", "two"])
        #expect(pair.b.ledger.state.parked.isEmpty)
    }

    @Test("a forward around a batch is taken when the batch is, and not while it finds no room")
    func forwarded() throws {
        let pair = Pair.friends()
        pair.b.befriend(People.carol)
        let inner = try People.carol.sealedMessage(batch([text("one", n: 1), text("two", n: 2)]), to: hulk)
        let outer = try moki.sealedMessage(
            Content(type: .forward, sn: 9, time: Pair.start, ["secrets": [inner.json]]), to: hulk)
        pair.b.ledger.inboxLimit = 1
        pair.lay(outer)
        #expect(pair.b.inbox.isEmpty && receipts(pair) == 0)
        pair.b.ledger.inboxLimit = 2
        pair.lay(outer)
        #expect(pair.b.texts == ["one", "two"])
        #expect(pair.b.inbox.allSatisfy { $0.sender == People.carol.id })
        #expect(receipts(pair) == 1)
        #expect(receipts(pair, to: People.carol) == 1)
        pair.lay(outer)
        #expect(pair.b.texts == ["one", "two"])
    }

    // MARK: - Numbers

    @Test("its numbers are followed together: no gap between them, none after, and one write")
    func numbers() throws {
        let pair = Pair.friends()
        pair.lay(try sealed((1...64).map { text("\($0)", sn: Int64($0), n: Int64($0)) }))
        pair.lay(try single(text("65", n: 65)))
        pair.advance(1000)
        #expect(events(pair, .gap).isEmpty && events(pair, .clone).isEmpty)
        pair.lay(try single(text("67", n: 67)))
        pair.advance(1000)
        #expect(events(pair, .gap).map(\.reason) == ["66-66"])
    }

    @Test("a hole in front of a batch, and one that a batch fills")
    func holes() throws {
        let pair = Pair.friends()
        pair.lay(try single(text("1", n: 1)))
        pair.lay(try sealed([text("4", n: 4), text("5", n: 5)]))
        pair.lay(try sealed([text("2", n: 2), text("8", n: 8)]))
        pair.lay(try sealed([text("7", n: 7), text("6", n: 6)]))
        pair.advance(1000)
        #expect(events(pair, .gap).map(\.reason) == ["3-3"])
        #expect(events(pair, .clone).isEmpty)
    }

    @Test("a number that stands twice in one batch, or came before, is told once for all of them, and all are taken")
    func sameNumbers() throws {
        let pair = Pair.friends()
        pair.lay(try sealed([text("a", n: 1), text("b", n: 1), text("c", n: 1)]))
        #expect(pair.b.texts == ["a", "b", "c"])
        #expect(events(pair, .clone).map(\.count) == [2])
        #expect(pair.b.messenger.counts.sameNumbers == 2)
        pair.lay(try sealed([text("d", n: 2), text("e", n: 1)]))
        #expect(events(pair, .clone).map(\.count) == [2, 1])
        #expect(pair.b.texts == ["a", "b", "c", "d", "e"])
    }

    @Test("sixty-four streams in one batch leave the windows of twelve")
    func streams() throws {
        let pair = Pair.friends()
        pair.lay(try sealed((1...64).map { text("\($0)", sn: Int64($0), n: Int64($0), stream: "s\($0)") }))
        #expect(pair.b.inbox.count == 64)
        let key = LedgerKey.window(owner: hulk.id.address, sender: moki.id.address, target: hulk.id.address)
        let lines = try #require(pair.b.ledger.state.values[key]).split(separator: "\n")
        #expect(lines.map { $0.split(separator: " ")[0] } == (53...64).reversed().map { "s\($0)" })
    }

    @Test("the batch's own number counts for nothing, and one that is no number neither")
    func outerNumber() throws {
        let pair = Pair.friends()
        pair.lay(try single(text("1", n: 1)))
        let seq: JSON = ["s": "s", "n": 900, "waited": true]
        var odd = try #require(text("odd").object)
        odd["seq"] = ["s": "s", "n": "2"]
        pair.lay(try moki.sealedMessage(batch([text("2", n: 2), .object(odd)], more: ["seq": seq]), to: hulk))
        pair.advance(1000)
        #expect(pair.b.texts == ["1", "2", "odd"])
        #expect(events(pair, .gap).isEmpty)
    }

    // MARK: - The same content in another message

    @Test("what waited and came alone does not come again in a batch, and the rest of that batch does")
    func singleFirst() throws {
        let pair = Pair.friends()
        pair.lay(try single(text("waited", n: 1, waited: true)))
        pair.lay(try sealed([text("waited", n: 1, stream: "new", waited: true), text("more", n: 2, stream: "new")]))
        #expect(pair.b.texts == ["waited", "more"])
        #expect(receipts(pair) == 2)
        #expect(events(pair, .clone).isEmpty)
        #expect(pair.b.messenger.counts.duplicates == 1)
    }

    @Test("what waited and came in a batch does not come again alone, and is receipted")
    func batchFirst() throws {
        let pair = Pair.friends()
        pair.lay(try sealed([text("waited", n: 1, waited: true), text("more", n: 2)]))
        let again = try single(text("waited", n: 1, stream: "new", waited: true))
        pair.lay(again)
        #expect(pair.b.texts == ["waited", "more"])
        #expect(receipts(pair) == 2)
        #expect(pair.b.ledger.state.accepted.contains { $0.digest == Digest.sha256(again.secure.data) })
    }

    @Test("what waited and stands twice in one batch comes once; a batch of nothing new needs no room")
    func twiceInside() throws {
        let pair = Pair.friends()
        pair.b.ledger.inboxLimit = 1
        let contents = [text("waited", n: 1, waited: true), text("waited", n: 2, waited: true)]
        pair.lay(try sealed(contents))
        #expect(pair.b.texts == ["waited"])
        pair.lay(try sealed(contents, sn: 2))
        #expect(pair.b.texts == ["waited"])
        #expect(receipts(pair) == 2)
    }

    @Test("the digest of a content that waited lives as long as that content may come")
    func digestTime() throws {
        let pair = Pair.friends()
        pair.lay(try sealed([text("waited", n: 1, time: Pair.start + 300, waited: true)]))
        let records = pair.b.ledger.state.accepted
        #expect(Set(records.map(\.time)) == [Pair.start, Pair.start + 300])
        #expect(records.count(where: \.isOwed) <= 1)
    }

    @Test("the same content twice, without a word that it waited, is two messages")
    func notWaited() throws {
        let pair = Pair.friends()
        pair.lay(try single(text("tick", n: 1)))
        pair.lay(try sealed([text("tick", n: 2), text("tick", n: 3)]))
        #expect(pair.b.texts == ["tick", "tick", "tick"])
    }
}
