import DIMP
import Format
import Foundation
import Records
import Testing

@testable import Agent

@Suite("Two boards with the same keys")
struct TwinTests {
    private let moki = People.moki
    private let hulk = People.hulk
    private let noon = Pair.start

    /// Two copies of moki's books, and hulk, who knows moki. Nobody is linked.
    private func world(brokers: [String] = ["home"]) -> Pair {
        let pair = Pair([Board([moki]), Board([moki], seed: 2), Board([hulk], seed: 3)], brokers: brokers)
        for board in [pair.boards[0], pair.boards[1]] { board.befriend(hulk) }
        pair.boards[2].befriend(moki)
        return pair
    }

    private func clones(_ board: Board) -> [String] {
        board.ledger.state.events.filter { $0.kind == .clone }.compactMap(\.reason)
    }

    private var statePlace: Topic { .state(moki.id.address) }

    private func statement(
        _ boot: String, at: Double, isOnline: Bool = true, answers: String? = nil, by identity: Identity? = nil
    ) throws -> [UInt8] {
        try Statement(isOnline: isOnline, at: at, boot: boot, answers: answers)
            .signed(by: identity ?? moki, with: [])
    }

    @Test("the later starter stands back, the other goes on, whoever is linked first", arguments: [[0, 1], [1, 0]])
    func twins(order: [Int]) throws {
        let pair = world()
        pair.boards[0].begin("one", at: noon - 60)
        pair.boards[1].begin("two", at: noon - 30)
        pair.link(2)
        for board in order {
            pair.link(board)
            pair.settle()
        }
        #expect(pair.a.messenger.olderBoard == nil)
        #expect(pair.b.messenger.olderBoard == OlderBoard(did: moki.id, at: noon - 60))
        #expect(clones(pair.a) == ["cloned-card"])
        #expect(clones(pair.b) == ["standing-back"])
        #expect(pair.a.messenger.counts.otherBoards == 1 && pair.b.messenger.counts.otherBoards == 1)
        let token = pair.send("hello", to: hulk.id)
        let refused = pair.send("hello", from: 1, to: hulk.id)
        pair.settle()
        #expect(pair.row(token)?.state == .delivered)
        guard case .refused(let refusal) = pair.b.answers[refused] else { return #expect(Bool(false)) }
        #expect(refusal.reason == "cloned")
        #expect(refusal.kind == .notNow)
        #expect(clones(pair.boards[2]).isEmpty)
    }

    @Test("strangers that use up all that they may cost do not hide another board")
    func flood() throws {
        var policy = Policy()
        policy.publicOperations = 1
        let pair = Pair([Board([moki], policy: policy)])
        pair.a.begin("one", at: noon - 60)
        pair.linkAll()
        for number in 1...5 as ClosedRange<Int64> {
            let content = Content.text("x", sn: number, time: noon)
            pair.lay(try hulk.sealedMessage(content, to: moki, attach: true), on: 0)
        }
        #expect(pair.a.messenger.heldBack.count == 4)
        pair.feed(0, .found(statePlace, try statement("two", at: noon - 30), broker: "home"))
        pair.settle()
        #expect(clones(pair.a) == ["cloned-card"])
    }

    @Test("it ends there: nobody states anything again for a day")
    func quiet() throws {
        let pair = world()
        pair.boards[0].begin("one", at: noon - 60)
        pair.boards[1].begin("two", at: noon - 30)
        pair.linkAll()
        pair.advance(120)
        let statements = pair.statements
        pair.advance(86_400)
        #expect(pair.statements == statements)
        #expect(clones(pair.a) == ["cloned-card"])
    }

    @Test("of two that began at the same time one stands back, and it is not both")
    func tie() throws {
        let pair = world()
        pair.boards[0].begin("zwei", at: noon - 60)
        pair.boards[1].begin("eins", at: noon - 60)
        pair.linkAll()
        #expect(pair.a.messenger.olderBoard != nil)
        #expect(pair.b.messenger.olderBoard == nil)
    }

    @Test("who stands back takes no message: it is the other's, and what was accepted before stays in the outbox")
    func untouched() throws {
        let pair = world()
        pair.boards[0].begin("one", at: noon - 60)
        pair.boards[1].begin("two", at: noon - 30)
        let token = pair.send("from the copy", from: 1, to: hulk.id)
        pair.settle()
        #expect(pair.row(token, of: 1)?.state == .queued)
        pair.linkAll()
        let row = try #require(pair.row(token, of: 1))
        #expect(!row.state.isEnd)
        pair.unlink(0)
        pair.lay(try hulk.sealedMessage(Content(type: .text, sn: 5, time: noon, ["text": "hi"]), to: moki))
        #expect(pair.b.inbox.isEmpty)
        #expect(pair.b.ledger.state.accepted.isEmpty)
    }

    @Test("a copy that was linked while the older was away stands back when that comes")
    func late() throws {
        let pair = world()
        pair.boards[0].begin("one", at: noon - 60)
        pair.link(0)
        pair.settle()
        pair.unlink(0)
        pair.boards[1].begin("two", at: noon - 30)
        pair.link(1)
        pair.settle()
        pair.advance(7200)
        #expect(pair.b.messenger.olderBoard == nil)
        pair.link(0)
        pair.settle()
        #expect(pair.b.messenger.olderBoard != nil)
        #expect(pair.a.messenger.olderBoard == nil)
    }

    @Test("a copy made while the original ran stands back, though it knows that start from its books")
    func liveCopy() throws {
        let pair = world()
        pair.boards[0].begin("one", at: noon - 60)
        pair.link(0)
        pair.settle()
        pair.b.ledger.state = pair.a.ledger.state
        pair.boards[1].begin("two", at: noon - 30)
        pair.link(1)
        pair.settle()
        #expect(pair.b.messenger.olderBoard != nil)
        #expect(clones(pair.a) == ["cloned-card"])
    }

    @Test("started again it asks again: with the other gone it goes on")
    func again() throws {
        let pair = world()
        pair.boards[0].begin("one", at: noon - 60)
        pair.boards[1].begin("two", at: noon - 30)
        pair.linkAll()
        pair.unlink(0)
        pair.put(try statement("one", at: noon - 60, isOnline: false, answers: "two"), at: statePlace)
        pair.boards[1].restart()
        pair.boards[1].begin("three", at: noon)
        pair.link(1)
        let token = pair.send("hello", from: 1, to: hulk.id)
        pair.settle()
        #expect(pair.b.messenger.olderBoard == nil)
        #expect(pair.row(token, of: 1)?.state == .delivered)
    }

    @Test(
        "what a broker kept from our own earlier starts, online or gone, is put right and is no clone",
        arguments: [true, false])
    func leftOver(isOnline: Bool) throws {
        let pair = world()
        pair.boards[0].begin("one", at: noon - 60)
        pair.boards[0].restart()
        pair.boards[0].begin("two", at: noon - 30)
        pair.link(0)
        pair.settle()
        for (boot, at) in [("one", noon - 60), ("zero", noon - 1e6)] {
            pair.put(try statement(boot, at: at, isOnline: isOnline, answers: "one"), at: statePlace)
            #expect(pair.a.messenger.olderBoard == nil)
        }
        #expect(clones(pair.a).isEmpty)
        #expect(!pair.a.ledger.state.events.contains { $0.reason == "restored" })
        pair.advance(61)
        let shown = try #require(pair.shelf(statePlace))
        #expect(Statement(shown, by: moki)?.boot == "two")
        let statements = pair.statements
        for _ in 0..<100 { pair.put(try statement("one", at: noon - 60), at: statePlace) }
        pair.advance(59)
        #expect(pair.statements == statements)
    }

    @Test("nobody without our keys silences us", arguments: [0, 1, 2, 3, 4])
    func hostile(kind: Int) throws {
        let pair = world()
        pair.boards[0].begin("two", at: noon - 30)
        pair.link(0)
        pair.settle()
        let real = try statement("one", at: noon - 60, answers: "two")
        var json = try #require(try JSON(parsing: real).object)
        switch kind {
        case 0: pair.put(try statement("one", at: noon - 60, answers: "two", by: hulk), at: statePlace)
        case 1:
            json["data"] = .string(try #require(json["data"]?.string).replacingPart("two", with: "tw0"))
            pair.put(JSON.object(json).bytes, at: statePlace)
        case 2: pair.put([], at: statePlace)
        case 3: pair.put(real, at: .state(hulk.id.address))
        default: pair.put([UInt8](repeating: 0x5B, count: 100_000), at: statePlace)
        }
        #expect(pair.a.messenger.olderBoard == nil)
        #expect(clones(pair.a).isEmpty)
    }

    @Test("a newer start of ours is answered once in 10 s and told once")
    func newer() throws {
        let pair = world()
        pair.boards[0].begin("one", at: noon - 60)
        pair.link(0)
        pair.settle()
        let statements = pair.statements
        pair.put(try statement("two", at: noon - 30), at: statePlace)
        #expect(Statement(try #require(pair.shelf(statePlace)), by: moki)?.answers == "two")
        for _ in 0..<20 { pair.put(try statement("two", at: noon - 30), at: statePlace) }
        #expect(pair.statements == statements + 1)
        pair.advance(11)
        pair.put(try statement("two", at: noon - 30, isOnline: false), at: statePlace)
        #expect(pair.statements == statements + 2)
        #expect(clones(pair.a) == ["cloned-card"])
        #expect(pair.a.messenger.olderBoard == nil)
    }

    @Test("a start that our books do not know, before this one, makes us number anew, once")
    func restored() throws {
        let pair = world()
        pair.boards[0].begin("one", at: noon - 1000)
        pair.linkAll()
        pair.send("1", to: hulk.id)
        pair.settle()
        let backup = pair.a.ledger.state
        let stream = backup.values[.stream(moki.id.address)]
        #expect(stream != nil)
        pair.a.restart()
        pair.boards[0].begin("two", at: noon - 500)
        pair.linkAll()
        for text in ["2", "3", "4"] { pair.send(text, to: hulk.id) }
        pair.settle()

        pair.unlink(0)
        pair.a.ledger.state = backup
        pair.a.restart()
        pair.boards[0].begin("three", at: noon)
        pair.put(try statement("two", at: noon - 500, isOnline: false), at: statePlace)
        pair.link(0)
        pair.settle()
        for text in ["2 again", "5"] { pair.send(text, to: hulk.id) }
        pair.advance(1000)
        #expect(pair.a.ledger.state.values[.stream(moki.id.address)] != stream)
        #expect(pair.a.ledger.state.events.filter { $0.reason == "restored" }.count == 1)
        #expect(pair.boards[2].texts == ["1", "2", "3", "4", "2 again", "5"])
        #expect(pair.boards[2].ledger.state.events.filter { [.gap, .clone].contains($0.kind) }.isEmpty)
        #expect(clones(pair.a).isEmpty)
    }

    @Test("books that are known to be restored begin new streams, and their own holes are forgotten")
    func restoredBooks() throws {
        let pair = world()
        pair.linkAll()
        pair.send("1", to: hulk.id)
        pair.send("1", from: 2, to: moki.id)
        pair.settle()
        let backup = (pair.a.ledger.state, pair.a.book.state)
        for _ in 0..<3 {
            pair.send("lost with the card", to: hulk.id)
            pair.send("lost with the card", from: 2, to: moki.id)
        }
        pair.settle()
        pair.unlink(0)
        (pair.a.ledger.state, pair.a.book.state) = backup
        pair.a.restart()
        pair.feed(0, .restored)
        pair.link(0)
        let there = pair.send("2", to: hulk.id)
        let back = pair.send("2", from: 2, to: moki.id)
        pair.settle()
        pair.advance(1000)
        #expect(pair.row(there)?.state == .delivered)
        #expect(pair.row(back, of: 2)?.state == .delivered)
        for board in [pair.a, pair.boards[2]] {
            #expect(board.ledger.state.events.filter { [.gap, .clone].contains($0.kind) }.isEmpty)
        }
    }

    @Test("a statement keeps its time to the last bit")
    func exact() throws {
        for at in [1_795_477_301.123457, 1_795_477_301.1, 1e9 / 3] {
            let bytes = try statement("b", at: at)
            #expect(Statement(bytes, by: moki) == Statement(isOnline: true, at: at, boot: "b"))
        }
    }
}

extension String {
    fileprivate func replacingPart(_ part: String, with other: String) -> String {
        guard let place = range(of: part) else { return self }
        return replacingCharacters(in: place, with: other)
    }
}
