import DIMP
import Foundation
import Records
import TestSupport
import Testing

@testable import Store

@Suite struct MessageStoreTests {
    let scratch: Scratch

    init() throws {
        scratch = try Scratch()
    }

    @Test("what was committed is there after opening again")
    func reopened() throws {
        do {
            let store = try scratch.open()
            try store.apply([
                sealed(1, [outgoing("a", ref: "r")], data: [1, 2, 3]), .incoming(incoming("b")),
                .accepted(accepted([1])),
                .park(parked(1)), .event(event(1)), .value(.wall, "v"),
            ])
            #expect(store.hasChanges)
            try store.commit()
            #expect(!store.hasChanges)
        }
        let store = try scratch.open()
        var expected = pointing(outgoing("a", ref: "r"), to: 1)
        expected.order = 1
        #expect(try store.outgoing(id: "a") == expected)
        #expect(try store.inbox(limit: 10).map(\.id) == ["b"])
        #expect(try store.accepted(owner: .sample("B"), sender: .sample("A"), digest: [1]) == accepted([1]))
        #expect(
            try store.parked(sender: .sample("A"), isVerified: false, after: 0, limit: 10).map(\.wire) == [[0, 1, 2]])
        #expect(try store.events(limit: 10).map(\.text) == ["words"])
        #expect(try store.value(.wall) == "v")
        #expect(try store.ciphertext(of: 1)?.data == [1, 2, 3])
        #expect(try store.outboxSize() == (1, 3))
        #expect(try store.inboxSize() == (1, 13))
        #expect(store.damage == nil)
    }

    @Test("what was rolled back was never there, sums and news included")
    func rolledBack() throws {
        let store = try scratch.open()
        try store.apply([.outgoing(outgoing("a")), .incoming(incoming("b")), .event(event(1))])
        try store.commit()
        let news = store.takeNews()
        #expect(news.arrived == [1])
        #expect(news.written.map(\.n) == [1])
        try store.apply([
            .outgoing(outgoing("a", state: .delivered)), .outgoing(outgoing("c")), .incoming(incoming("d")),
            .event(event(1)), .value(.wall, "v"), .park(parked(1)),
        ])
        #expect(store.parking.unverified == 1)
        store.rollback()
        #expect(!store.hasChanges)
        #expect(try store.outgoing(id: "a")?.state == .queued)
        #expect(try store.outgoing(id: "c") == nil)
        #expect(try store.outboxSize() == (1, 2))
        #expect(try store.inboxSize().count == 1)
        #expect(try store.events(limit: 10).map(\.count) == [1])
        #expect(try store.value(.wall) == nil)
        #expect(store.parking == ParkingCount())
        #expect(store.eventCounts.values.reduce(0, +) == 1)
        #expect(store.takeNews() == ([], []))
    }

    @Test("a kill in the middle of a turn leaves the turn before")
    func killed() throws {
        let store = try scratch.open()
        try store.apply(.incoming(incoming("kept")))
        try store.commit()
        try store.apply([.incoming(incoming("lost")), .outgoing(outgoing("lost"))])
        let copy = try Scratch()
        for ending in ["", "-wal"] {
            try FileManager.default.copyItem(atPath: scratch.path + ending, toPath: copy.path + ending)
        }
        let survivor = try copy.open()
        #expect(try survivor.inbox(limit: 10).map(\.id) == ["kept"])
        #expect(try survivor.outboxSize() == (0, 0))
        #expect(survivor.damage == nil)
    }

    @Test("a full disk undoes the turn and says that it is full; later turns work")
    func full() throws {
        let store = try scratch.open()
        try store.apply(.incoming(incoming("first")))
        try store.commit()
        let pages = try #require(try store.database.first("PRAGMA page_count") { $0.int(0) })
        _ = try store.database.first("PRAGMA max_page_count = \(pages + 2)") { $0.int(0) }
        let error = #expect(throws: LedgerError.self) {
            for number in 0..<1_000 {
                try store.apply(.incoming(incoming("n\(number)", content: String(repeating: "x", count: 2_000))))
            }
        }
        #expect(error?.isFull == true)
        #expect(error?.description == "cannot write messages.sqlite: database or disk is full")
        #expect(!store.hasChanges)
        #expect(try store.inbox(limit: 10).map(\.id) == ["first"])
        #expect(try store.inboxSize().count == 1)
        try store.apply(.value(.wall, "fits"))
        try store.commit()
        _ = try store.database.first("PRAGMA max_page_count = 100000") { $0.int(0) }
        try store.apply(.incoming(incoming("second", content: String(repeating: "x", count: 20_000))))
        try store.commit()
        #expect(try store.inbox(limit: 10).map(\.id) == ["first", "second"])
    }

    @Test("a damaged file is moved aside and reported, and an empty store takes its place", arguments: [100, 20_000])
    func damaged(size: Int) throws {
        try Data(repeating: 0x41, count: size).write(to: URL(fileURLWithPath: scratch.path))
        let store = try scratch.open()
        #expect(store.damage == "messages.sqlite is damaged and was moved to messages.sqlite.bad")
        #expect(try Data(contentsOf: URL(fileURLWithPath: scratch.path + ".bad")).count == size)
        try store.apply(.incoming(incoming("a")))
        try store.commit()
        #expect(try store.inbox(limit: 10).count == 1)
    }

    @Test("a database with a torn page inside is moved aside with its log; a second one gets a name of its own")
    func torn() throws {
        for name in ["messages.sqlite.bad", "messages.sqlite.bad.1"] {
            do {
                let store = try scratch.open()
                for number in 0..<200 { try store.apply(.incoming(incoming("\(number)"))) }
                try store.commit()
                try store.checkpoint()
            }
            let file = try #require(FileHandle(forUpdatingAtPath: scratch.path))
            for page in 2...8 {
                try file.seek(toOffset: UInt64(page * 4_096))
                try file.write(contentsOf: Data(repeating: 0xee, count: 4_096))
            }
            try file.close()
            let store = try scratch.open()
            #expect(store.damage == "messages.sqlite is damaged and was moved to \(name)")
            #expect(try store.inbox(limit: 10).isEmpty)
        }
    }

    @Test("values are forgotten by the beginning of their key, and no others")
    func forgotten() throws {
        let store = try scratch.open()
        let (moki, hulk) = (Address.sample("moki"), Address.sample("hulk"))
        let gone: [LedgerKey] = [
            .sequence(from: moki, to: hulk, priority: .normal), .sequence(from: moki, to: moki, priority: .normal),
        ]
        let kept: [LedgerKey] = [.sequence(from: hulk, to: moki, priority: .normal), .stream(moki), .lived]
        try store.apply((gone + kept).map { .value($0, "x") })
        try store.apply(.forgetValues(.sequences(from: moki)))
        for key in gone { #expect(try store.value(key) == nil) }
        for key in kept { #expect(try store.value(key) == "x") }
    }

    @Test("an empty file and one of an older schema are brought up to date")
    func migrated() throws {
        do {
            let old = try Database(path: scratch.path, name: "old")
            try Schema.migrate(old, steps: [["CREATE TABLE first (a)"]])
            try old.run("INSERT INTO first VALUES (7)")
        }
        let database = try Database(path: scratch.path, name: "new")
        try Schema.migrate(
            database, steps: [["CREATE TABLE first (a)"], ["ALTER TABLE first ADD b", "UPDATE first SET b = a + 1"]])
        #expect(try database.first("SELECT b FROM first") { $0.int(0) } == 8)
        #expect(try database.first("PRAGMA user_version") { $0.int(0) } == 2)
    }

    @Test("a step that fails leaves the file as it was")
    func failedMigration() throws {
        let database = try Database(path: scratch.path, name: "it")
        #expect(throws: LedgerError.self) {
            try Schema.migrate(database, steps: [["CREATE TABLE first (a)", "not SQL"]])
        }
        #expect(try database.first("PRAGMA user_version") { $0.int(0) } == 0)
        #expect(try database.rows("SELECT name FROM sqlite_schema") { $0.text(0) } == [])
    }

    @Test("a file of a newer culver is refused and left alone")
    func newer() throws {
        do {
            let database = try Database(path: scratch.path, name: "it")
            try database.run("PRAGMA user_version = 99")
        }
        #expect {
            _ = try scratch.open()
        } throws: {
            "\($0)".contains("it has schema 99")
        }
        #expect(!FileManager.default.fileExists(atPath: scratch.path + ".bad"))
    }

    @Test("the file is nobody else's to read, nor is its log")
    func mode() throws {
        let store = try scratch.open()
        try store.apply(.value(.wall, "b"))
        try store.commit()
        for ending in ["", "-wal"] {
            let attributes = try FileManager.default.attributesOfItem(atPath: scratch.path + ending)
            #expect(attributes[.posixPermissions] as? Int == 0o600)
        }
    }

    @Test("a checkpoint empties the log")
    func checkpointed() throws {
        let store = try scratch.open()
        for number in 0..<100 { try store.apply(.incoming(incoming("\(number)"))) }
        try store.commit()
        let wal = scratch.path + "-wal"
        #expect(try FileManager.default.attributesOfItem(atPath: wal)[.size] as? Int != 0)
        try store.checkpoint()
        #expect(try FileManager.default.attributesOfItem(atPath: wal)[.size] as? Int == 0)
        #expect(try store.inboxSize().count == 100)
    }

    @Test("the file is kept as the design says")
    func settings() throws {
        let database = try scratch.open().database
        #expect(try database.first("PRAGMA journal_mode") { $0.text(0) } == "wal")
        #expect(try database.first("PRAGMA synchronous") { $0.int(0) } == 2)
        #expect(try database.first("PRAGMA cache_size") { $0.int(0) } == -256)
        #expect(try database.first("PRAGMA journal_size_limit") { $0.int(0) } == 4 << 20)
    }

    @Test("a value is replaced and removed")
    func values() throws {
        let store = try scratch.open()
        #expect(try store.value(.wall) == nil)
        try store.apply([.value(.wall, "1"), .value(.wall, "2\0\u{1F600}")])
        #expect(try store.value(.wall) == "2\0\u{1F600}")
        try store.apply(.value(.wall, nil))
        #expect(try store.value(.wall) == nil)
    }

    @Test("a commit on another thread is seen by the loop's reads after it")
    func threads() async throws {
        let store = try scratch.open()
        try store.apply(.incoming(incoming("a")))
        try await Task.detached { try store.commit() }.value
        #expect(!store.hasChanges)
        #expect(try store.inbox(limit: 1).map(\.id) == ["a"])
    }
}
