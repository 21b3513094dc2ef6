import Foundation
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
        var row = outgoing("a", ref: "\0ref", content: "")
        row.request = []
        row.reason = "not-understood"
        (row.published, row.delivered, row.attempts, row.due) = (1.5, 2.5, 3, 4.5)
        row.recipient = .member(.sample("hulk@A"), of: .sample("crew@G"))
        try store.apply(.outgoing(row))
        row.order = 1
        #expect(try store.outgoing(id: "a") == row)
        #expect(try store.outgoing(id: "a")?.recipient == row.recipient)
    }

    @Test("a row is found by ref")
    func found() throws {
        try store.apply([
            .outgoing(outgoing("a", sn: 7, ref: "r")), .outgoing(outgoing("b", sn: 7)),
            .outgoing(outgoing("c", sn: 8, receiver: "other@C", ref: "r")),
        ])
        #expect(
            try store.outgoing(sender: .sample("moki@B"), receiver: .sample("hulk@A"), group: nil, ref: "r")?.id == "a")
        #expect(
            try store.outgoing(sender: .sample("moki@B"), receiver: .sample("other@C"), group: nil, ref: "r")?.id == "c"
        )
        #expect(try store.outgoing(sender: .sample("moki@B"), receiver: .sample("hulk@A"), group: nil, ref: "s") == nil)
    }

    @Test("no content is kept of a row that is sealed, or that ended before")
    func content() throws {
        try store.apply([.outgoing(outgoing("a")), .outgoing(outgoing("b")), .outgoing(outgoing("c"))])
        func kept() throws -> Int? { try store.database.first("SELECT count(*) FROM outbox_content") { $0.int(0) } }
        #expect(try kept() == 3)
        try store.apply(sealed(1, [try #require(try store.outgoing(id: "a"))]))
        #expect(try kept() == 2)
        try store.apply(.outgoing(outgoing("b", content: "", state: .expired)))
        #expect(try kept() == 1)
    }

    @Test("what an attempt and a broker's word write has nothing to do with the length of the message")
    func cheap() throws {
        let body = Shipment.Ciphertext(data: [UInt8](repeating: 1, count: 1 << 20), iv: [8], key: "{}")
        let new = (0..<64).map { pointing(outgoing("\($0)"), to: 1) }
        try store.apply(.sealed(shipment(1, of: new), body, new))
        try store.commit()
        try store.checkpoint()
        func log() throws -> Int {
            let attributes = try FileManager.default.attributesOfItem(atPath: scratch.path + "-wal")
            return (attributes[.size] as? NSNumber)?.intValue ?? -1
        }
        #expect(try log() == 0)
        let rows = try store.outgoing(shipment: 1)
        var taken = rows[0]
        taken.state = .published
        try store.apply([.attempted(shipment(1, of: rows, due: 9)), .moved(from: rows[0], to: taken)])
        try store.commit()
        #expect(try log() < 100_000)
    }

    @Test("a new row asks nothing of the table, and one change of all rows is one statement")
    func statements() throws {
        try store.apply(sealed(1, (0..<64).map { outgoing("\($0)") }))
        let rows = try store.outgoing(shipment: 1)
        var delivered = rows[0]
        (delivered.state, delivered.due) = (.delivered, nil)
        let before = store.database.runs
        try store.apply(.moved(from: rows[0], to: delivered))
        #expect(store.database.runs - before < 8)
        let second = store.database.runs
        try store.apply(sealed(2, (0..<64).map { outgoing("b\($0)") }, data: [2]))
        #expect(store.database.runs - second < 70)
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
        try store.apply(sealed(1, [outgoing("c"), outgoing("d")], data: [1, 2]))
        #expect(try store.outboxSize() == (3, 7))
        try store.commit()
        #expect(try scratch.open().outboxSize() == (3, 7))
        for id in ["c", "d"] {
            var row = try #require(try store.outgoing(id: id))
            (row.state, row.due) = (.delivered, nil)
            try store.apply(.outgoing(row))
        }
        #expect(try store.outboxSize() == (1, 5))
        try store.apply(.outgoing(outgoing("b", content: "é")))
        #expect(try store.outboxSize() == (2, 7))
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
        #expect(try store.outgoing(sender: .sample("moki@B"), receiver: .sample("hulk@A"), group: nil, ref: "r") != nil)
        _ = try store.prune(wall: 0, lived: 101 + 30 * day)
        #expect(try store.outgoing(id: "old") == nil)
        #expect(try store.database.first("SELECT count(*) FROM outbox_content") { $0.int(0) } == 1)

        try store.apply(.outgoing(outgoing("wall", state: .delivered)))
        _ = try store.prune(wall: 1e9, lived: 200 + 30 * day)
        _ = try store.prune(wall: 0, lived: 300 + 30 * day)
        #expect(try store.outgoing(id: "wall") != nil)
        _ = try store.prune(wall: 1e9 + 31 * day, lived: 300 + 30 * day)
        #expect(try store.outgoing(id: "wall") == nil)
        #expect(try store.outgoing(id: "lives") != nil)
        #expect(try store.outboxSize() == (1, 2))
    }

    @Test("a shipment goes with the last of its rows, though they are pruned in portions")
    func prunedShipments() throws {
        let day = 86_400.0
        let rows = (0..<300).map { outgoing("\($0)", state: .delivered) }
        try store.apply([sealed(1, rows), sealed(2, [outgoing("lives")], data: [2])])
        #expect(try store.prune(wall: 0, lived: 1))
        _ = try store.prune(wall: 0, lived: 2)
        #expect(try store.prune(wall: 0, lived: 5 + 30 * day))
        #expect(try store.outgoing(shipment: 1).count == 50)
        #expect(try store.shipment(1) != nil)
        _ = try store.prune(wall: 0, lived: 5 + 30 * day)
        #expect(try store.outgoing(shipment: 1).isEmpty)
        #expect(try store.shipment(1) == nil)
        #expect(try store.shipment(2) != nil && store.outgoing(id: "lives") != nil)
        #expect(try store.nextShipment() == 3)
    }

    @Test("ten thousand rows are kept, counted and found")
    func many() throws {
        for number in 0..<10_000 {
            try store.apply(
                sealed(
                    Int64(number) + 1, [outgoing("m\(number)")], data: [UInt8](repeating: 1, count: 64),
                    sn: Int64(number), due: Double(number)))
        }
        try store.commit()
        #expect(try store.outboxSize() == (10_000, 640_000))
        #expect(try store.dueShipments(at: 1e9, limit: 3).map(\.number) == [1, 2, 3])
        #expect(try store.shipments(sn: 9_999, receiver: .sample("hulk@A")).map(\.number) == [10_000])
        #expect(try store.nextDue() == 0)
    }

    @Test("a row that was set aside is no part of its shipment any more, nor says when that expires")
    func setAside() throws {
        var early = outgoing("early")
        early.expires = 100
        try store.apply(sealed(1, [early, outgoing("late")]))
        try store.commit()
        try store.database.run("UPDATE outbox SET receiver = x'ff' WHERE id = 'early'")
        #expect(try store.outgoing(shipment: 1).map(\.id) == ["late"])
        try store.commit()
        #expect(try store.outgoing(shipment: 1).map(\.id) == ["late"])
        // Nothing more is looked for in all tables.
        #expect(!store.database.hasUnreadable)
        #expect(try store.nextExpiry() == 9_000)
    }

    @Test("a ciphertext that outlived its shipment does not stand in the way of the next with its number")
    func numberAgain() throws {
        try store.apply(sealed(1, [outgoing("a")]))
        try store.commit()
        try store.database.run("DELETE FROM shipments")
        try store.database.run("DELETE FROM outbox")
        try store.apply(sealed(1, [outgoing("b")], data: [2, 3]))
        try store.commit()
        #expect(try store.ciphertext(of: 1)?.data == [2, 3])
    }

    @Test("a shipment that is not to be sent again keeps no ciphertext")
    func over() throws {
        try store.apply(sealed(1, [outgoing("a")], data: [1, 2, 3]))
        try store.apply(.attempted(shipment(1, of: [outgoing("a")], due: nil)))
        try store.commit()
        #expect(try store.ciphertext(of: 1) == nil)
        #expect(try store.outboxSize().bytes == 0)
        #expect(try store.nextDue() == nil)
    }
}
