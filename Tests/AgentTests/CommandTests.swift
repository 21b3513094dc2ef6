import Agent
import Crypto
import DIMP
import Format
import Records
import Testing

@Suite("What agents ask each other, and forwards")
struct CommandTests {
    private let moki = People.moki
    private let hulk = People.hulk

    /// The contents that hulk's board sent to moki, as moki reads them.
    private func contents(_ pair: Pair) throws -> [Content] {
        try pair.messages(from: 1, to: moki.id.address).map { message in
            let key = try message.secure.unwrapped(for: moki.id, with: moki.decryptionKeys).key
            return try message.secure.decrypted(with: key).content
        }
    }

    @Test("a handshake is answered, a query for the meta and one for documents too; none is in the inbox")
    func answers() throws {
        let pair = Pair.friends()
        let time = Pair.start
        pair.lay(try moki.sealedMessage(.handshake("Hello world!", sn: 1, time: time), to: hulk))
        pair.lay(try moki.sealedMessage(.metaCommand(about: hulk.id, meta: nil, sn: 2, time: time), to: hulk))
        pair.lay(
            try moki.sealedMessage(
                .documentCommand("document", about: hulk.id, document: nil, meta: nil, sn: 3, time: time), to: hulk))
        let answers = try contents(pair)
        #expect(answers.count == 3)
        #expect(answers[0].body == .command(.handshake(title: "DIM!", session: nil)))
        guard case .command(.meta(let id, let meta)) = answers[1].body else { Issue.record("no meta"); return }
        #expect(id == hulk.id)
        #expect(try Meta(meta).vouches(for: hulk.id))
        guard case .command(.documents(_, let documents, _, _)) = answers[2].body else { Issue.record("none"); return }
        #expect(try Document(documents.first).data == hulk.visa.data)
        #expect(answers[2].json["command"] == "document")
        #expect(pair.b.inbox.isEmpty)
        #expect(pair.b.ledger.state.accepted.isEmpty)
    }

    @Test("a stranger's query is answered to the card that it brought, and makes no contact")
    func stranger() throws {
        let pair = Pair([Board([moki]), Board([hulk])])
        pair.linkAll()
        let query = Content.metaCommand(about: hulk.id, meta: nil, sn: 2, time: Pair.start)
        pair.lay(try moki.broadcast(query, attach: true))
        #expect(try contents(pair).count == 1)
        #expect(pair.b.book.contact(moki.id.address) == nil)
        #expect(pair.b.ledger.state.parked.isEmpty)
    }

    @Test("queries are answered thirty times a minute at most")
    func limited() throws {
        let pair = Pair.friends()
        for sn in 1...50 {
            pair.lay(
                try moki.sealedMessage(
                    .metaCommand(about: hulk.id, meta: nil, sn: Int64(sn), time: Pair.start), to: hulk))
        }
        #expect(pair.messages(from: 1, to: moki.id.address).count == 30)
        #expect(pair.b.rejections.isEmpty)
        pair.advance(60)
        pair.lay(
            try moki.sealedMessage(.metaCommand(about: hulk.id, meta: nil, sn: 60, time: Pair.start), to: hulk))
        #expect(pair.messages(from: 1, to: moki.id.address).count == 31)
    }

    @Test("who asks one identity about another of the same board hears nothing")
    func otherIdentity() throws {
        let pair = Pair([Board([moki]), Board([hulk, People.carol])])
        pair.b.befriend(moki)
        pair.linkAll()
        pair.lay(
            try moki.sealedMessage(.metaCommand(about: People.carol.id, meta: nil, sn: 2, time: Pair.start), to: hulk))
        pair.lay(
            try moki.sealedMessage(.metaCommand(about: People.dave.id, meta: nil, sn: 3, time: Pair.start), to: hulk))
        #expect(pair.messages(from: 1, to: moki.id.address).isEmpty)
    }

