import Agent
import DIMP
import Format
import Records
import Testing

@Suite("Arrays of contents")
struct ArrayTests {
    private let moki = People.moki
    private let hulk = People.hulk

    private func text(_ words: String, sn: Int64 = 1) -> JSON {
        .object(Content.text(words, sn: sn, time: Pair.start).json)
    }

    private func array(_ contents: [JSON], sn: Int64 = 50) -> Content {
        Content(type: .array, sn: sn, time: Pair.start, ["contents": .array(contents)])
    }

    /// Hulk, and moki, who is stock software to him.
    private func withStock() throws -> Pair {
        let pair = Pair.friends()
        pair.b.befriend(moki, isCulver: false, visa: try moki.visa(time: People.time, isStock: true))
        return pair
    }

    private func receipts(_ pair: Pair) -> Int { pair.messages(from: 1, to: moki.id.address).count }

    @Test("each content is a message of its own, in its order, as its sender wrote it, and one receipt is for all")
    func apart() throws {
        let pair = try withStock()
        let group = try #require(People.carol.meta.id(network: 1))
        let card: JSON = ["type": "51", "sn": 7, "did": .string(People.carol.id.text), "name": "Carol"]
        let inGroup: JSON = [
            "type": 1, "sn": 8, "time": 1_700_000_000.5, "group": .string(group.text), "text": "for the group",
        ]
        let unknown: JSON = ["type": "*", "sn": 9, "fruit": ["apple"]]
        let message = try moki.stockMessage(array([text("one", sn: 6), card, inGroup, unknown]), to: hulk)
        pair.lay(message)
        #expect(pair.b.inbox.map(\.type) == [1, 51, 1, 0])
        #expect(pair.b.inbox.map(\.sn) == [6, 7, 8, 9])
        #expect(Set(pair.b.inbox.map(\.id)).count == 4)
        #expect(pair.b.inbox.map(\.group) == [nil, nil, group, nil])
        // What has no time has that of the array.
        #expect(pair.b.inbox.map(\.time) == [Pair.start, Pair.start, 1_700_000_000.5, Pair.start])
        #expect(try pair.b.inbox.map { try JSON(parsing: $0.content) } == [text("one", sn: 6), card, inGroup, unknown])
        // The receipt, and the question what that group is.
        #expect(receipts(pair) == 2)
        pair.lay(message)
        #expect(pair.b.inbox.count == 4)
    }

    @Test("what its sender writes again in another ciphertext does not come twice")
    func again() throws {
        let pair = try withStock()
        let content = array([text("one"), text("two")])
        pair.lay(try moki.stockMessage(content, to: hulk))
        pair.advance(20)
        pair.lay(try moki.stockMessage(content, to: hulk))
        #expect(pair.b.texts == ["one", "two"])
        #expect(receipts(pair) == 2)
    }

    @Test("the same words twice in one array are two messages")
    func twins() throws {
        let pair = try withStock()
        pair.lay(try moki.stockMessage(array([text("one"), text("one")]), to: hulk))
        #expect(pair.b.texts == ["one", "one"])
    }

    @Test("all of it finds room in the inbox or nothing does, and what it says to the agent counts in any case")
    func noRoom() throws {
        let pair = Pair.friends()
        pair.b.book.apply(.contact(Contact(id: People.carol.id, trust: .contact)))
        pair.b.ledger.inboxLimit = 1
        let answer = Content.documentCommand(
            "document", about: People.carol.id, document: People.carol.visa, meta: People.carol.meta, sn: 3,
            time: Pair.start)
        let message = try moki.sealedMessage(
            array([text("one"), .object(answer.json), text("two")]), to: hulk)
        pair.lay(message)
        #expect(pair.b.inbox.isEmpty && receipts(pair) == 0)
        #expect(pair.b.ledger.state.accepted.isEmpty)
        #expect(pair.b.book.visa(of: People.carol.id)?.data == People.carol.visa.data)
        pair.b.ledger.inboxLimit = 2
        pair.lay(message)
        #expect(pair.b.texts == ["one", "two"] && receipts(pair) == 1)
    }

    @Test("a receipt beside words is a receipt, and a question beside them is answered")
    func mixed() throws {
        let pair = Pair.friends()
        pair.a.befriend(hulk, isCulver: false, visa: People.stockHulk)
        pair.b.isSilent = true
        let token = pair.send("well?")
        pair.settle()
        let sent = try #require(pair.messages(from: 0, to: hulk.id.address).first)
        let receipt = Content.command(
            "receipt", sn: 3, time: Pair.start,
            ["origin": ["sn": .integer(pair.row(token)?.sn ?? 0), "signature": .string(Base64.encode(sent.signature))]])
        let question = Content.handshake("Hello world!", sn: 4, time: Pair.start)
        pair.lay(
            try hulk.stockMessage(
                array([.object(receipt.json), text("well!"), .object(question.json)]), to: moki), on: 0)
        #expect(pair.row(token)?.state == .delivered)
        #expect(pair.a.texts == ["well!"])
        // The message, the answer, and one receipt for the words.
        #expect(pair.messages(from: 0, to: hulk.id.address).count == 3)
    }

    @Test(
        "what cannot be taken apart is one message, whole",
        arguments: [
            #"[{"type":1,"text":"a"},{"text":"has no type"}]"#, #"["a word"]"#, "[null]", "[[]]",
            #"[{"type":1,"text":"a"},{"type":202,"contents":[{"type":1,"text":"b"}]}]"#,
        ])
    func whole(contents: String) throws {
        let pair = try withStock()
        let list = try #require(JSON(parsing: contents).array)
        pair.lay(try moki.stockMessage(array(list), to: hulk))
        #expect(pair.b.inbox.map(\.type) == [202])
        #expect(try JSON(parsing: #require(pair.b.inbox.first).content)["contents"] == .array(list))
        #expect(receipts(pair) == 1 && pair.b.rejections.isEmpty)
    }

