import DIMP
import Records
import TestSupport
import Testing

@testable import Store

/// The first schema, as the first version wrote it: never to be changed here, whatever becomes of `Schema`.
@Suite struct SchemaTests {
    static let first = [
        """
        CREATE TABLE outbox (
            ord INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT UNIQUE, sn INTEGER, sender TEXT, receiver TEXT,
            ref TEXT, request BLOB, state TEXT, living INTEGER, reason TEXT, created REAL, published REAL,
            delivered REAL, attempts INTEGER, due REAL, expires REAL, digest BLOB, size INTEGER,
            ended_lived REAL, ended_wall REAL)
        """,
        "CREATE INDEX outbox_ref ON outbox (sender, receiver, ref) WHERE ref IS NOT NULL",
        "CREATE INDEX outbox_digest ON outbox (digest) WHERE digest IS NOT NULL",
        "CREATE INDEX outbox_sn ON outbox (sn, ord)",
        "CREATE INDEX outbox_due ON outbox (due, ord) WHERE living = 1 AND due IS NOT NULL",
        "CREATE INDEX outbox_waiting ON outbox (receiver, ord) WHERE state = 'waiting'",
        "CREATE INDEX outbox_state ON outbox (state, ord)",
        "CREATE INDEX outbox_living ON outbox (size) WHERE living = 1",
        "CREATE INDEX outbox_ended ON outbox (ended_lived) WHERE living = 0",
        """
        CREATE TABLE outbox_body (
            ord INTEGER PRIMARY KEY, content TEXT, data BLOB, signature BLOB, iv BLOB, key TEXT)
        """,
        """
        CREATE TABLE inbox (
            seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT, sn INTEGER, sender TEXT, receiver TEXT, grp TEXT,
            time REAL, received REAL, type INTEGER, sealed INTEGER, encrypted INTEGER, trust TEXT, size INTEGER,
            content TEXT)
        """,
        "CREATE INDEX inbox_size ON inbox (size)",
        "CREATE INDEX inbox_sender ON inbox (sender, seq)",
        "CREATE INDEX inbox_id ON inbox (id)",
        "CREATE INDEX inbox_received ON inbox (received) WHERE received > 0",
        """
        CREATE TABLE consumers (
            name TEXT PRIMARY KEY, uid INTEGER, cursor INTEGER, window INTEGER, created REAL,
            sender TEXT, receiver TEXT, grp TEXT, type INTEGER) WITHOUT ROWID
        """,
        """
        CREATE TABLE seen (
            number INTEGER PRIMARY KEY, owner TEXT, sender TEXT, digest BLOB, content_digest BLOB, time REAL,
            receipt TEXT, receipt_to TEXT, receipt_from TEXT, owed INTEGER, answered REAL,
            UNIQUE (owner, sender, digest))
        """,
        "CREATE INDEX seen_content ON seen (owner, sender, content_digest) WHERE content_digest IS NOT NULL",
        "CREATE INDEX seen_owed ON seen (number) WHERE owed = 1",
        "CREATE INDEX seen_time ON seen (time) WHERE time IS NOT NULL",
        "CREATE INDEX seen_timeless ON seen (owner, sender, number) WHERE time IS NULL",
        """
        CREATE TABLE parked (
            number INTEGER PRIMARY KEY AUTOINCREMENT, verified INTEGER, address TEXT, sender TEXT, receiver TEXT,
            digest BLOB, received REAL, since REAL, size INTEGER, wire BLOB,
            UNIQUE (verified, address, digest, receiver))
        """,
        "CREATE INDEX parked_sender ON parked (verified, address, number, size)",
        "CREATE INDEX parked_since ON parked (since)",
        """
        CREATE TABLE happenings (
            n INTEGER PRIMARY KEY AUTOINCREMENT, time REAL, kind TEXT, level TEXT, did TEXT, broker TEXT, id TEXT,
            reason TEXT, count INTEGER, text TEXT)
        """,
        "CREATE INDEX happenings_kind ON happenings (kind, time)",
        "CREATE TABLE named (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID",
        "PRAGMA user_version = 1",
    ]