    @Test("documents in an answer are learnt for contacts only, and only when they are signed")
    func learnt() throws {
        let pair = Pair.friends()
        pair.b.book.apply(.contact(Contact(id: People.carol.id, trust: .contact)))
        func tell(_ who: Identity, _ document: Document, sn: Int64) throws {
            pair.lay(
                try moki.sealedMessage(
                    .documentCommand(
                        "documents", about: who.id, document: document, meta: who.meta, sn: sn, time: Pair.start),
                    to: hulk))
        }
        try tell(People.dave, People.dave.visa, sn: 1)
        #expect(pair.b.book.visa(of: People.dave.id) == nil)
        try tell(People.carol, moki.visa, sn: 2)
        #expect(pair.b.book.visa(of: People.carol.id) == nil)
        let token = pair.send("waits", from: 1, to: People.carol.id)
        #expect(pair.row(token, of: 1)?.state == .waiting)
        try tell(People.carol, People.carol.visa, sn: 3)
        #expect(pair.b.book.visa(of: People.carol.id)?.data == People.carol.visa.data)
        #expect(pair.row(token, of: 1)?.state == .queued)
    }

    @Test("of many documents in one answer only the first few are looked at")
    func manyDocuments() throws {
        let pair = Pair.friends()
        let visa = JSON.object(try moki.visa(time: People.time + 50).json)
        var junk = try moki.visa(time: People.time + 40).json
        junk["signature"] = .string(Base64.encode([1]))
        let list = [JSON](repeating: .object(junk), count: 8) + [visa]
        let content = Content.command(
            "documents", sn: 3, time: Pair.start, ["did": .string(moki.id.text), "documents": .array(list)])
        pair.lay(try moki.sealedMessage(content, to: hulk))
        #expect(pair.b.book.visa(of: moki.id)?.time == People.time)
        #expect(pair.b.rejections.count == 8)
    }

    // MARK: - Forwards

    private func forward(_ messages: [ReliableMessage], from: Identity = People.moki, sn: Int64 = 50) throws
        -> ReliableMessage
    {
        let secrets = JSON.array(messages.map(\.json))
        return try from.sealedMessage(Content(type: .forward, sn: sn, time: Pair.start, ["secrets": secrets]), to: hulk)
    }

    private func inner(_ words: String, from: Identity = People.carol, sn: Int64 = 9) throws -> ReliableMessage {
        try from.sealedMessage(.text(words, sn: sn, time: Pair.start), to: hulk)
    }

    private func friends() -> Pair {
        let pair = Pair.friends()
        pair.b.befriend(People.carol)
        return pair
    }

    @Test("a forwarded message comes in as its own sender's, the forward itself does not, and both are receipted")
    func forwarded() throws {
        let pair = friends()
        pair.lay(try forward([try inner("from carol")]))
        #expect(pair.b.texts == ["from carol"])
        #expect(pair.b.inbox.first?.sender == People.carol.id)
        #expect(pair.messages(from: 1, to: moki.id.address).count == 1)
        #expect(pair.messages(from: 1, to: People.carol.id.address).count == 1)
    }

    @Test("news in a forward about a group that is not known are counted, and who sent them is asked what it is")
    func groupNews() throws {
        let pair = friends()
        let group = try #require(People.carol.meta.id(network: 1))
        let reset = Content(
            type: .history, sn: 9, time: Pair.start, group: group,
            ["command": "reset", "members": [.string(hulk.id.text)]])
        // Once the envelope names the group as well.
        var quit = try People.carol.broadcast(
            Content(type: .history, sn: 10, time: Pair.start, group: group, ["command": "quit"]), attach: false)
        quit.secure.envelope.group = group
        pair.lay(try forward([try People.carol.broadcast(reset, attach: false), quit]))
        #expect(pair.b.inbox.isEmpty && pair.b.rejections.map(\.stage) == [.content, .content])
        // The forward has its receipt, broadcasts have none, and one question is for both.
        #expect(pair.messages(from: 1, to: moki.id.address).count == 2)
        #expect(pair.messages(from: 1, to: People.carol.id.address).isEmpty)
        let stranger = try People.dave.broadcast(.text("news", sn: 1, time: Pair.start))
        pair.lay(try forward([stranger], sn: 51))
        #expect(pair.b.inbox.isEmpty && pair.b.rejections.last?.stage == .trust)
    }

