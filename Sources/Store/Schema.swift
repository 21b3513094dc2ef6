import Records

/// The tables of `messages.sqlite`. `PRAGMA user_version` counts the steps that a file has been through. Each step changes
/// the tables or indexes, so that a file whose version is damaged still shows which it has been through (`SchemaCheck`).
enum Schema {
    static let steps: [[String]] = [
        first, second, third, fourth, eventSpans, shipments, problems, turns, calls, answerOrder, bridges, pipes,
    ]

    /// Takes a file from whatever version it has to the newest, each step whole or not at all.
    static func migrate(_ database: Database, steps: [[String]] = steps) throws(LedgerError) {
        let version = try database.first("PRAGMA user_version") { $0.int(0) } ?? 0
        guard version <= steps.count else {
            throw LedgerError(
                "cannot open messages.sqlite: it has schema \(version), this version of culver knows \(steps.count)")
        }
        for (index, step) in steps.enumerated().dropFirst(version) {
            try database.run("BEGIN IMMEDIATE")
            do throws(LedgerError) {
                for statement in step { try database.run(statement) }
                try database.run("PRAGMA user_version = \(index + 1)")
                try database.run("COMMIT")
            } catch {
                if database.isInTransaction { try database.run("ROLLBACK") }
                throw error
            }
        }
    }

    /// `living` rows have not ended. Bodies lie apart, so that a new state does not write a long message again.
    /// AUTOINCREMENT: a number is never used twice, whatever is deleted.
    private static let first = [
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
    ]

    /// Every index that a message adds to grows at its end, but for those by id and digest: a place in the middle is
    /// another page to write for each message. Nothing that is asked regularly walks through all rows.
    private static let second = [
        "DROP INDEX outbox_sn",
        "CREATE INDEX outbox_sn ON outbox (sn, ord) WHERE digest IS NOT NULL",
        "DROP INDEX outbox_living",
        "CREATE INDEX outbox_living ON outbox (ord, size) WHERE living = 1",
        "CREATE INDEX outbox_expires ON outbox (expires) WHERE living = 1",
        "CREATE INDEX outbox_ended_wall ON outbox (ended_wall) WHERE living = 0",
        "DROP INDEX inbox_size",
        "CREATE INDEX inbox_size ON inbox (seq, size)",
        "CREATE INDEX inbox_receiver ON inbox (receiver, seq)",
        "CREATE INDEX inbox_group ON inbox (grp, seq) WHERE grp IS NOT NULL",
        "CREATE INDEX inbox_type ON inbox (type, seq)",
        "DROP INDEX happenings_kind",
        "CREATE INDEX happenings_kind ON happenings (kind, id, did, time)",
    ]

    /// What `status` says of each peer, counted as it happens. `outbox_peer` has what `outbox_living` had, and the
    /// oldest living message to a peer.
    private static let third = [
        "CREATE TABLE peers (did TEXT PRIMARY KEY, sent INTEGER, receipted INTEGER, pending INTEGER, gaps INTEGER)",
        """
        INSERT INTO peers SELECT receiver, count(*), sum(state = 'delivered'), sum(living), 0 FROM outbox GROUP BY receiver
        """,
        """
        INSERT INTO peers SELECT did, 0, 0, 0, sum(count) FROM happenings WHERE kind = 'gap' AND did IS NOT NULL GROUP BY did
            ON CONFLICT (did) DO UPDATE SET gaps = excluded.gaps
        """,
        "DROP INDEX outbox_living",
        "CREATE INDEX outbox_peer ON outbox (receiver, ord, size) WHERE living = 1",
    ]

    /// A message to a member of a group names the group. No index: none is asked for by its group yet.
    private static let fourth = [
        "ALTER TABLE outbox ADD COLUMN grp TEXT"
    ]

    /// When the first of several like events was; empty for a single one. `time` is the last one's.
    private static let eventSpans = [
        "ALTER TABLE happenings ADD COLUMN first REAL"
    ]

