import Agent
import DIMP
import Format
import Records
import TestSupport
import Testing

/// What is for all (extensions.md 1): the topics that everybody shares, and what is heard there.
@Suite struct BroadcastTests {
    private let moki = People.moki

    /// Friends, of whom the second listens to all.
    private func listening() -> Pair {
        let pair = Pair.friends()
        pair.b.hearsBroadcasts = true
        return pair
    }

    @Test(
        "a broadcast reaches who listens, readable for all and once, and ends when a broker has it",
        arguments: ["anyone@anywhere", "everyone@everywhere", "stations@everywhere", "station@anywhere"])
    func heard(receiver: String) throws {
        let pair = listening()
        let id = try #require(ID(receiver))
        let token = pair.send("hear, hear", to: id)
        pair.settle()
        let row = try #require(pair.row(token))
        #expect(row.state == .published && row.due == nil && row.reason == nil)
        #expect(row.receiver.text == receiver)
        let message = try #require(pair.messages(from: 0, to: id.address).last)
        #expect(message.json["data"]?.string?.contains("hear, hear") == true)
        #expect(message.json["key"] == nil && message.json["keys"] == nil && message.meta != nil)
        let heard = try #require(pair.b.inbox.first)
        #expect(heard.receiver == (id.isGroup ? .everyone : .anyone) && heard.sender == pair.a.id)
        #expect(heard.sealed && !heard.encrypted)
        pair.advance(5000)
        #expect(pair.messages(from: 0, to: id.address).count == 1 && pair.b.texts == ["hear, hear"])
        #expect(pair.messages(from: 1, to: pair.a.id.address).isEmpty)
        #expect(pair.acknowledgements(from: 1, to: pair.a.id.address).isEmpty)
        #expect(pair.a.book.contact(id.address) == nil)
        #expect(pair.isSpent(token))
    }

    @Test("where nobody listens a broadcast ends all the same, with the reason, and goes to nobody later")
    func nobody() throws {
        let pair = Pair.friends()
        let token = pair.send("hello?", to: .everyone)
        pair.settle()
        #expect(pair.row(token)?.state == .published && pair.row(token)?.reason == "nobody-subscribed")
        pair.b.hearsBroadcasts = true
        pair.advance(5000)
        #expect(pair.b.inbox.isEmpty && pair.messages(from: 0, to: .everywhere).count == 1)
    }

    @Test("without a broker a broadcast waits for one, and it may be cancelled or expire before")
    func waits() throws {
        let pair = listening()
        pair.unlink(0)
        let tokens = [pair.send("later", to: .anyone), pair.send("never", to: .anyone, expiry: 10)]
        pair.settle()
        #expect(tokens.allSatisfy { pair.row($0)?.state == .queued })
        pair.advance(20)
        pair.link(0)
        pair.settle()
        #expect(pair.b.texts == ["later"] && pair.row(tokens[1])?.state == .expired)
    }

    @Test("a broadcast goes to every broker, and a board on two of them takes it once")
    func everywhere() throws {
        let pair = Pair([Board([People.moki]), Board([People.hulk], seed: 2)], brokers: ["home", "lan"])
        pair.a.befriend(People.hulk)
        pair.b.befriend(People.moki)
        pair.b.hearsBroadcasts = true
        pair.linkAll()
        let token = pair.send("to both", to: .everyone)
        pair.settle()
        let brokers = pair.published.filter { $0.parcel.topic == .inbox(.everywhere) }.map(\.parcel.broker)
        #expect(brokers.sorted() == ["home", "lan"])
        #expect(pair.row(token)?.state == .published && pair.b.texts == ["to both"])
        #expect(pair.b.messenger.counts.duplicates == 1)
    }

    @Test("a broker's refusal is told, and the broadcast waits for another")
    func refused() throws {
        let pair = listening()
        pair.outcome = .refused("not authorized (135)")
        let token = pair.send("may I", to: .everyone)
        pair.settle()
        #expect(pair.row(token)?.state == .queued)
        #expect(pair.row(token)?.reason == "broker-refused: not authorized (135)")
        pair.outcome = nil
        pair.advance(60)
        #expect(pair.row(token)?.state == .published && pair.b.texts == ["may I"])
    }

