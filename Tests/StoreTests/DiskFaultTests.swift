import Foundation
import Records
import Testing

@testable import Store

/// One script of turns, with a fault at each of its calls to the disk, one after the other.
///
/// A turn is there in whole or not at all, and there when its commit said so. A turn that failed is tried again, as the
/// daemon's loop does; so after a passing fault the end is that of the undisturbed script, row by row.
@Suite struct DiskFaultTests {
    typealias Turn = @Sendable (MessageStore) throws -> Void

    static let long = String(repeating: "x", count: 5_000)
    static let day = 86_400.0

    /// Every sort of write, small and large, with the log moved into the file between.
    static let script: [Turn] = [
        send, receive, subscribe, park, happen, checkpoint, go, read, release, prune, checkpoint, end,
    ]

    static let body = Array(long.utf8)

    @Sendable static func send(_ store: MessageStore) throws {
        for number in 1...4 {
            let rows = [outgoing("o\(number)", ref: "r\(number)"), outgoing("p\(number)")]
            try store.apply(sealed(Int64(number), rows, data: body, due: 5))
        }
    }

    @Sendable static func receive(_ store: MessageStore) throws {
        try store.apply(.incoming(incoming("i1")))
        try store.apply(.accepted(accepted([1])))
        try store.apply(.value(.lived, "17"))
    }

    @Sendable static func subscribe(_ store: MessageStore) throws {
        try store.put(Consumer(name: "lamp", uid: 7, cursor: 0, created: 3))
    }

    @Sendable static func park(_ store: MessageStore) throws {
        for number in 1...3 { try store.apply(.park(parked(number, since: Double(number), wire: body))) }
        try store.apply(.park(parked(9, sender: "friend@F", isVerified: true)))
    }

    @Sendable static func happen(_ store: MessageStore) throws {
        try store.apply(.event(event(1_000)))
        try store.apply(.event(event(1_010, text: "again")))
    }

    @Sendable static func checkpoint(_ store: MessageStore) throws {
        try store.checkpoint()
    }

    @Sendable static func go(_ store: MessageStore) throws {
        let (first, second) = (outgoing("o1", ref: "r1"), outgoing("o2", ref: "r2"))
        try store.apply(
            .moved(
                from: pointing(first, to: 1), to: pointing(outgoing("o1", ref: "r1", state: .delivered), to: 1)))
        try store.apply(
            .moved(from: pointing(second, to: 2), to: pointing(outgoing("o2", ref: "r2", state: .published), to: 2)))
        try store.apply(.attempted(shipment(2, of: [second], data: body, due: 50)))
        try store.apply(.incoming(incoming("i2", content: long)))
        try store.apply(.accepted(accepted([2], time: nil)))
        try store.apply(.accepted(accepted([1], isOwed: false)))
    }

    @Sendable static func read(_ store: MessageStore) throws {
        _ = try store.next(for: "lamp", after: 0, limit: 9)
        _ = try store.acknowledge(consumer: "lamp", seq: 1)
    }

    @Sendable static func release(_ store: MessageStore) throws {
        try store.apply(.unpark(number: 1))
        try store.apply(.unparkAll(sender: .sample("F")))
        try store.apply(.forgetAccepted(owner: .sample("B"), sender: .sample("A")))
    }

    @Sendable static func prune(_ store: MessageStore) throws {
        let wall: Double = 1_001 + 32 * day
        let lived: Double = 2 + 7 * day
        _ = try store.prune(wall: wall, lived: lived)
    }

    @Sendable static func end(_ store: MessageStore) throws {
        try store.apply(.outgoing(outgoing("o5", sn: 5)))
        try store.apply(.incoming(incoming("i3", received: 2_000)))
        try store.apply(.event(event(2_000, .disk)))
        try store.apply(.value(.lived, nil))
        try store.apply(.value(.wall, "18"))
        _ = try store.forget(consumer: "lamp")
    }

    /// What the script leaves after each number of turns on a disk that works.
    struct Reference {
        var dumps: [[String]] = []
        var news: [String] = []
        var changes = 0

        init() throws {
            let scratch = try Scratch()
            let disk = try Disk(scratch)
            let store = try scratch.open()
            dumps = [try dump(store)]
            for turn in script {
                news.append(try #require(run(turn, store), "a turn failed on a sound disk"))
                dumps.append(try dump(store))
            }
            changes = disk.count
            withExtendedLifetime(store) {}
        }
    }

    @Test(
        "a turn that meets a full disk, a short write or an input/output error is undone and succeeds when tried again")
    func passing() throws {
        let reference = try Reference()
        #expect(reference.changes > 50)
        for fault in [Disk.Fault.full, .short, .error] {
            for nth in 1...reference.changes {
                try withPassing(fault, nth: nth, length: 1, reference)
            }
        }
    }

