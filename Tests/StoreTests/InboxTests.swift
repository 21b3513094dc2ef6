import Records
import TestSupport
import Testing

@testable import Store

@Suite struct InboxTests {
    let scratch: Scratch

    init() throws {
        scratch = try Scratch()
    }

    func store(rows: Int = 0, _ limits: StoreLimits = StoreLimits()) throws -> MessageStore {
        let store = try scratch.open(limits)
        for number in 1..<(rows + 1) { try store.apply(.incoming(incoming("m\(number)"))) }
        return store
    }

    @Test("every field of a row comes back")
    func fields() throws {
        let store = try store()
        var row = incoming("a", group: "g@G", content: "{\"text\":\"a\0b\"}")
        try store.apply(.incoming(row))
        row.seq = 1
        #expect(try store.incoming(seq: 1) == row)
        #expect(try store.incoming(id: "a") == row)
        #expect(try store.incoming(seq: 2) == nil)
    }

    @Test("a seq is never used again, not even when its row is gone")
    func sequence() throws {
        do {
            let store = try store(rows: 3)
            #expect(store.newestSequence == 3)
            _ = try store.prune(wall: 1e9, lived: 0)
            try store.commit()
            #expect(try store.inbox(limit: 10).isEmpty)
        }
        let store = try scratch.open()
        #expect(store.newestSequence == 3)
        try store.apply(.incoming(incoming("a")))
        #expect(try store.inbox(limit: 10).map(\.seq) == [4])
        #expect(store.takeNews().arrived == [4])
    }