    @Test("a signed receipt of everybody cannot be had")
    func noReceipt() throws {
        let pair = listening()
        let token = pair.send("prove it", to: .everyone, wantsSignedReceipt: true)
        guard case .refused(let refusal)? = pair.a.answers[token] else { Issue.record("accepted"); return }
        #expect(refusal.reason == "broadcast")
    }

    @Test("a question of a contact on a topic of all is answered by nobody, and told once")
    func asked() throws {
        let pair = Pair.friends()
        let question = try moki.broadcast(Content.handshake("Hello world!", sn: 3, time: Pair.start)).json.bytes
        for _ in 0..<3 { pair.lay(question, at: .everywhere) }
        #expect(pair.messages(from: 1, to: moki.id.address).isEmpty && pair.b.messenger.counts.signatures == 0)
        #expect(pair.b.inbox.count == 1)
    }

    @Test(
        "on the topics of all, strangers are not heard, not even with a question, and forged and repeated ones are not")
    func checked() throws {
        let pair = listening()
        let question = Content.metaCommand(about: pair.b.id, meta: nil, sn: 3, time: Pair.start)
        pair.lay(try People.carol.broadcast(question).json.bytes, at: .anywhere)
        pair.lay(try People.carol.broadcast(.text("buy", sn: 4, time: Pair.start)).json.bytes, at: .anywhere)
        #expect(pair.b.rejections.map(\.stage) == [.trust, .trust])
        #expect(pair.messages(from: 1, to: People.carol.id.address).isEmpty)

        var forged = try People.carol.broadcast(.text("I am moki", sn: 5, time: Pair.start), attach: false)
        forged.secure.envelope.sender = moki.id
        pair.lay(forged.json.bytes, at: .anywhere)
        #expect(pair.b.rejections.last?.stage == .signature)

        let private_ = try moki.sealedMessage(.text("for one", sn: 6, time: Pair.start), to: People.hulk)
        pair.lay(private_.json.bytes, at: .everywhere)
        #expect(pair.b.rejections.last?.stage == .receiver)

        let good = try moki.broadcast(.text("once", sn: 7, time: Pair.start)).json.bytes
        for address in [Address.anywhere, .everywhere, .anywhere] { pair.lay(good, at: address) }
        pair.lay(good)
        #expect(pair.b.texts == ["once"] && pair.b.messenger.counts.duplicates == 3)

        let old = try moki.broadcast(.text("old", sn: 8, time: Pair.start - 32 * 86_400))
        pair.lay(old.json.bytes, at: .anywhere)
        #expect(pair.b.rejections.last?.stage == .time)
    }

    @Test("a blocked contact is not heard, and under open a stranger is")
    func trust() throws {
        let pair = listening()
        let carol = try People.carol.broadcast(.text("buy", sn: 4, time: Pair.start)).json.bytes
        pair.b.policy.strangers = .open
        pair.lay(carol, at: .everywhere)
        #expect(pair.b.texts == ["buy"])
        pair.b.book.apply(.contact(Contact(id: moki.id, trust: .contact, isBlocked: true)))
        pair.lay(try moki.broadcast(.text("x", sn: 5, time: Pair.start)).json.bytes, at: .everywhere)
        #expect(pair.b.texts == ["buy"])
    }

    @Test("a board takes a broadcast once for all of its identities, and its own not at all")
    func severalIdentities() throws {
        let pair = Pair([Board([People.moki]), Board([People.hulk, People.carol], seed: 2)])
        pair.b.befriend(People.moki)
        for board in pair.boards { board.hearsBroadcasts = true }
        pair.linkAll()
        pair.send("one", to: .everyone)
        pair.settle()
        let again = try #require(pair.messages(from: 0, to: .everywhere).last)
        pair.lay(again.json.bytes, at: People.carol.id.address)
        #expect(pair.b.texts == ["one"] && pair.a.inbox.isEmpty && pair.a.rejections.isEmpty)
    }
}
