import Records
import TestSupport
import Testing

@testable import Store

@Suite struct EventTests {
    let scratch: Scratch

    init() throws {
        scratch = try Scratch()
    }

    @Test("like ones within a minute of the first share a row, with time and words of the last")
    func merged() throws {
        let store = try scratch.open()
        try store.apply([
            .event(event(1_000, text: "one")), .event(event(1_059, text: "two")),
            .event(event(1_060, text: "three")),
        ])
        let rows = try store.events(limit: 9)
        #expect(rows.map(\.count) == [2, 1])
        #expect(rows.map(\.first) == [1_000, nil])
        #expect(rows.map(\.time) == [1_059, 1_060])
        #expect(rows.map(\.text) == ["two", "three"])
        #expect(store.takeNews().written == rows)
        // What happened since then is found, whenever the row began.
        #expect(try store.events(limit: 9, since: 1_030) == rows)
        #expect(try store.events(limit: 9, since: 1_060).map(\.text) == ["three"])
    }

    @Test(
        "each is counted by its kind, like ones too, but not what was rolled back; the last problem is no information")
    func counted() throws {
        let store = try scratch.open()
        #expect(try store.problems(limit: 9) == [])
        var problem = event(1_000, .disk, text: "full")
        problem.level = .error
        var information = event(1_001, .disk, text: "fine")
        information.level = .info
        try store.apply([.event(problem), .event(information), .event(event(1_002, .gap))])
        try store.apply(.event(event(1_003, .gap)))
        try store.commit()
        try store.apply(.event(event(1_004, .gap)))
        store.rollback()
        #expect(store.eventCounts == [.disk: 2, .gap: 2])
        let rows = try store.events(limit: 9)
        #expect(try store.problems(limit: 9) == rows.filter { $0.level == .error || $0.level == .warning }.reversed())
        #expect(try store.problems(limit: 9).first != rows.last)
    }

    @Test("what differs in kind, level, reason, id, broker or did has its own row")
    func different() throws {
        let store = try scratch.open()
        var rows = [event(1), event(1, .clock), event(1, reason: "r")]
        for change in [
            { $0.level = .error }, { $0.did = nil }, { $0.broker = "b" }, { $0.id = "i" },
        ] as [(inout EventRecord) -> Void] {
            var row = event(1)
            change(&row)
            rows.append(row)
        }
        try store.apply(rows.map { .event($0) })
        #expect(try store.events(limit: 99).map(\.count) == Array(repeating: 1, count: rows.count))
    }

    @Test("two reasons why a broker is away have a row each, also within a minute")
    func reasons() throws {
        let store = try scratch.open()
        let texts = ["refused", "no answer", "refused"]
        try store.apply(texts.map { .event(event(1_000, reason: "away", text: $0)) })
        #expect(try store.events(limit: 9).map(\.text) == ["refused", "no answer"])
        #expect(try store.events(limit: 9).map(\.count) == [2, 1])
    }

    @Test("without a clock, a new run begins a new row")
    func restarted() throws {
        do {
            let store = try scratch.open()
            try store.apply([.event(event(0, .start)), .event(event(0, .start))])
            try store.commit()
        }
        let store = try scratch.open()
        try store.apply(.event(event(0, .start)))
        #expect(try store.events(limit: 9).map(\.count) == [2, 1])
    }

    @Test("the list gives the newest, or what follows a start, by time, kind and did")
    func list() throws {
        let store = try scratch.open()
        try store.apply((1...6).map { .event(event(Double($0) * 100, $0 % 2 == 0 ? .clock : .disk)) })
        #expect(try store.events(limit: 2).map(\.n) == [5, 6])
        #expect(try store.events(start: 2, limit: 2).map(\.n) == [2, 3])
        #expect(try store.events(limit: 9, since: 500).map(\.n) == [5, 6])
        #expect(try store.events(limit: 2, kind: .clock).map(\.n) == [4, 6])
        #expect(try store.events(start: 3, limit: 2, kind: .clock).map(\.n) == [4, 6])
        #expect(try store.events(limit: 9, did: .sample("hulk@A")).count == 6)
        #expect(try store.events(limit: 9, did: .sample("nobody")).isEmpty)
    }

    @Test("the newest are kept and numbers go on")
    func bounded() throws {
        let store = try scratch.open(.with { $0.events = 5 })
        try store.apply((1...12).map { .event(event(Double($0) * 100)) })
        #expect(try store.events(limit: 99).map(\.n) == Array(8...12))
    }

    @Test("a kind of which many come does not push out the others")
    func shares() throws {
        let limits = StoreLimits.with { $0.events = 20 }
        do {
            let store = try scratch.open(limits)
            try store.apply((1...3).map { .event(event(Double($0) * 100, .disk)) })
            try store.apply((1...3).map { .event(event(Double($0) * 100, .clone)) })
            try store.apply((1...50).map { .event(event(Double($0) * 100, .request, reason: "\($0)")) })
            #expect(try store.events(limit: 99, kind: .disk).count == 3)
            #expect(try store.events(limit: 99, kind: .request).map(\.reason) == (37...50).map { "\($0)" })
            #expect(try store.events(limit: 99).count == 20)
            store.rollback()
            #expect(try store.events(limit: 99).isEmpty)
            try store.apply((1...3).map { .event(event(Double($0) * 100, .disk)) })
            try store.apply((1...50).map { .event(event(Double($0) * 100, .request, reason: "\($0)")) })
            try store.commit()
        }
        let store = try scratch.open(limits)
        try store.apply((51...90).map { .event(event(Double($0) * 100, .gap, reason: "\($0)")) })
        #expect(try store.events(limit: 99, kind: .disk).count == 3)
        #expect(try store.events(limit: 99, kind: .gap).last?.reason == "90")
        #expect(try store.events(limit: 99, kind: .request).last?.reason == "50")
        // The two that come in numbers share what is left.
        #expect(try store.events(limit: 99, kind: .gap).count + store.events(limit: 99, kind: .request).count == 17)
        #expect(try store.events(limit: 99, kind: .gap).count >= 8)
    }

    @Test("a row that a later event joined is told once, with its count")
    func news() throws {
        let store = try scratch.open()
        try store.apply(.event(event(1)))
        try store.commit()
        _ = store.takeNews()
        try store.apply([.event(event(2)), .event(event(3))])
        let news = store.takeNews().written
        #expect(news.map(\.n) == [1])
        #expect(news.map(\.count) == [3])
    }
}
