import Records
import Testing

@testable import Agent

@Suite("Numbers tell what never came")
struct SequenceTests {
    private func events(_ pair: Pair, _ kind: EventRecord.Kind) -> [EventRecord] {
        pair.b.ledger.state.events.filter { $0.kind == kind }
    }

    @Test("a message that never comes is a gap with its number, once, after repeats had their time")
    func gap() throws {
        let pair = Pair.friends()
        pair.send("one")
        pair.settle()
        pair.trouble.lost = 1
        let lost = pair.send("two")
        pair.settle()
        let row = try #require(pair.row(lost))
        pair.feed(0, .cancelled(id: row.id, token: 99))
        pair.trouble.lost = 0
        pair.send("three")
        pair.settle()
        #expect(pair.b.texts == ["one", "three"])
        pair.advance(100)
        #expect(events(pair, .gap).isEmpty)
        pair.advance(1000)
        #expect(events(pair, .gap).map(\.reason) == ["2-2"])
        #expect(pair.b.messenger.counts.gaps == 1)
    }

    @Test("a hole that a repeat fills is no gap")
    func filled() {
        let pair = Pair.friends()
        pair.send("one")
        pair.settle()
        pair.trouble.lost = 1
        pair.send("two")
        pair.settle()
        pair.trouble.lost = 0
        pair.send("three")
        pair.settle()
        #expect(pair.b.texts == ["one", "three"])
        pair.advance(1000)
        #expect(pair.b.texts.sorted() == ["one", "three", "two"])
        #expect(events(pair, .gap).isEmpty)
    }

    @Test("a number that comes again in another ciphertext tells of a second board with the same keys")
    func clone() {
        let pair = Pair.friends()
        pair.send("one")
        pair.settle()
        let copy = pair.a.ledger.state
        pair.send("two")
        pair.settle()
        #expect(events(pair, .clone).isEmpty)
        pair.a.ledger.state = copy
        pair.restart(0)
        pair.send("two of another board")
        pair.settle()
        #expect(pair.b.texts == ["one", "two", "two of another board"])
        #expect(events(pair, .clone).map(\.did) == [People.moki.id])
        #expect(pair.b.messenger.counts.sameNumbers == 1)
    }

    @Test("what comes late of an earlier stream leaves the holes of the present one as they are")
    func lateStream() throws {
        let pair = Pair.friends()
        pair.send("old 1")
        pair.settle()
        pair.trouble.lost = 1
        pair.send("old 2")
        pair.settle()
        pair.trouble.lost = 0
        pair.feed(0, .restored)
        pair.send("new 1")
        pair.settle()
        pair.trouble.lost = 1
        let token = pair.send("new 2")
        pair.settle()
        let lost = try #require(pair.row(token))
        pair.feed(0, .cancelled(id: lost.id, token: 99))
        pair.trouble.lost = 0
        pair.send("new 3")
        pair.settle()
        #expect(pair.b.texts == ["old 1", "new 1", "new 3"])
        pair.advance(60)
        #expect(pair.b.texts == ["old 1", "new 1", "new 3", "old 2"])
        pair.advance(1000)
        #expect(events(pair, .gap).count == 1)
        #expect(events(pair, .clone).isEmpty)
    }

    @Test("the window keeps holes apart, joins nothing, and survives being written down")
    func window() throws {
        var window = ReplayWindow(first: 10)
        #expect(window.take(11, lived: 0) == .new)
        #expect(window.take(20, lived: 1) == .ahead)
        #expect(window.take(15, lived: 2) == .new)
        #expect(window.take(15, lived: 2) == .again)
        #expect(window.take(9, lived: 2) == .unknown)
        #expect(window.take(20, lived: 2) == .again)
        #expect(window.holes.map { [$0.from, $0.through] } == [[12, 14], [16, 19]])
        #expect(ReplayWindow(window.text) == window)
        #expect(window.overdue(lived: 2, patience: 2).isEmpty)
        #expect(window.overdue(lived: 3, patience: 2).map(\.from) == [12, 16])
        #expect(window.overdue(lived: 9, patience: 2).isEmpty)
        #expect(window.nextHole == nil)
        #expect(window.take(12, lived: 9) == .new)
        #expect(window.holes.map { [$0.from, $0.through] } == [[13, 14], [16, 19]])
    }