    private static let (hulk, moki) = (ID.sample("hulk@A"), ID.sample("moki@B"))

    static let rows = [
        """
        INSERT INTO outbox VALUES (3, 'a', 11, '\(moki)', '\(hulk)', 'r', x'0102', 'queued', 1, NULL, 1000.0, NULL, NULL,
            2, 5.0, 9000.0, x'0909', 4, NULL, NULL)
        """,
        "INSERT INTO outbox_body VALUES (3, '{}', x'0607', x'07', x'08', '{\"k\":1}')",
        """
        INSERT INTO outbox VALUES (4, 'b', 12, '\(moki)', '\(hulk)', NULL, x'01', 'delivered', 0, 'not-understood', 1000.0,
            1001.0, 1002.0, 1, NULL, 9000.0, x'0a', 0, 7.0, 1003.0)
        """,
        "INSERT INTO outbox_body VALUES (4, '', NULL, NULL, NULL, NULL)",
        """
        INSERT INTO inbox VALUES (5, 'c', 5, '\(hulk)', '\(moki)', '\(ID.sample("g@G"))', 900.0, 1000.0, 1, 1, 1, 'contact', 13,
            '{"text":"hi"}')
        """,
        "INSERT INTO consumers VALUES ('lamp', 7, 4, 32, 3.0, '\(hulk)', NULL, NULL, NULL)",
        "INSERT INTO seen VALUES (1, '\(moki.address)', '\(hulk.address)', x'01', NULL, 1000.0, '{}', '\(hulk)', '\(moki)', 1, 5.0)",
        "INSERT INTO parked VALUES (2, 0, '\(hulk.address)', '\(hulk)', '\(moki)', x'02', 1.0, 0.0, 3, x'000102')",
        "INSERT INTO happenings VALUES (6, 1000.0, 'broker', 'info', '\(hulk)', NULL, NULL, NULL, 2, 'words')",
        "INSERT INTO named VALUES ('lived', '17')",
    ]