    @Test("an array of a receipt, an answer or a question is taken apart, and none of them is in the inbox")
    func answersTogether() throws {
        let pair = Pair.friends()
        pair.b.book.apply(.contact(Contact(id: People.carol.id, trust: .contact)))
        let time = Pair.start
        let answer = Content.documentCommand(
            "document", about: People.carol.id, document: People.carol.visa, meta: People.carol.meta, sn: 3, time: time)
        let receipt = Content.command("receipt", sn: 4, time: time, ["text": "Message received."])
        let array = Content(
            type: .array, sn: 5, time: time, ["contents": [.object(receipt.json), .object(answer.json)]])
        pair.lay(try moki.sealedMessage(array, to: hulk))
        #expect(pair.b.book.visa(of: People.carol.id)?.data == People.carol.visa.data)
        #expect(pair.b.inbox.isEmpty && pair.b.ledger.state.accepted.isEmpty)
        let question = Content.metaCommand(about: hulk.id, meta: nil, sn: 6, time: time)
        let mixed = Content(
            type: .array, sn: 7, time: time, ["contents": [.object(question.json), .object(answer.json)]])
        pair.lay(try moki.sealedMessage(mixed, to: hulk))
        #expect(try contents(pair).map { $0.commandName } == ["meta"])
        #expect(pair.b.inbox.isEmpty && pair.b.ledger.state.accepted.isEmpty)
    }

    @Test("three forwards deep is heard, four is not")
    func depth() throws {
        let pair = friends()
        var message = try inner("deep")
        for level in 0..<3 {
            message = try forward([message], from: level == 2 ? moki : People.carol, sn: Int64(level))
        }
        pair.lay(message)
        #expect(pair.b.texts == ["deep"])
        message = try inner("deeper", sn: 10)
        for level in 0..<4 {
            message = try forward([message], from: level == 3 ? moki : People.carol, sn: Int64(level))
        }
        pair.lay(message)
        #expect(pair.b.texts == ["deep"])
        #expect(pair.b.rejections.map(\.stage) == [.content])
    }

    @Test("sixteen messages in a forward are heard, seventeen are not")
    func count() throws {
        let pair = friends()
        pair.lay(try forward(try (0..<17).map { try inner("\($0)", sn: Int64($0)) }))
        #expect(pair.b.inbox.isEmpty)
        pair.lay(try forward(try (0..<16).map { try inner("\($0)", sn: Int64($0)) }, sn: 51))
        #expect(pair.b.inbox.count == 16)
    }

    @Test(
        "a stranger's message inside a contact's forward has no more trust than without, nor has a foreign or a bad one"
    )
    func noTrustByForward() throws {
        let pair = friends()
        let foreign = try moki.sealedMessage(.text("x", sn: 1, time: Pair.start), to: People.carol)
        var bad = try inner("bad", sn: 3)
        bad.signature = foreign.signature
        var card = try inner("stranger", from: People.dave)
        card.meta = .object(People.dave.meta.json)
        pair.lay(try forward([card, foreign, bad, try inner("good", sn: 4)]))
        #expect(pair.b.texts == ["good"])
        #expect(Set(pair.b.rejections.map(\.stage)) == [.receiver, .signature])
        #expect(pair.b.ledger.state.parked.map(\.sender) == [People.dave.id])
        #expect(pair.messages(from: 1, to: moki.id.address).count == 1)
    }