    @Test("a stream with more holes than it may have forgets the oldest")
    func bounded() {
        var window = ReplayWindow(first: 1)
        for number in 1...500 { _ = window.take(Int64(number) * 3, lived: 0) }
        #expect(window.holes.count == 64)
        #expect(window.high == 1500)
        #expect(window.holes.last?.through == 1499)
    }

    @Test("a number out of a hole that was forgotten is unknown, and one that came is known as long as it can be")
    func forgottenHoles() {
        var window = ReplayWindow(first: 1)
        for number in 1...70 { _ = window.take(Int64(number) * 3, lived: 0) }
        // Six holes of seventy are forgotten: 2, 4-5, 7-8, 10-11, 13-14 and 16-17.
        for number in 1...17 { #expect(window.take(Int64(number), lived: 1) == .unknown) }
        #expect(window.take(18, lived: 1) == .again)
        #expect(window.take(19, lived: 1) == .new)
        #expect(window.take(19, lived: 1) == .again)
        #expect(ReplayWindow(window.text) == window)
        // A hole that is cut in two is one more.
        window = ReplayWindow(first: 1)
        for number in 1...64 { _ = window.take(Int64(number) * 4, lived: 0) }
        #expect(window.take(6, lived: 1) == .new)
        #expect(window.holes.count == 64)
        #expect(window.take(2, lived: 1) == .unknown)
        #expect(window.take(5, lived: 1) == .new)
    }

    @Test("late messages out of many holes are no second board")
    func manyHoles() throws {
        let pair = Pair.friends()
        pair.send("first")
        pair.settle()
        var lost: [Int] = []
        for number in 0..<140 {
            pair.trouble.lost = number % 2 == 0 ? 1 : 0
            if number % 2 == 0 { lost.append(number) }
            pair.send("\(number)")
            pair.settle()
        }
        pair.trouble.lost = 0
        pair.advance(1000)
        #expect(Set(pair.b.texts).isSuperset(of: lost.map(String.init)))
        #expect(pair.b.texts.count == 141)
        #expect(events(pair, .clone).isEmpty)
        #expect(pair.b.messenger.counts.sameNumbers == 0)
    }

    @Test(
        "what is no window is none",
        arguments: [
            "", "{}", "[]", #"{"first":1}"#, #"{"first":"1","high":2}"#, #"{"first":3,"high":2}"#,
        ])
    func damaged(text: String) {
        #expect(ReplayWindow(text) == nil)
    }

    @Test(
        "a hole that its window cannot have is none", arguments: ["[5,4,0,false]", "[1,9223372036854775807,0,false]"])
    func damagedHole(row: String) {
        #expect(ReplayWindow(#"{"first":1,"high":9,"holes":[\#(row)]}"#)?.holes.isEmpty == true)
    }

    @Test("what waited for a key and is sealed once more, by a board that came back from a backup, comes once")
    func waited() throws {
        let pair = Pair.friends()
        pair.a.book.state.visas = [:]
        pair.a.book.state.metas = [:]
        pair.unlink(0)
        let token = pair.send("waiting")
        pair.settle()
        #expect(pair.row(token)?.state == .waiting)
        let backup = (pair.a.ledger.state, pair.a.book.state)
        pair.link(0)
        pair.settle()
        #expect(pair.row(token)?.state == .delivered)
        let sealed = try #require(pair.shipment(token))

        (pair.a.ledger.state, pair.a.book.state) = backup
        pair.restart(0)
        pair.feed(0, .restored)
        pair.link(0)
        pair.settle()
        #expect(pair.row(token)?.state == .delivered)
        #expect(pair.shipment(token)?.digest != sealed.digest)
        pair.send("after")
        pair.settle()
        #expect(pair.b.texts == ["waiting", "after"])
        #expect(events(pair, .gap).isEmpty && events(pair, .clone).isEmpty)
    }
}