    /// What was sealed at once lies in `shipments`, and its rows point there. What changes with an attempt is the
    /// shipment's alone, and no row keeps its content once it is sealed. Rows that were sealed before become shipments of one
    /// row; what is left of them in `outbox.digest` is empty from then on.
    ///
    /// `shipments.expires` is when the first of its living rows does; `due` is empty when none lives.
    private static let shipments = [
        """
        CREATE TABLE shipments (
            number INTEGER PRIMARY KEY, sender TEXT, receiver TEXT, grp TEXT, sn INTEGER, digest BLOB, signature BLOB,
            type INTEGER, time REAL, signed INTEGER, attempts INTEGER, due REAL, expires REAL, size INTEGER)
        """,
        "CREATE TABLE shipment_body (number INTEGER PRIMARY KEY, data BLOB, iv BLOB, key TEXT)",
        "CREATE TABLE outbox_content (ord INTEGER PRIMARY KEY, content TEXT)",
        "ALTER TABLE outbox ADD COLUMN shipment INTEGER",
        """
        INSERT INTO shipments
            SELECT o.ord, o.sender, o.receiver, CASE WHEN json_valid(b.content) THEN json_extract(b.content, '$.group') END,
                o.sn, o.digest, b.signature, CASE WHEN json_valid(b.content) THEN json_extract(b.content, '$.type') END,
                CASE WHEN json_valid(b.content) THEN json_extract(b.content, '$.time') END, 0, o.attempts,
                CASE WHEN o.living = 1 AND length(b.data) > 0 THEN coalesce(o.due, 0) END, o.expires,
                CASE WHEN o.living = 1 THEN coalesce(length(b.data), 0) ELSE 0 END
            FROM outbox o LEFT JOIN outbox_body b ON b.ord = o.ord
            WHERE o.digest IS NOT NULL AND o.ord > 0 AND (b.data IS NOT NULL OR o.living = 0)
        """,
        """
        INSERT INTO shipment_body
            SELECT s.number, b.data, b.iv, b.key FROM shipments s JOIN outbox_body b ON b.ord = s.number
            WHERE s.due IS NOT NULL
        """,
        "UPDATE outbox SET shipment = ord, due = NULL, size = 0 WHERE ord IN (SELECT number FROM shipments)",
        """
        INSERT INTO outbox_content
            SELECT o.ord, b.content FROM outbox o JOIN outbox_body b ON b.ord = o.ord
            WHERE o.shipment IS NULL AND b.content <> ''
        """,
        "UPDATE outbox SET digest = NULL WHERE digest IS NOT NULL",
        "DROP INDEX outbox_digest",
        "DROP INDEX outbox_sn",
        "DROP INDEX outbox_expires",
        "DROP TABLE outbox_body",
        "CREATE INDEX outbox_shipment ON outbox (shipment) WHERE shipment IS NOT NULL",
        "CREATE INDEX outbox_expires ON outbox (expires) WHERE living = 1 AND shipment IS NULL",
        "CREATE INDEX shipments_digest ON shipments (digest)",
        "CREATE INDEX shipments_sn ON shipments (sn, number) WHERE sn IS NOT NULL",
        "CREATE INDEX shipments_due ON shipments (due, number) WHERE due IS NOT NULL",
        "CREATE INDEX shipments_expires ON shipments (expires, size) WHERE due IS NOT NULL",
    ]

    /// `status` looks for the newest problem, and there may be twenty thousand other events.
    private static let problems = [
        "CREATE INDEX happenings_problems ON happenings (n) WHERE level IN ('warning', 'error')"
    ]

    /// What goes first to a receiver, and what waits for the receiver's turn: 1 for a shipment that was never sent, 2 for
    /// one that rests, empty for all others.
    private static let turns = [
        "ALTER TABLE outbox ADD COLUMN priority INTEGER NOT NULL DEFAULT 1",
        "ALTER TABLE shipments ADD COLUMN priority INTEGER NOT NULL DEFAULT 1",
        "ALTER TABLE shipments ADD COLUMN held INTEGER",
        """
        CREATE INDEX shipments_held ON shipments (receiver, held, priority, number)
            WHERE due IS NOT NULL AND held IS NOT NULL
        """,
    ]