    @Test("a file of the first version is opened with all that is in it, and goes on where it was")
    func firstVersion() throws {
        let scratch = try Scratch()
        do {
            let old = try Database(path: scratch.path, name: "old")
            for statement in Self.first + Self.rows { try old.run(statement) }
        }
        let store = try scratch.open()
        #expect(store.damage == nil)
        var sent = outgoing("a", sn: 11, ref: "r", due: 5)
        sent.order = 3
        sent.attempts = 2
        sent.body = .sealed(shipment: 3)
        #expect(try store.outgoing(id: "a") == sent)
        var carrying = shipment(3, of: [sent], sn: 11, due: 5)
        (carrying.digest, carrying.type, carrying.time, carrying.attempts) = ([9, 9], nil, nil, 2)
        #expect(try store.shipment(digest: [9, 9]) == carrying)
        #expect(try store.ciphertext(of: 3) == Shipment.Ciphertext(data: [6, 7], iv: [8], key: "{\"k\":1}"))
        #expect(
            try store.outgoing(sender: .sample("moki@B"), receiver: .sample("hulk@A"), group: nil, ref: "r")?.id == "a")
        let ended = try #require(try store.shipment(digest: [10]))
        #expect(try store.outgoing(shipment: ended.number).map(\.reason) == ["not-understood"])
        #expect(try store.dueShipments(at: 5, limit: 9).map(\.number) == [3])
        #expect(try store.outboxSize() == (1, 2))
        var received = incoming("c", group: "g@G")
        received.seq = 5
        #expect(try store.inbox(limit: 9) == [received])
        #expect(try store.inboxSize() == (1, 13))
        let lamp = Consumer(name: "lamp", uid: 7, cursor: 4, filter: InboxFilter(sender: .sample("hulk@A")), created: 3)
        #expect(try store.consumers() == [lamp])
        #expect(try store.next(for: "lamp", after: 4, limit: 9).messages == [received])
        var waits = accepted([1])
        waits.time = 1_000
        #expect(try store.owedReceipts(limit: 9) == [waits])
        #expect(
            try store.parked(sender: .sample("A"), isVerified: false, after: 0, limit: 9).map(\.wire) == [[0, 1, 2]])
        #expect(try store.events(limit: 9).map(\.count) == [2])
        #expect(try store.value(.lived) == "17")
        // Numbers are never used again.
        try store.apply([
            .outgoing(outgoing("d")), .incoming(incoming("d")), .park(parked(9)), .event(event(9_000)),
        ])
        try store.commit()
        #expect(try store.outgoing(id: "d")?.order == 5)
        #expect(store.newestSequence == 6)
        #expect(try store.parked(sender: .sample("A"), isVerified: false, after: 0, limit: 9).map(\.number) == [2, 3])
        #expect(try store.events(limit: 9).map(\.n) == [6, 7])
    }

    /// A file of the version before messages to members of groups, with each marker that an empty column was.
    private func thirdVersion(_ scratch: Scratch) throws {
        let old = try Database(path: scratch.path, name: "old")
        try Schema.migrate(old, steps: Array(Schema.steps.prefix(3)))
        for (order, body) in [
            (1, "'{}', NULL, NULL, NULL, NULL"), (2, "'{}', x'06', x'07', x'08', '{\"k\":1}'"),
            (3, "'{}', x'06', x'07', x'', ''"), (4, "'', x'', x'07', x'', ''"), (5, "'', NULL, NULL, NULL, NULL"),
        ] {
            try old.run("INSERT INTO outbox_body VALUES (\(order), \(body))")
            try old.run(
                """
                INSERT INTO outbox (ord, id, sn, sender, receiver, request, state, living, created, attempts, expires,
                    digest, size)
                VALUES (?1, 'm' || ?1, 1, ?2, ?3, x'01', 'queued', 1, 70, 0, 9000, x'09', 2)
                """, [.count(order), .id(Self.moki), .id(Self.hulk)])
        }
    }

    @Test("empty columns of an older file are read as what they stood for, and each message as one to a person")
    func markers() throws {
        let scratch = try Scratch()
        try thirdVersion(scratch)
        let store = try scratch.open()
        let rows = try (1...5).map { try #require(try store.outgoing(id: "m\($0)")) }
        #expect(
            rows.map(\.body) == [
                .content("{}"), .sealed(shipment: 2), .sealed(shipment: 3), .sealed(shipment: 4), .none,
            ])
        let bodies = try (2...4).map { try store.ciphertext(of: $0) }
        #expect(
            bodies == [
                Shipment.Ciphertext(data: [6], iv: [8], key: "{\"k\":1}"),
                Shipment.Ciphertext(data: [6], iv: nil, key: nil), nil,
            ])
        #expect(try store.shipments(sn: 1, receiver: Self.hulk).map(\.signature) == [[7], [7], [7]])
        #expect(rows.allSatisfy { $0.recipient == .person(Self.hulk) })
    }

    @Test("a file of the version before takes messages to members of groups")
    func members() throws {
        let scratch = try Scratch()
        try thirdVersion(scratch)
        let crew = ID.sample("crew@G")
        do {
            let store = try scratch.open()
            var row = try #require(try store.outgoing(id: "m1"))
            row.recipient = .member(Self.hulk, of: crew)
            try store.apply(.outgoing(row))
            row.id = "new"
            try store.apply(.outgoing(row))
            try store.commit()
        }
        let store = try scratch.open()
        for id in ["m1", "new"] {
            #expect(try store.outgoing(id: id)?.recipient == .member(Self.hulk, of: crew))
        }
        #expect(try store.outgoing(id: "m2")?.recipient == .person(Self.hulk))
        #expect(try store.outgoing(id: "new")?.receiver == Self.hulk)
    }

    /// A file of the version before shipments: rows that wait, are sealed, went once, and have ended, with and without
    /// what a late receipt can name.
    private func fifthVersion(_ scratch: Scratch) throws {
        let old = try Database(path: scratch.path, name: "old")
        try Schema.migrate(old, steps: Array(Schema.steps.prefix(5)))
        let content = #"{"type":1,"sn":1,"time":1700000000,"text":"\u0000é"}"#
        var order: Int64 = 1
        func add(
            _ id: String, _ state: DeliveryState, due: Double? = nil, digest: UInt8? = nil, body: String
        ) throws {
            try old.run("INSERT INTO outbox_body VALUES (\(order), \(body))")
            try old.run(
                """
                INSERT INTO outbox (ord, id, sn, sender, receiver, request, state, living, created, attempts, due, expires,
                    digest, size)
                VALUES (?1, ?2, 1, ?3, ?4, x'01', ?5, ?6, 70, 3, ?7, 9000, ?8, 50)
                """,
                [
                    .integer(order), .text(id), .id(Self.moki), .id(Self.hulk), .text(state.rawValue),
                    .flag(due != nil), SQLValue(due), SQLValue(digest.map { [$0] }),
                ])
            order += 10
        }
        try add("waits", .waiting, due: 7, body: "'\(content)', NULL, NULL, NULL, NULL")
        let key = #"'{"k":1}'"#
        try add("queued", .queued, due: 5, digest: 1, body: "'\(content)', x'0a0b', x'71', x'08', \(key)")
        let grouped = #"{"type":9,"time":"1700000001","group":"\#(ID.sample("g@G").text)"}"#
        try add("grouped", .published, due: 6, digest: 2, body: "'\(grouped)', x'0c', x'72', x'08', \(key)")
        try add("broken", .queued, due: 8, digest: 3, body: #"'{"type":', x'0d', x'73', x'', ''"#)
        try add("settled", .published, digest: 4, body: "'', x'', x'74', x'', ''")
        try add("expired", .expired, digest: 5, body: "'', x'', x'75', x'', ''")
        try add("never", .cancelled, body: "'', NULL, NULL, NULL, NULL")
    }

    @Test("a file of the version before has each sealed message as a shipment of one, and goes on with it")
    func shipments() throws {
        let scratch = try Scratch()
        try fifthVersion(scratch)
        let store = try scratch.open()
        #expect(store.damage == nil)
        func shipment(_ id: String) throws -> Shipment? {
            try store.outgoing(id: id)?.shipment.flatMap { try store.shipment($0) }
        }
        let waits = try #require(try store.outgoing(id: "waits"))
        #expect(waits.content?.hasSuffix(#""text":"\u0000é"}"#) == true && waits.due == 7 && waits.attempts == 3)
        #expect(try store.waitingOutgoing(receiver: Self.hulk, after: 0, limit: 9).map(\.id) == ["waits"])
        let queued = try #require(try shipment("queued"))
        #expect((queued.digest, queued.signature, queued.sn, queued.attempts) == ([1], [0x71], 1, 3))
        #expect((queued.type, queued.time, queued.group, queued.due) == (1, 1_700_000_000, nil, 5))
        #expect((queued.sender, queued.receiver) == (Self.moki, Self.hulk))
        #expect(
            try store.ciphertext(of: queued.number) == Shipment.Ciphertext(data: [10, 11], iv: [8], key: "{\"k\":1}"))
        let grouped = try #require(try shipment("grouped"))
        #expect((grouped.type, grouped.time, grouped.group?.text) == (9, 1_700_000_001, ID.sample("g@G").text))
        let broken = try #require(try shipment("broken"))
        #expect((broken.type, broken.time, broken.group) == (nil, nil, nil))
        #expect(try store.ciphertext(of: broken.number) == Shipment.Ciphertext(data: [13], iv: nil, key: nil))
        #expect(try store.dueShipments(at: 9, limit: 9).map(\.digest) == [[1], [2], [3]])
        #expect(try store.dueOutgoing(at: 9, limit: 9).map(\.id) == ["waits"])
        #expect(try store.outboxSize() == (4, 50 + 4))
        #expect(try store.nextDue() == 5 && store.nextExpiry() == 9_000)
        for (id, digest) in [("settled", 4), ("expired", 5)] as [(String, UInt8)] {
            let ended = try #require(try store.shipment(digest: [digest]))
            #expect(try store.outgoing(shipment: ended.number).map(\.id) == [id])
            #expect(try (ended.due, store.ciphertext(of: ended.number)) == (nil, nil))
            #expect(ended.signature == [0x70 + digest])
        }
        #expect(try store.outgoing(id: "settled")?.isLiving == false)
        #expect(try store.outgoing(id: "never")?.body == Outgoing.RowBody.none)
        #expect(try store.nextShipment() > 50)
        #expect(try store.database.first("SELECT count(*) FROM outbox WHERE digest IS NOT NULL") { $0.int(0) } == 0)
        #expect(try !store.isForeign())
    }

    @Test("answers of the version before are there, and are asked for in the order of their parts")
    func answers() throws {
        let scratch = try Scratch()
        let old = try Database(path: scratch.path, name: "old")
        try Schema.migrate(old, steps: Array(Schema.steps.prefix(9)))
        for part in [1, 0] {
            try old.run("INSERT INTO call_answers VALUES ('c', '\(Self.hulk)', \(part), '{}')")
        }
        let store = try scratch.open()
        let hulk = try #require(try store.answerers(of: "c").first)
        #expect("\(hulk)" == "\(Self.hulk)")
        #expect(try (0...2).map { try store.answer(to: "c", of: hulk, from: $0)?.part } == [0, 1, nil])
        #expect(try store.lastAnswer(to: "c", of: hulk)?.part == 1)
        #expect(try store.damage == nil && !store.isForeign())
    }

    // MARK: - Damage

    @Test("a shipment that cannot be read takes its rows along, is said once, and stands in the way of no other")
    func unreadableShipment() throws {
        let scratch = try Scratch()
        let store = try scratch.open()
        try store.apply([
            sealed(1, [outgoing("a"), outgoing("b")], due: 1), sealed(2, [outgoing("c")], data: [2], due: 2),
        ])
        try store.database.run("UPDATE shipments SET receiver = 'nobody' WHERE number = 1")
        #expect(try store.dueShipments(at: 5, limit: 1).map(\.number) == [2])
        #expect(
            store.takeDamages() == [
                "messages.sqlite: 2 rows of shipments have an unreadable receiver and are set aside"
            ])
        try store.commit()
        #expect(try store.outbox(limit: 9).map(\.id) == ["c"])
        #expect(try store.outboxSize() == (1, 1))
        #expect(try store.nextDue() == 2)
    }

    @Test(
        "an outgoing row that cannot be read is set aside and said once, and stands in the way of no other",
        arguments: ["sender", "receiver", "grp", "state"])
    func unreadable(column: String) throws {
        let scratch = try Scratch()
        let store = try scratch.open()
        try store.apply([.outgoing(outgoing("a", due: 1)), .outgoing(outgoing("b", receiver: "other@C", due: 2))])
        try store.database.run("UPDATE outbox SET \(column) = 'nobody' WHERE id = 'a'")
        #expect(try store.outgoing(id: "a") == nil)
        // A portion of one is not taken up by the damaged row.
        #expect(try store.dueOutgoing(at: 5, limit: 1).map(\.id) == ["b"])
        #expect(
            store.takeDamages() == ["messages.sqlite: 1 rows of outbox have an unreadable \(column) and are set aside"])
        try store.commit()
        #expect(try store.outbox(limit: 9).map(\.id) == ["b"])
        #expect(try store.outboxSize() == (1, 2))
        #expect(try store.peers(limit: 9).rows.reduce(0) { $0 + $1.pending } == 1)
        #expect(store.takeDamages() == [])
        // What it said is still there for whoever looks.
        #expect(try store.database.first("SELECT content FROM outbox_content WHERE ord < 0") { $0.text(0) } != nil)
    }

    @Test("a message of the inbox that cannot be read is passed over, and no other is")
    func unreadableIncoming() throws {
        let scratch = try Scratch()
        let store = try scratch.open()
        for number in 1...6 { try store.apply(.incoming(incoming("m\(number)"))) }
        try store.put(Consumer(name: "lamp", uid: 1, cursor: 0, created: 0))
        try store.database.run("UPDATE inbox SET sender = x'ff00' WHERE id = 'm2'")
        try store.database.run("UPDATE inbox SET receiver = NULL WHERE id = 'm3'")
        var (taken, after): ([String], Int64) = ([], 0)
        while case let portion = try store.next(for: "lamp", after: after, limit: 2), portion.passed > after {
            taken += portion.messages.map(\.id)
            after = portion.passed
        }
        #expect(taken == ["m1", "m4", "m5", "m6"])
        #expect(try store.inbox(start: 1, limit: 3).map(\.id) == ["m1", "m4", "m5"])
        #expect(store.takeDamages().count == 2)
        #expect(store.newestSequence == 6)
    }

    @Test("what was taken stays known though its receipt's ends cannot be read, and a consumer keeps its place")
    func otherUnreadable() throws {
        let scratch = try Scratch()
        let store = try scratch.open()
        try store.apply([.accepted(accepted([1])), .accepted(accepted([2])), .park(parked(1)), .event(event(1))])
        try store.apply(.incoming(incoming("a")))
        try store.put(Consumer(name: "lamp", uid: 1, cursor: 1, filter: InboxFilter(sender: Self.hulk), created: 0))
        for change in ["seen SET receipt_to", "parked SET sender", "consumers SET sender", "happenings SET did"] {
            try store.database.run("UPDATE \(change) = 'nobody@4WDf'")
        }
        #expect(
            try store.accepted(owner: .sample("B"), sender: .sample("A"), digest: [1])?.receiptTo.address
                == .sample("A"))
        #expect(try store.owedReceipts(limit: 9).count == 2)
        #expect(try store.parkedSenders(isVerified: false, limit: 9) == [])
        #expect(try store.parkedCount(isVerified: false) == 0)
        #expect(try store.consumer("lamp") == Consumer(name: "lamp", uid: 1, cursor: 1, created: 0))
        #expect(try store.events(limit: 9).map(\.did) == [nil])
        try store.database.run("UPDATE seen SET owner = 'B' WHERE digest = x'01'")
        #expect(try store.owedReceipts(limit: 1).map(\.digest) == [[2]])
        #expect(try store.database.first("SELECT count(*) FROM seen") { $0.int(0) } == 2)
    }

    /// A file of this version, in which something was changed from outside.
    private func changed(_ statements: [String]) throws -> Scratch {
        let scratch = try Scratch()
        let store = try scratch.open()
        try store.apply([.outgoing(outgoing("a", due: 1)), .incoming(incoming("m1")), .incoming(incoming("m2"))])
        try store.put(Consumer(name: "lamp", uid: 1, cursor: 1, created: 0))
        try store.apply(.event(event(1)))
        try store.commit()
        for statement in statements { try store.database.run(statement) }
        return scratch
    }

    @Test(
        "a version that a flipped bit changed is put right, and nothing is lost", arguments: [-2_147_483_644, 0, 68, 3])
    func version(number: Int) throws {
        let scratch = try changed(["PRAGMA user_version = \(number)"])
        let store = try scratch.open()
        let steps = Schema.steps.count
        #expect(store.damage == "messages.sqlite was put right: its version was \(number) and is \(steps)")
        #expect(try store.inbox(limit: 9).map(\.id) == ["m1", "m2"])
        #expect(try scratch.open().damage == nil)
    }

    @Test("every step changes the tables, so that they tell the version")
    func steps() throws {
        let database = try Database(path: ":memory:", name: "it")
        var before: [String] = []
        for step in Schema.steps {
            for statement in step { try database.run(statement) }
            let now = try database.rows("SELECT coalesce(sql, name) FROM sqlite_master ORDER BY name") { $0.text(0) }
            #expect(now != before)
            before = now
        }
    }

    @Test("triggers, views and indexes that are not ours are taken out before anything is written")
    func foreign() throws {
        let scratch = try changed([
            "CREATE TRIGGER \"a \"\"b\"\"\" AFTER INSERT ON inbox BEGIN DELETE FROM inbox; END",
            "CREATE VIEW v AS SELECT * FROM inbox", "CREATE UNIQUE INDEX i ON inbox (grp, type)",
        ])
        let store = try scratch.open()
        #expect(store.damage?.contains("the trigger \"a \\\"b\\\"\" was not culver's") == true, "\(store.damage ?? "")")
        try store.apply(.incoming(incoming("m3")))
        try store.commit()
        #expect(try store.inbox(limit: 9).map(\.id) == ["m1", "m2", "m3"])
        #expect(try !store.isForeign())
    }

    @Test(
        "tables that are none of ours are a damaged file: it is moved away, and the board goes on",
        arguments: ["DROP INDEX inbox_id", "ALTER TABLE inbox ADD COLUMN x", "DROP TABLE seen"])
    func noneOfOurs(statement: String) throws {
        let scratch = try changed([statement])
        let store = try scratch.open()
        #expect(store.damage?.contains("was moved to") == true)
        #expect(try store.inbox(limit: 9) == [])
    }

    @Test(
        "numbers out of range stop nothing: what comes next has a number again, and the rest is there",
        arguments: [
            ["UPDATE inbox SET seq = 9223372036854775807 WHERE id = 'm2'"],
            ["UPDATE sqlite_sequence SET seq = 9223372036854775807"],
            ["UPDATE happenings SET n = 9223372036854775807", "UPDATE outbox SET ord = 9007199254740993"],
        ])
    func numbers(statements: [String]) throws {
        let scratch = try changed(statements)
        let store = try scratch.open()
        #expect(store.damage?.contains("out of range") == true)
        #expect(try store.inbox(limit: 9).first?.id == "m1")
        try store.apply([.incoming(incoming("m3")), .outgoing(outgoing("b")), .event(event(9_000)), .park(parked(1))])
        try store.commit()
        let newest = try #require(try store.inbox(limit: 1).first)
        #expect(newest.id == "m3" && newest.seq < 9)
        #expect(try store.outbox(limit: 1).map(\.id) == ["b"])
    }

    @Test(
        "a shipment with a number out of range takes its rows along, and the next one has a number that can be read",
        arguments: ["9007199254740993", "1152921504606846976", "-7"])
    func shipmentNumbers(number: String) throws {
        let scratch = try Scratch()
        do {
            let store = try scratch.open()
            try store.apply([sealed(1, [outgoing("a")]), sealed(2, [outgoing("b")], data: [2])])
            try store.commit()
            for (table, key) in [("outbox", "shipment"), ("shipments", "number"), ("shipment_body", "number")] {
                try store.database.run("UPDATE \(table) SET \(key) = \(number) WHERE \(key) = 1")
            }
        }
        let store = try scratch.open()
        #expect(store.damage?.contains("out of range") == true)
        #expect(try store.dueShipments(at: 100, limit: 9).map(\.number) == [2])
        #expect(try store.nextShipment() == 3)
        #expect(try store.outboxSize() == (1, 1))
        #expect(try scratch.open().damage == nil)
    }

    @Test(
        "a message of a bridge with a place out of range is dropped, and numbers beside it can be counted on",
        arguments: ["-7", "0", "9223372036854775807"])
    func bridgePlaces(place: String) throws {
        func bridged(_ topic: String) -> Change {
            .bridged(
                BridgedMessage(bridge: "home", direction: .out, topic: topic, payload: [1], qos: 1, isRetained: false))
        }
        let scratch = try Scratch()
        do {
            let store = try scratch.open()
            try store.apply([bridged("a"), bridged("b")])
            try store.commit()
            try store.database.run("UPDATE bridged SET place = \(place) WHERE topic = 'a'")
            try store.database.run("UPDATE bridged SET version = 9223372036854775807 WHERE topic = 'b'")
        }
        let store = try scratch.open()
        #expect(store.damage?.contains("out of range") == true)
        try store.apply([bridged("c")])
        let rows = try store.readyBridged(bridge: "home", direction: .out, limit: 9)
        #expect(rows.map(\.topic) == ["b", "c"])
        #expect(rows.allSatisfy { 1..<1 << 53 ~= $0.place && $0.version <= 1 << 53 })
        #expect(store.bridgedSize(bridge: "home", direction: .out).count == 2)
    }

    @Test("a time that is none is due at once: else nothing would ever be done for it", arguments: ["9e999", "'soon'"])
    func times(due: String) throws {
        let scratch = try Scratch()
        do {
            let store = try scratch.open()
            try store.apply([sealed(1, [outgoing("a")]), .outgoing(outgoing("b", state: .waiting, due: 5))])
            try store.commit()
            try store.database.run("UPDATE shipments SET due = \(due)")
            try store.database.run("UPDATE outbox SET due = \(due) WHERE id = 'b'")
        }
        let store = try scratch.open()
        #expect(store.damage?.contains("was none") == true)
        #expect(try store.nextDue() == 0)
        #expect(try store.dueShipments(at: 1, limit: 9).count == 1)
        #expect(try store.dueOutgoing(at: 1, limit: 9).map(\.id) == ["b"])
    }

    @Test("counts and sizes that nothing can have are read as the nearest that something can")
    func values() throws {
        let scratch = try changed([
            "UPDATE outbox SET attempts = -5, size = 9223372036854775807, due = 9e999",
            "UPDATE inbox SET size = 9223372036854775807, time = -9e999",
            "UPDATE consumers SET cursor = -1, window = -7",
            "UPDATE happenings SET count = 9223372036854775807",
        ])
        let store = try scratch.open()
        let row = try #require(try store.outgoing(id: "a"))
        #expect(row.attempts == 0 && row.due == 0)
        #expect(try store.inbox(limit: 9).map(\.time) == [0, 0])
        #expect(try store.consumers().map(\.window) == [1])
        #expect(try store.next(for: "lamp", after: 0, limit: 9).messages.count == 2)
        try store.apply([.event(event(1)), .outgoing(outgoing("a", state: .delivered)), .outgoing(outgoing("b"))])
        try store.commit()
        #expect(try store.outboxSize().count == 1)
        #expect(try store.inboxSize().bytes > 0)
    }

    @Test("what is kept, and for how long, is as the design says")
    func limits() {
        let limits = StoreLimits()
        let day = 86_400.0
        #expect((limits.inboxRows, limits.inboxBytes, limits.keep) == (100_000, 256 << 20, 30 * day))
        #expect((limits.parkedPerSender, limits.parkedRows, limits.parkedAge) == (64, 1_000, 7 * day))
        #expect((limits.digestAge, limits.endedAge, limits.events) == (32 * day, 30 * day, 20_000))
    }
}
