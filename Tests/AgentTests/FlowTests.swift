import DIMP
import Records
import Testing

@testable import Agent

@Suite("The flow to many peers")
struct FlowTests {
    private let carol = People.carol.id

    /// `moki` with two contacts, whose visas say that they take one content in a message. The broker has a session for
    /// `carol`, who is away, if `keeps`.
    private func pair(keeps: Bool = true) throws -> Pair {
        let pair = Pair([Board([People.moki]), Board([People.hulk], seed: 2), Board([People.carol], seed: 3)])
        for peer in [People.hulk, People.carol] { pair.a.befriend(peer, visa: try peer.visa(time: People.time + 1)) }
        for board in pair.boards.dropFirst() { board.befriend(People.moki) }
        pair.link(0)
        pair.link(1)
        if keeps {
            pair.link(2)
            pair.settle()
            pair.unlink(2)
        }
        pair.settle()
        pair.forgetPublished()
        return pair
    }

    /// Without questions, which are broadcasts.
    private func count(_ pair: Pair, to receiver: ID) -> Int {
        pair.messages(from: 0, to: receiver.address).count { $0.secure.envelope.receiver == receiver }
    }

    private func numbers(_ count: Int) -> [String] { (0..<count).map { "\($0)" } }

    @Test(
        "a peer that is away takes a window and four repeats at a time, and nothing from another",
        arguments: [true, false])
    func away(keeps: Bool) throws {
        let pair = try pair(keeps: keeps)
        for text in numbers(300) { pair.send(text, to: carol) }
        pair.settle()
        #expect(count(pair, to: carol) == Tuning.largestWindow)
        pair.forgetPublished()
        for text in numbers(100) { pair.send(text) }
        pair.settle()
        #expect(pair.b.texts == numbers(100))
        #expect(count(pair, to: pair.b.id) == 100 && count(pair, to: carol) == 0)
        pair.forgetPublished()
        // Repeats after 10 s and 30 s.
        pair.advance(35)
        #expect(count(pair, to: carol) == 8)
    }

    @Test(
        "a peer that comes back gets all in order, whether the broker kept a part or nothing", arguments: [true, false])
    func back(keeps: Bool) throws {
        let pair = try pair(keeps: keeps)
        for text in numbers(300) { pair.send(text, to: carol) }
        pair.advance(35)
        pair.link(2)
        pair.advance(120)
        let texts = pair.boards[2].texts
        // The pair's broker shuffles what it has kept.
        #expect(keeps ? Set(texts) == Set(numbers(300)) && texts.count == 300 : texts == numbers(300))
        #expect(pair.a.ledger.state.outgoing.allSatisfy { $0.state == .delivered })
        #expect(pair.a.ledger.state.shipments.values.allSatisfy { !$0.isHeld })
        // Most went once, or once more.
        #expect(count(pair, to: carol) < 2 * 300)
    }

    @Test("a start of the daemon forgets nothing that waits, and does not send all of it at once")
    func restarted() throws {
        let pair = try pair()
        for text in numbers(300) { pair.send(text, to: carol) }
        pair.advance(15)
        pair.forgetPublished()
        pair.restart(0)
        pair.advance(20)
        #expect(count(pair, to: carol) < Tuning.largestWindow)
        pair.link(2)
        pair.advance(120)
        #expect(Set(pair.boards[2].texts) == Set(numbers(300)) && pair.boards[2].texts.count == 300)
    }

    @Test("what waits for its turn expires and can be cancelled")
    func ends() throws {
        let pair = try pair()
        for text in numbers(270) { pair.send(text, to: carol) }
        let short = pair.send("short", to: carol, expiry: 50)
        let last = pair.send("last", to: carol)
        pair.advance(20)
        #expect(pair.shipment(short)?.isHeld == true && pair.shipment(last)?.isHeld == true)
        let row = try #require(pair.row(last))
        pair.feed(0, .cancelled(id: row.id, token: 1_000_000))
        pair.advance(40)
        #expect(pair.row(short)?.state == .expired && pair.row(last)?.state == .cancelled)
        pair.link(2)
        pair.advance(120)
        #expect(pair.boards[2].texts.count == 270 && Set(pair.boards[2].texts) == Set(numbers(270)))
    }

