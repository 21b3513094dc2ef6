import Records
import TestSupport
import Testing

@testable import Store

@Suite struct OutboxTests {
    let scratch: Scratch
    let store: MessageStore

    init() throws {
        scratch = try Scratch()
        store = try scratch.open()
    }

    @Test("a new row gets the next order, a replaced one keeps its own")
    func order() throws {
        try store.apply([
            .outgoing(outgoing("a")), .outgoing(outgoing("b")), .outgoing(outgoing("a", state: .published)),
        ])
        #expect(try store.outgoing(id: "a")?.order == 1)
        #expect(try store.outgoing(id: "a")?.state == .published)
        #expect(try store.outgoing(id: "b")?.order == 2)
    }

    @Test("every field of a row comes back, empty and binary ones too")
    func fields() throws {
        var row = outgoing("a", ref: "\0ref", content: "", data: [])
        row.request = []
        row.reason = "not-understood"
        (row.published, row.delivered, row.attempts, row.due) = (1.5, 2.5, 3, 4.5)
        row.body = .sealed(
            content: "", .init(digest: [0, 0], data: [1], signature: [], iv: [0], key: nil))
        try store.apply(.outgoing(row))
        row.order = 1
        #expect(try store.outgoing(id: "a") == row)
        row.due = nil
        row.recipient = .member(.sample("hulk@A"), of: .sample("crew@G"))
        for body in [
            .sealed(content: "{}", .init(digest: [0], data: [0], signature: [0], iv: nil, key: "{}")), row.spent.body,
            .none, .content("{}"),
        ] as [Outgoing.RowBody] {
            row.body = body
            try store.apply(.outgoing(row))
            #expect(try store.outgoing(id: "a") == row)
            #expect(try store.outgoing(id: "a")?.recipient == row.recipient)
        }
    }

    @Test("a row is found by ref, digest and serial number")
    func found() throws {
        try store.apply([
            .outgoing(outgoing("a", sn: 7, ref: "r", data: [1])), .outgoing(outgoing("b", sn: 7, data: [2])),
            .outgoing(outgoing("c", sn: 8, receiver: "other@C", ref: "r")),
        ])
        #expect(try store.outgoing(sender: .sample("moki@B"), receiver: .sample("hulk@A"), ref: "r")?.id == "a")
        #expect(try store.outgoing(sender: .sample("moki@B"), receiver: .sample("other@C"), ref: "r")?.id == "c")
        #expect(try store.outgoing(sender: .sample("moki@B"), receiver: .sample("hulk@A"), ref: "s") == nil)
        #expect(try store.outgoing(digest: [9, 2])?.id == "b")
        #expect(try store.outgoing(digest: [9, 3]) == nil)
        #expect(try store.outgoing(sn: 7).map(\.id) == ["b", "a"])
    }

    @Test("an ended row is still found by the digest of the ciphertext that it gave up")
    func lateReceipt() throws {
        try store.apply([.outgoing(outgoing("a", data: [1])), .outgoing(outgoing("a", content: "", state: .expired))])
        #expect(try store.outgoing(digest: [9, 1])?.state == .expired)
        #expect(try store.outgoing(id: "a")?.trace == nil)
    }

    @Test("those that have been due for longest come, in the order of acceptance, only living ones, only to the limit")
    func due() throws {
        try store.apply([
            .outgoing(outgoing("late", due: 50)), .outgoing(outgoing("a", due: 9)), .outgoing(outgoing("b", due: 1)),
            .outgoing(outgoing("ended", state: .failed, due: 1)), .outgoing(outgoing("never")),
            .outgoing(outgoing("c", state: .waiting, due: 10)),
        ])
        #expect(try store.dueOutgoing(at: 10, limit: 10).map(\.id) == ["a", "b", "c"])
        #expect(try store.dueOutgoing(at: 10, limit: 2).map(\.id) == ["a", "b"])
        #expect(try store.dueOutgoing(at: 10, limit: 1).map(\.id) == ["b"])
        #expect(try store.nextDue() == 1)
        try store.apply([.outgoing(outgoing("b", state: .cancelled, due: 1)), .outgoing(outgoing("a"))])
        #expect(try store.nextDue() == 10)
    }