    @Test("a stranger's message inside a forward waits for the owner's word, as it would without")
    func strangerInside() throws {
        let pair = friends()
        var card = try inner("stranger", from: People.dave)
        card.meta = .object(People.dave.meta.json)
        pair.lay(try forward([card]))
        #expect(pair.b.texts.isEmpty)
        #expect(pair.b.ledger.state.parked.map(\.isVerified) == [true])
        #expect(pair.b.ledger.state.events.count { $0.kind == .request } == 1)
        #expect(pair.messages(from: 1, to: moki.id.address).count == 1)
        pair.feed(1, .befriended(People.dave.id))
        pair.settle()
        #expect(pair.b.texts == ["stranger"])
        #expect(pair.b.inbox.first?.trust == .contact)
        #expect(pair.b.ledger.state.parked.isEmpty)
    }

    @Test("a message inside whose sender is unknown waits for the meta, and the forward does not come again for it")
    func unknownInside() throws {
        let pair = friends()
        pair.b.policy.strangers = .open
        let message = try forward([try inner("unknown", from: People.dave)])
        pair.lay(message)
        #expect(pair.b.ledger.state.parked.map(\.isVerified) == [false])
        #expect(pair.b.watched.contains(People.dave.id.address))
        #expect(pair.messages(from: 1, to: moki.id.address).count == 1)
        pair.putCard(of: People.dave)
        #expect(pair.b.texts == ["unknown"])
        pair.lay(message)
        #expect(pair.b.texts == ["unknown"])
        #expect(pair.b.ledger.state.parked.isEmpty)
    }

    @Test("a forward is not receipted while a message inside it has no end, and nothing of it comes twice")
    func noEndInside() throws {
        let pair = friends()
        pair.b.ledger.inboxLimit = 1
        let nested = try forward([try inner("one"), try inner("two", sn: 10)], from: People.carol, sn: 51)
        let message = try forward([nested])
        pair.lay(message)
        #expect(pair.b.texts == ["one"])
        #expect(pair.messages(from: 1, to: moki.id.address).isEmpty)
        #expect(pair.b.ledger.state.accepted.count == 1)
        pair.b.ledger.inboxLimit = 2
        pair.lay(message)
        #expect(pair.b.texts == ["one", "two"])
        #expect(pair.messages(from: 1, to: moki.id.address).count == 1)
        #expect(pair.b.ledger.state.accepted.count == 4)
        pair.lay(message)
        #expect(pair.b.texts == ["one", "two"])
    }

    @Test("a power cut between a forward and a message inside loses nothing", arguments: 0..<5)
    func cutInside(steps: Int) throws {
        let pair = friends()
        let message = try forward([try inner("one"), try inner("two", from: moki, sn: 10)])
        pair.feed(1, .arrived(message.json.bytes, at: hulk.id.address))
        pair.feedSome(steps)
        let isTaken = pair.b.ledger.state.accepted.contains { $0.digest == Digest.sha256(message.secure.data) }
        #expect(!isTaken || pair.b.texts.count == 2)
        pair.restart(1)
        if !isTaken { pair.lay(message) }
        pair.settle()
        #expect(Set(pair.b.texts) == ["one", "two"])
        #expect(pair.b.texts.count == 2)
    }

    @Test("a forward that carries nothing is taken")
    func emptyForward() throws {
        let pair = friends()
        pair.lay(try forward([]))
        #expect(pair.messages(from: 1, to: moki.id.address).count == 1)
        #expect(pair.b.rejections.isEmpty)
    }

    @Test("a forwarded message for another name at our address is for somebody else, like any other message")
    func otherName() throws {
        let pair = friends()
        var message = try inner("x")
        message.secure.envelope.receiver = ID(name: "other", address: hulk.id.address)
        pair.lay(try forward([message]))
        pair.lay(message)
        #expect(pair.b.texts.isEmpty)
        #expect(pair.b.rejections.map(\.stage) == [.receiver, .receiver])
    }
}