    @Test("the list gives the newest, or what follows a start, of one sender or of all")
    func list() throws {
        let store = try store()
        for number in 1...6 {
            try store.apply(.incoming(incoming("\(number)", sender: number % 2 == 0 ? "x@X" : "y@Y")))
        }
        #expect(try store.inbox(limit: 2).map(\.id) == ["5", "6"])
        #expect(try store.inbox(start: 2, limit: 2).map(\.id) == ["2", "3"])
        #expect(try store.inbox(limit: 2, filter: InboxFilter(sender: .sample("x@X"))).map(\.id) == ["4", "6"])
        #expect(
            try store.inbox(start: 3, limit: 9, filter: InboxFilter(sender: .sample("x@X"))).map(\.id) == ["4", "6"])
    }

    @Test("a full inbox makes room from the oldest that every consumer has acknowledged")
    func room() throws {
        let store = try store(rows: 4, .with { $0.inboxRows = 5 })
        for name in ["fast", "slow"] { try store.put(Consumer(name: name, uid: 1, cursor: 0, created: 0)) }
        #expect(try store.inboxHasRoom(rows: 1, bytes: 1))
        try store.apply(.incoming(incoming("m5")))
        #expect(try !store.inboxHasRoom(rows: 1, bytes: 1))
        _ = try store.acknowledge(consumer: "fast", seq: 5)
        #expect(try !store.inboxHasRoom(rows: 1, bytes: 1))
        _ = try store.acknowledge(consumer: "slow", seq: 2)
        #expect(try store.inboxHasRoom(rows: 1, bytes: 1))
        #expect(try store.inbox(limit: 10).map(\.seq) == [2, 3, 4, 5])
        #expect(try store.inboxSize().count == 4)
    }

    @Test("the consumer that is behind in a full inbox is named, until it is another one")
    func laggard() throws {
        let store = try store(rows: 3, .with { $0.inboxRows = 3 })
        #expect(try !store.inboxHasRoom(rows: 1, bytes: 1))
        #expect(try store.laggard() == nil)
        try store.put(
            Consumer(name: "away", uid: 1, cursor: 0, filter: InboxFilter(sender: .sample("nobody@N")), created: 0))
        try store.put(Consumer(name: "fast", uid: 1, cursor: 2, created: 0))
        try store.put(Consumer(name: "slow", uid: 1, cursor: 0, created: 0))
        #expect(try !store.inboxHasRoom(rows: 1, bytes: 1))
        for _ in 0..<2 { #expect(try store.laggard() == "slow") }
        _ = try store.acknowledge(consumer: "slow", seq: 3)
        #expect(try store.laggard() == "fast")
    }

    @Test("a full inbox counts bytes too")
    func bytes() throws {
        let store = try store(rows: 4, .with { $0.inboxBytes = 4 * 13 })
        #expect(try !store.inboxHasRoom(rows: 1, bytes: 1))
        try store.put(Consumer(name: "c", uid: 1, cursor: 4, created: 0))
        #expect(try store.inboxHasRoom(rows: 1, bytes: 1))
        #expect(try store.inboxSize() == (3, 39))
    }

    @Test("room is for all rows and bytes that are asked for, and what was read makes as much as is needed")
    func roomForMany() throws {
        let store = try store(rows: 8, .with { ($0.inboxRows, $0.inboxBytes) = (10, 13 * 10) })
        try store.put(Consumer(name: "c", uid: 1, cursor: 0, created: 0))
        #expect(try store.inboxHasRoom(rows: 2, bytes: 26))
        #expect(try !store.inboxHasRoom(rows: 3, bytes: 1))
        #expect(try !store.inboxHasRoom(rows: 1, bytes: 27))
        // A batch that found no room keeps nothing smaller out.
        #expect(try store.inboxHasRoom(rows: 1, bytes: 13))
        _ = try store.acknowledge(consumer: "c", seq: 5)
        #expect(try !store.inboxHasRoom(rows: 8, bytes: 1))
        #expect(try store.inbox(limit: 9).map(\.seq) == [6, 7, 8])
        #expect(try store.inboxHasRoom(rows: 7, bytes: 13 * 7))
        _ = try store.acknowledge(consumer: "c", seq: 8)
        #expect(try store.inboxHasRoom(rows: 64, bytes: 1 << 20))
        #expect(try store.inboxSize() == (0, 0))
    }

    @Test("without a consumer nothing is acknowledged, so a full inbox stays full")
    func nobody() throws {
        let store = try store(rows: 3, .with { $0.inboxRows = 3 })
        #expect(try !store.inboxHasRoom(rows: 1, bytes: 1))
        #expect(try store.inboxSize().count == 3)
        _ = try store.prune(wall: 1e9, lived: 0)
        #expect(try store.inboxHasRoom(rows: 1, bytes: 1))
    }

    @Test("a consumer that is forgotten holds nothing back")
    func forgotten() throws {
        let store = try store(rows: 3, .with { $0.inboxRows = 3 })
        try store.put(Consumer(name: "dead", uid: 1, cursor: 0, created: 0))
        try store.put(Consumer(name: "reads", uid: 1, cursor: 3, created: 0))
        #expect(try !store.inboxHasRoom(rows: 1, bytes: 1))
        #expect(try store.forget(consumer: "dead"))
        #expect(try store.inboxHasRoom(rows: 1, bytes: 1))
    }

    @Test("what a filter leaves out is acknowledged, and makes room behind what is not")
    func filtered() throws {
        let store = try store(.with { $0.inboxRows = 3 })
        try store.put(
            Consumer(
                name: "c", uid: 1, cursor: 0, filter: InboxFilter(sender: .sample("x@X"), group: .sample("g@G")),
                created: 0))
        try store.apply([
            .incoming(incoming("1", sender: "x@X", group: "g@G")), .incoming(incoming("2", sender: "x@X")),
            .incoming(incoming("3")),
        ])
        #expect(try store.inboxHasRoom(rows: 1, bytes: 1))
        #expect(try store.inbox(limit: 9).map(\.id) == ["1", "3"])
    }

    @Test("rows go after their time, once every consumer has acknowledged them, and not by an unset clock")
    func pruned() throws {
        let day = 86_400.0
        let store = try store()
        try store.put(Consumer(name: "c", uid: 1, cursor: 0, created: 0))
        try store.apply([
            .incoming(incoming("1", received: 1_000)), .incoming(incoming("2", received: 1_000)),
            .incoming(incoming("3", received: 1_000 + day)), .incoming(incoming("4", received: 0)),
        ])
        _ = try store.acknowledge(consumer: "c", seq: 1)
        _ = try store.prune(wall: 0, lived: 1e9)
        #expect(try store.inboxSize().count == 4)
        _ = try store.prune(wall: 1_001 + 30 * day, lived: 0)
        #expect(try store.inbox(limit: 9).map(\.id) == ["2", "3", "4"])
        _ = try store.acknowledge(consumer: "c", seq: 4)
        _ = try store.prune(wall: 1_001 + 30 * day, lived: 0)
        #expect(try store.inbox(limit: 9).map(\.id) == ["3", "4"])
        #expect(try store.inboxSize() == (2, 26))
    }
}