    @Test("so does a turn that is tried on a disk that fails for long")
    func lasting() throws {
        let reference = try Reference()
        for fault in [Disk.Fault.full, .error] {
            for nth in stride(from: 1, through: reference.changes, by: 2) {
                try withPassing(fault, nth: nth, length: 9, reference)
            }
        }
    }

    private func withPassing(_ fault: Disk.Fault, nth: Int, length: Int, _ reference: Reference) throws {
        let what: Comment = "\(fault) at call \(nth)"
        let scratch = try Scratch()
        let disk = try Disk(scratch)
        disk.fail(fault, nth: nth, length: length)
        do {
            let store = try opened(scratch, tries: length)
            #expect(store.damage == nil, what)
            for (index, turn) in Self.script.enumerated() {
                let news = try tried(turn, store, tries: length, undone: { try dump(store) == reference.dumps[index] })
                #expect(news == reference.news[index], what)
            }
            #expect(try dump(store) == reference.dumps.last, what)
            // What a failed sync was to bring to the disk must have been written again.
            disk.fail(.cut, nth: 1)
        }
        disk.settle(0)
        try expect(scratch, [reference.dumps[Self.script.count]], what)
    }

    @Test("a power cut at any call leaves every turn that was committed, and none in part", arguments: 0...3)
    func cut(chance: Int) throws {
        let reference = try Reference()
        for nth in 1...reference.changes {
            let scratch = try Scratch()
            let disk = try Disk(scratch)
            disk.fail(.cut, nth: nth)
            var done = 0
            if let store = try? scratch.open() {
                for turn in Self.script {
                    guard run(turn, store) != nil else { break }
                    done += 1
                }
            }
            disk.settle(chance < 2 ? chance : chance + nth)
            // The turn of the cut may be there; its commit has promised nothing.
            let allowed = Array(reference.dumps[done...min(done + 1, Self.script.count)])
            try expect(scratch, allowed, "power cut at call \(nth), \(done) turns done")
        }
    }

    @Test("a read that fails is an error, not a damaged file, and passes")
    func unreadable() throws {
        let reference = try Reference()
        let scratch = try Scratch()
        do {
            let store = try scratch.open()
            for turn in Self.script { _ = run(turn, store) }
        }
        let disk = try Disk(scratch)
        disk.heal(.reads)
        #expect(try dump(scratch.open()) == reference.dumps.last)
        let reads = disk.count
        #expect(reads > 5)
        for nth in 1...reads {
            let what: Comment = "read \(nth) fails"
            disk.fail(.error, .reads, nth: nth)
            do {
                let store = try opened(scratch, tries: 1)
                #expect(store.damage == nil, what)
                let first = try? dump(store)
                let found = try first ?? dump(store)
                #expect(found == reference.dumps.last, what)
            }
        }
        disk.heal()
        #expect(!FileManager.default.fileExists(atPath: scratch.path + ".bad"))
    }

    // MARK: - Steps

    /// The turn again and again, as often as the disk may fail.
    private func tried(_ turn: Turn, _ store: MessageStore, tries: Int, undone: () throws -> Bool) throws -> String? {
        for _ in 0...tries {
            if let news = run(turn, store) { return news }
            let isUndone = try undone()
            #expect(isUndone)
        }
        return nil
    }

    private func opened(_ scratch: Scratch, tries: Int) throws -> MessageStore {
        for _ in 0..<tries {
            if let store = try? scratch.open() { return store }
        }
        return try scratch.open()
    }

    /// Opens on a sound disk and looks: one of these states in whole, nothing damaged, the sums right.
    private func expect(_ scratch: Scratch, _ allowed: [[String]], _ what: Comment) throws {
        let store = try scratch.open()
        #expect(store.damage == nil, what)
        let found = try dump(store)
        #expect(allowed.contains(found), what)
        #expect(try store.database.rows("PRAGMA integrity_check") { $0.text(0) } == ["ok"], what)
    }
}

/// The news of the turn when its commit said that it is on disk; `nil` when it failed and was undone.
private func run(_ turn: DiskFaultTests.Turn, _ store: MessageStore) -> String? {
    do {
        try turn(store)
        try store.commit()
        return "\(store.takeNews())"
    } catch {
        store.rollback()
        return nil
    }
}

/// Every row of every table, and the sums that the store keeps.
private func dump(_ store: MessageStore) throws -> [String] {
    var found = ["\(try store.outboxSize()) \(try store.inboxSize())"]
    for table in try store.database.rows(
        "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name", [], { $0.text(0) })
    {
        let columns = try store.database.rows(
            "SELECT name FROM pragma_table_info('\(table)')", [], { $0.text(0) })
        let row = columns.map { "quote([\($0)])" }.joined(separator: " || ' ' || ")
        found += try store.database.rows("SELECT \(row) FROM \(table) ORDER BY 1") { "\(table) \($0.text(0))" }
    }
    return found
}