    /// What a message is about and when its sender gives it up, negative once it has; which message a consumer failed at
    /// last, and how often. Calls: those that others made here, those made here, the answers to these, and the lines of
    /// the audit that are not in its file yet, with the newest.
    private static let calls = [
        "ALTER TABLE inbox ADD COLUMN subject TEXT",
        "ALTER TABLE inbox ADD COLUMN expires REAL",
        "CREATE INDEX inbox_subject ON inbox (subject, seq) WHERE subject IS NOT NULL",
        "CREATE INDEX inbox_expires ON inbox (expires) WHERE expires > 0",
        "CREATE INDEX inbox_expired ON inbox (seq) WHERE expires < 0",
        "ALTER TABLE consumers ADD COLUMN subject TEXT",
        "ALTER TABLE consumers ADD COLUMN failed INTEGER",
        "ALTER TABLE consumers ADD COLUMN failures INTEGER",
        """
        CREATE TABLE calls (
            number INTEGER PRIMARY KEY, caller TEXT, call TEXT, owner TEXT, command TEXT, deadline REAL, answer TEXT,
            size INTEGER, UNIQUE (caller, call))
        """,
        "CREATE INDEX calls_begun ON calls (number) WHERE answer IS NULL",
        "CREATE INDEX calls_deadline ON calls (deadline)",
        "CREATE INDEX calls_size ON calls (number, size) WHERE size > 0",
        """
        CREATE TABLE callings (
            call TEXT PRIMARY KEY, sender TEXT, receiver TEXT, request TEXT, deadline REAL) WITHOUT ROWID
        """,
        "CREATE INDEX callings_deadline ON callings (deadline)",
        """
        CREATE TABLE call_answers (
            call TEXT, sender TEXT, part INTEGER, answer TEXT, PRIMARY KEY (call, sender, part))
        """,
        "CREATE TABLE call_audit (n INTEGER PRIMARY KEY, line TEXT)",
    ]

    /// Answers to a call are asked for in the order of their parts, one by one.
    private static let answerOrder = [
        "CREATE INDEX call_answers_part ON call_answers (call, part)"
    ]

    /// What waits for its way over a bridge: to the peer, or (`inward`) to the local broker. `ready` as `BridgeLedger` has it,
    /// 1 or empty.
    private static let bridges = [
        """
        CREATE TABLE bridged (
            place INTEGER PRIMARY KEY AUTOINCREMENT, bridge TEXT, inward INTEGER, topic TEXT, payload BLOB, qos INTEGER,
            retained INTEGER, version INTEGER, sent INTEGER, ready INTEGER, size INTEGER)
        """,
        "CREATE INDEX bridged_topic ON bridged (bridge, inward, topic, place)",
        "CREATE INDEX bridged_ready ON bridged (bridge, inward, place) WHERE ready = 1",
        "CREATE INDEX bridged_sent ON bridged (place) WHERE sent IS NOT NULL",
    ]

    /// Pipes, by their two identities' addresses and a name, and what came by them and was not taken: `pipe_pieces.pipe` is
    /// the number of its pipe. What goes out lies in the outbox.
    private static let pipes = [
        """
        CREATE TABLE pipes (
            number INTEGER PRIMARY KEY, owner TEXT, peer TEXT, name TEXT, own_id TEXT, peer_id TEXT,
            state TEXT, error TEXT, output TEXT, written INTEGER, output_taken INTEGER, output_end INTEGER, input TEXT,
            input_taken INTEGER, input_end INTEGER, told INTEGER, untold INTEGER, earlier TEXT, due REAL,
            last_output TEXT, last_error TEXT, last_input TEXT, last_taken INTEGER,
            UNIQUE (owner, peer, name))
        """,
        "CREATE INDEX pipes_output ON pipes (output) WHERE output IS NOT NULL",
        "CREATE INDEX pipes_due ON pipes (due) WHERE due IS NOT NULL",
        "CREATE TABLE pipe_pieces (pipe INTEGER, n INTEGER, data BLOB, PRIMARY KEY (pipe, n))",
    ]
}