    @Test("there is no next due time in an empty outbox")
    func nothingDue() throws {
        #expect(try store.nextDue() == nil)
    }

    @Test("waiting rows are found by whom they wait for")
    func waiting() throws {
        try store.apply([
            .outgoing(outgoing("a", receiver: "x@X", state: .waiting)),
            .outgoing(outgoing("b", receiver: "y@Y", state: .waiting)),
            .outgoing(outgoing("c", receiver: "x@X", state: .waiting)), .outgoing(outgoing("d", receiver: "z@Z")),
        ])
        #expect(try store.waitingOutgoing(receiver: .sample("x@X"), after: 0, limit: 10).map(\.id) == ["a", "c"])
        #expect(try store.waitingOutgoing(receiver: .sample("x@X"), after: 1, limit: 10).map(\.id) == ["c"])
        #expect(try Set(store.awaitedReceivers(limit: 10)) == [.sample("x@X"), .sample("y@Y")])
        #expect(try store.awaitedReceivers(limit: 1).count == 1)
    }

    @Test("whole messages are read only as far as they fit into memory")
    func portions() throws {
        let content = String(repeating: "x", count: 1 << 20)
        for number in 1...9 {
            try store.apply(
                .outgoing(outgoing("\(number)", receiver: "x@X", content: content, state: .waiting, due: 1)))
        }
        #expect(
            try store.waitingOutgoing(receiver: .sample("x@X"), after: 0, limit: 9).map(\.id) == ["1", "2", "3", "4"])
        #expect(try store.waitingOutgoing(receiver: .sample("x@X"), after: 8, limit: 9).map(\.id) == ["9"])
        #expect(try store.dueOutgoing(at: 1, limit: 9).count == 4)
        #expect(try store.expiredOutgoing(at: 9_000, limit: 9).count == 4)
    }

    @Test("what has expired is found by its time, and only while it lives")
    func expired() throws {
        try store.apply([.outgoing(outgoing("a")), .outgoing(outgoing("b", state: .expired))])
        #expect(try store.nextExpiry() == 9_000)
        #expect(try store.expiredOutgoing(at: 8_999, limit: 9).isEmpty)
        #expect(try store.expiredOutgoing(at: 9_000, limit: 9).map(\.id) == ["a"])
        try store.apply(.outgoing(outgoing("a", state: .delivered)))
        #expect(try store.nextExpiry() == nil)
    }

    @Test("pruning takes a portion at a time, and says when it is done")
    func prunedInPortions() throws {
        for number in 0..<600 {
            try store.apply(.outgoing(outgoing("\(number)", state: .delivered)))
            try store.apply(.incoming(incoming("\(number)", received: 1)))
            try store.apply(.accepted(accepted([UInt8(number / 256), UInt8(number % 256)], time: 1)))
        }
        let day = 86_400.0
        while try store.prune(wall: 1e9, lived: 0) {}
        #expect(try store.inboxSize().count == 0)
        #expect(try store.database.first("SELECT count(*) FROM seen") { $0.int(0) } == 0)
        #expect(try store.prune(wall: 1e9 + 31 * day, lived: 0))
        let left = try store.outbox(limit: 1000).count
        #expect(left > 0 && left < 600)
        #expect(try store.prune(wall: 1e9 + 31 * day, lived: 0))
        #expect(try !store.prune(wall: 1e9 + 31 * day, lived: 0))
        #expect(try store.outbox(limit: 1000).isEmpty)
    }

    @Test("the size counts living rows, their contents and ciphertexts, through every change")
    func size() throws {
        #expect(try store.outboxSize() == (0, 0))
        try store.apply(.outgoing(outgoing("a", content: "12345")))
        #expect(try store.outboxSize() == (1, 5))
        try store.apply(.outgoing(outgoing("a", content: "12345", data: [1, 2])))
        #expect(try store.outboxSize() == (1, 7))
        try store.apply(.outgoing(outgoing("b", content: "é")))
        #expect(try store.outboxSize() == (2, 9))
        try store.apply(.outgoing(outgoing("a", content: "", state: .delivered)))
        #expect(try store.outboxSize() == (1, 2))
        try store.apply(.outgoing(outgoing("a", content: "", state: .delivered)))
        #expect(try store.outboxSize() == (1, 2))
    }

    @Test("what was published to a stock peer takes no room: nothing more is due")
    func stock() throws {
        try store.apply(.outgoing(outgoing("a", content: "12345", state: .published, due: 7)))
        #expect(try store.outboxSize().count == 1)
        try store.apply(.outgoing(outgoing("a", content: "12345", state: .published)))
        #expect(try store.outboxSize().count == 0)
        #expect(try store.outgoing(id: "a")?.state == .published)
    }

    @Test("the list gives the newest, or what follows a start, of one state or of all")
    func list() throws {
        for number in 1...6 {
            try store.apply(.outgoing(outgoing("\(number)", state: number % 2 == 0 ? .queued : .published)))
        }
        #expect(try store.outbox(limit: 2).map(\.id) == ["5", "6"])
        #expect(try store.outbox(start: 2, limit: 2).map(\.id) == ["2", "3"])
        #expect(try store.outbox(state: .queued, start: 3, limit: 5).map(\.id) == ["4", "6"])
        #expect(try store.outbox(state: .queued, limit: 2).map(\.id) == ["4", "6"])
        #expect(try store.outboxStates() == [.queued: 3, .published: 3])
    }

    @Test("ended rows go 30 days after their end by either clock, living ones never")
    func pruned() throws {
        let day = 86_400.0
        try store.apply([.outgoing(outgoing("old", ref: "r", state: .delivered)), .outgoing(outgoing("lives"))])
        _ = try store.prune(wall: 0, lived: 100)
        _ = try store.prune(wall: 0, lived: 100 + 30 * day)
        #expect(try store.outgoing(sender: .sample("moki@B"), receiver: .sample("hulk@A"), ref: "r") != nil)
        _ = try store.prune(wall: 0, lived: 101 + 30 * day)
        #expect(try store.outgoing(id: "old") == nil)
        #expect(try store.database.first("SELECT count(*) FROM outbox_body") { $0.int(0) } == 1)

        try store.apply(.outgoing(outgoing("wall", state: .delivered)))
        _ = try store.prune(wall: 1e9, lived: 200 + 30 * day)
        _ = try store.prune(wall: 0, lived: 300 + 30 * day)
        #expect(try store.outgoing(id: "wall") != nil)
        _ = try store.prune(wall: 1e9 + 31 * day, lived: 300 + 30 * day)
        #expect(try store.outgoing(id: "wall") == nil)
        #expect(try store.outgoing(id: "lives") != nil)
        #expect(try store.outboxSize() == (1, 2))
    }

    @Test("ten thousand rows are kept, counted and found")
    func many() throws {
        for number in 0..<10_000 {
            try store.apply(
                .outgoing(
                    outgoing(
                        "m\(number)", sn: Int64(number), due: Double(number), data: [UInt8](repeating: 1, count: 64))))
        }
        try store.commit()
        #expect(try store.outboxSize() == (10_000, 660_000))
        #expect(try store.dueOutgoing(at: 1e9, limit: 3).map(\.id) == ["m0", "m1", "m2"])
        #expect(try store.outgoing(sn: 9_999).map(\.id) == ["m9999"])
        #expect(try store.nextDue() == 0)
    }
}