    @Test(
        "empty arrays say nothing, inside or alone; a culver agent's is acknowledged, stock software's has no receipt")
    func empty() throws {
        let pair = try withStock()
        let nothing: JSON = ["type": 202, "sn": 1, "contents": []]
        pair.lay(try moki.stockMessage(array([nothing, text("one"), nothing]), to: hulk))
        #expect(pair.b.texts == ["one"] && receipts(pair) == 1)
        pair.lay(try moki.stockMessage(array([], sn: 51), to: hulk))
        pair.lay(try moki.stockMessage(array([nothing], sn: 52), to: hulk))
        #expect(pair.b.inbox.count == 1 && receipts(pair) == 1)
        let friends = Pair.friends()
        // Numbered, as what a culver agent repeats until its receipt comes.
        var numbered = array([])
        numbered.json["seq"] = ["s": "s", "n": 1]
        friends.lay(try moki.sealedMessage(numbered, to: hulk))
        let acknowledged = friends.acknowledgements(from: 1, to: moki.id.address).map(\.digests.count)
        #expect(friends.b.inbox.isEmpty && acknowledged == [1] && receipts(friends) == 0)
    }

    @Test("a part of a sealed array that names another group than the whole is refused with all of it")
    func otherGroup() throws {
        let pair = Pair.friends()
        let group = try #require(People.carol.meta.id(network: 1))
        let inGroup: JSON = ["type": 1, "sn": 8, "group": .string(group.text), "text": "as if to all"]
        pair.lay(try moki.sealedMessage(array([text("one"), inGroup]), to: hulk))
        #expect(pair.b.inbox.isEmpty && pair.b.rejections.map(\.stage) == [.seal])
    }

    /// Hulk knows a group of moki's, in which moki, stock software to him, is no member yet.
    private func withGroup() throws -> (Pair, Club) {
        let pair = try withStock()
        let club = Club(foundedBy: People.carol)
        club.found(on: pair.b)
        try command("invite", [hulk.id], sn: 1, to: club, in: pair)
        return (pair, club)
    }

    private func command(_ act: String, _ members: [ID], sn: Int64, to club: Club, in pair: Pair) throws {
        var group = try #require(pair.b.book.group(club.id.address))
        let content = Content(type: .history, sn: sn, time: Pair.start, group: club.id, Club.said(act, members))
        #expect(group.take(try #require(GroupRecord(content, signedBy: club.owner.id))) == .changed)
        pair.b.book.apply(.group(group))
    }

    @Test("a part for a group of which its sender is no member is waited for with all of it, and nothing is receipted")
    func notAdmitted() throws {
        let (pair, club) = try withGroup()
        let inGroup = Content(type: .text, sn: 8, time: Pair.start, group: club.id, ["text": "two"])
        let message = try moki.stockMessage(
            array([text("one", sn: 6), .object(inGroup.json), text("three", sn: 9)]), to: hulk)
        for _ in 0..<3 { pair.lay(message) }
        #expect(pair.b.inbox.isEmpty && pair.b.ledger.state.accepted.isEmpty)
        try command("invite", [moki.id], sn: 2, to: club, in: pair)
        pair.lay(message)
        #expect(pair.b.texts == ["one", "two", "three"] && receipts(pair) == 1)
    }

    @Test("what a member says last comes in with the command by which it leaves")
    func leaving() throws {
        let (pair, club) = try withGroup()
        try command("invite", [moki.id], sn: 2, to: club, in: pair)
        let quit = Content(type: .history, sn: 7, time: Pair.start, group: club.id, Club.said("quit", []))
        let inGroup = Content(type: .text, sn: 8, time: Pair.start, group: club.id, ["text": "goodbye"])
        pair.lay(try moki.stockMessage(array([.object(quit.json), .object(inGroup.json)]), to: hulk))
        #expect(pair.b.texts == ["goodbye"] && club.members(on: pair.b) == [club.owner.id, hulk.id])
    }

    @Test("sixty-four contents are taken, sixty-five are not")
    func count() throws {
        let pair = try withStock()
        pair.lay(try moki.stockMessage(array((0..<65).map { text("\($0)", sn: $0 + 1) }), to: hulk))
        #expect(pair.b.inbox.isEmpty && pair.b.rejections.map(\.stage) == [.content])
        pair.lay(try moki.stockMessage(array((0..<64).map { text("\($0)", sn: $0 + 1) }, sn: 51), to: hulk))
        #expect(pair.b.texts == (0..<64).map { "\($0)" } && receipts(pair) == 1)
    }

    @Test("a forward among other contents is handed on as it is")
    func forward() throws {
        let pair = try withStock()
        let inner = try moki.stockMessage(.text("inner", sn: 5, time: Pair.start), to: hulk)
        let forward = Content(type: .forward, sn: 4, time: Pair.start, ["secrets": [inner.json]])
        pair.lay(try moki.stockMessage(array([text("outer"), .object(forward.json)]), to: hulk))
        #expect(pair.b.inbox.map(\.type) == [1, 255])
    }

    @Test("a power cut leaves all of it or nothing, and it comes once", arguments: 0..<4)
    func cut(steps: Int) throws {
        let pair = Pair.friends()
        let message = try moki.sealedMessage(array([text("one"), text("two")]), to: hulk)
        pair.feed(1, .arrived(message.json.bytes, at: hulk.id.address))
        pair.feedSome(steps)
        #expect(pair.b.texts.isEmpty || pair.b.texts == ["one", "two"])
        pair.restart(1)
        pair.lay(message)
        #expect(pair.b.texts == ["one", "two"])
    }
}