    @Test("when the messages that are repeated are cancelled, others are repeated in their place")
    func probesCancelled() throws {
        let pair = try pair(keeps: false)
        let tokens = numbers(70).map { pair.send($0, to: carol) }
        pair.advance(35)
        for token in tokens.prefix(10) {
            pair.feed(0, .cancelled(id: try #require(pair.row(token)).id, token: 1_000_000 + token))
        }
        pair.link(2)
        pair.advance(120)
        let texts = pair.boards[2].texts
        #expect(texts.count == 60 && Set(texts) == Set(numbers(70).dropFirst(10)))
    }

    @Test("a stock peer gives no receipts: the broker's word is enough for the next")
    func stock() throws {
        let pair = Pair([Board([People.moki])])
        pair.a.befriend(People.carol, isCulver: false, visa: try People.carol.visa(time: People.time, isStock: true))
        pair.outcome = .taken
        pair.linkAll()
        for text in numbers(90) { pair.send(text, to: carol) }
        pair.settle()
        #expect(count(pair, to: carol) == 90)
        #expect(pair.a.ledger.state.outgoing.allSatisfy { $0.state == .published })
    }

    @Test("twenty peers share the room evenly, however much waits for each")
    func even() throws {
        let peers = (0..<20).map { People.make("peer\($0)") }
        let pair = Pair([Board([People.moki])])
        for peer in peers { pair.a.befriend(peer, visa: try peer.visa(time: People.time + 1)) }
        for (number, peer) in peers.enumerated() {
            for text in numbers(number == 0 ? 60 : 15) { pair.send(text, to: peer.id) }
        }
        pair.settle()
        pair.isAcknowledging = false
        pair.link(0)
        pair.settle()
        var answered = 0
        while pair.published.count < 250, answered < pair.published.count {
            let parcel = pair.published[answered].parcel
            answered += 1
            if case .inbox = parcel.topic { pair.feed(0, .acknowledged(parcel.number, .taken)) }
        }
        let counts = peers.map { count(pair, to: $0.id) }
        let (least, most) = (try #require(counts.min()), try #require(counts.max()))
        #expect(least >= 10 && most - least <= 1)
    }

    @Test("a single message and an urgent one overtake a backlog, and each kind keeps its order")
    func priorities() throws {
        let pair = Pair.friends()
        pair.a.befriend(People.hulk, visa: try People.hulk.visa(time: People.time + 1))
        pair.isAcknowledging = false
        for text in numbers(80) { pair.send(text, priority: .bulk) }
        pair.settle()
        for text in ["n0", "n1"] { pair.send(text) }
        for text in ["u0", "u1"] { pair.send(text, priority: .urgent) }
        pair.settle()
        let underway = pair.published.filter { if case .inbox = $0.parcel.topic { $0.board == 0 } else { false } }
        pair.isAcknowledging = true
        for sent in underway { pair.feed(0, .acknowledged(sent.parcel.number, .taken)) }
        pair.settle()
        pair.advance(30)
        let texts = pair.b.texts
        #expect(texts.count == 84)
        #expect(texts.filter { Int($0) != nil } == numbers(80))
        #expect(texts.dropFirst(20).prefix(4) == ["u0", "u1", "n0", "n1"])
        // Numbers of one kind follow each other, so what is overtaken is no gap.
        pair.advance(300)
        #expect(!pair.b.ledger.state.events.contains { $0.kind == .gap || $0.kind == .clone })
    }

    @Test("what shares a message has one priority, and when one of it expires while it waits the others wait on")
    func batches() throws {
        let pair = Pair.friends()
        pair.unlink(0)
        let kinds: [Priority] = [.bulk, .normal, .urgent, .bulk, .normal, .urgent, .bulk, .normal, .urgent]
        let tokens = kinds.enumerated().map { number, kind in
            pair.send("\(number)", expiry: number == 3 ? 50 : nil, priority: kind)
        }
        pair.settle()
        for priority in Priority.allCases {
            let rows = tokens.compactMap { pair.row($0) }.filter { $0.priority == priority }
            // The first goes alone, the others gather behind it.
            #expect(rows.count == 3 && Set(rows.map(\.shipment)).count == 2)
        }
        #expect(tokens.allSatisfy { pair.shipment($0)?.isHeld == true })
        pair.advance(60)
        #expect(pair.row(tokens[3])?.state == .expired && pair.row(tokens[6])?.state == .queued)
        #expect(pair.shipment(tokens[6])?.isHeld == true)
        pair.link(0)
        pair.advance(30)
        let texts = pair.b.texts
        #expect(texts == ["2", "5", "8", "1", "4", "7", "0", "3", "6"])
    }
}
