import DIMP
import Records

/// Messages to others, until they have ended and for some time after: tables `outbox` and `outbox_body`.
struct OutboxTable {
    /// Running sums of the living rows, so that a send does not have to count.
    private(set) var size: (count: Int64, bytes: Int64)

    private let database: Database

    /// What a row was before it was written.
    struct Standing {
        var isLiving: Bool
        var isDelivered: Bool
    }

    init(_ database: Database) throws(LedgerError) {
        self.database = database
        size = try Self.size(in: database)
    }

    private static func size(in database: Database) throws(LedgerError) -> (count: Int64, bytes: Int64) {
        try database.first("SELECT count(*), coalesce(sum(\(Database.size)), 0) FROM outbox WHERE living = 1") {
            ($0.integer(0), $0.integer(1))
        } ?? (0, 0)
    }

    /// Rows have left the living ones behind this table's back.
    mutating func countAnew() throws(LedgerError) { size = try Self.size(in: database) }

    func row(id: String) throws(LedgerError) -> Outgoing? {
        try database.first(select("WHERE o.id = ?"), [.text(id)], Outgoing.init)
    }

    func row(sender: ID, receiver: ID, ref: String) throws(LedgerError) -> Outgoing? {
        let sql = select("WHERE o.sender = ? AND o.receiver = ? AND o.ref = ? ORDER BY o.ord LIMIT 1")
        return try database.first(sql, [.id(sender), .id(receiver), .text(ref)], Outgoing.init)
    }

    func row(digest: [UInt8]) throws(LedgerError) -> Outgoing? {
        try database.first(select("WHERE o.digest = ? ORDER BY o.ord LIMIT 1"), [.blob(digest)], Outgoing.init)
    }

    func rows(sn: Int64) throws(LedgerError) -> [Outgoing] {
        try database.rows(
            select("WHERE o.sn = ? AND o.digest IS NOT NULL ORDER BY o.ord DESC LIMIT 8"), [.integer(sn)], Outgoing.init
        )
    }

    func row(signature: [UInt8], receiver: ID, ids: Range<String>) throws(LedgerError) -> Outgoing? {
        // IS keeps the left join, and so the order: a body is read of rows in the range alone.
        let sql = select("WHERE o.id >= ? AND o.id < ? AND o.receiver = ? AND b.signature IS ? LIMIT 1")
        return try database.first(
            sql, [.text(ids.lowerBound), .text(ids.upperBound), .id(receiver), .blob(signature)], Outgoing.init)
    }

    func due(at lived: Double, limit: Int) throws(LedgerError) -> [Outgoing] {
        // The inner part reads the index alone, and no further than to the limit.
        let sql = select(
            """
            WHERE o.ord IN (SELECT ord FROM outbox WHERE living = 1 AND due IS NOT NULL AND due <= ?
                ORDER BY due, ord LIMIT ?) ORDER BY o.ord
            """)
        return try portion(sql, values: [.real(lived), .count(limit)])
    }

    func waiting(receiver: ID, after order: Int64, limit: Int) throws(LedgerError) -> [Outgoing] {
        let sql = select(
            """
            WHERE o.ord IN (SELECT ord FROM outbox INDEXED BY outbox_waiting
                WHERE state = 'waiting' AND receiver = ? AND ord > ? ORDER BY ord LIMIT ?) ORDER BY o.ord
            """)
        return try portion(sql, values: [.id(receiver), .integer(order), .count(limit)])
    }

    func awaitedReceivers(limit: Int) throws(LedgerError) -> [ID] {
        // From one receiver to the next; DISTINCT would read what waits for each.
        let next = "SELECT min(receiver) FROM outbox INDEXED BY outbox_waiting WHERE state = 'waiting'"
        let sql = """
            WITH RECURSIVE awaited (receiver) AS (\(next)
                UNION ALL SELECT (\(next) AND receiver > a.receiver) FROM awaited a WHERE a.receiver IS NOT NULL)
            SELECT receiver FROM awaited WHERE receiver IS NOT NULL LIMIT ?
            """
        return try database.rows(sql, [.count(limit)]) { row throws(LedgerError) in try row.id(0) }
    }

    func expired(at lived: Double, limit: Int) throws(LedgerError) -> [Outgoing] {
        let sql = select(
            """
            WHERE o.ord IN (SELECT ord FROM outbox INDEXED BY outbox_expires
                WHERE living = 1 AND expires <= ? ORDER BY expires LIMIT ?) ORDER BY o.ord
            """)
        return try portion(sql, values: [.real(lived), .count(limit)])
    }

    func living(sender: ID, limit: Int) throws(LedgerError) -> [Outgoing] {
        let sql = select(
            """
            WHERE o.ord IN (SELECT ord FROM outbox INDEXED BY outbox_peer WHERE living = 1 AND sender = ? LIMIT ?)
            ORDER BY o.ord
            """)
        return try portion(sql, values: [.id(sender), .count(limit)])
    }

    /// Whole messages, each of which may have a mebibyte: no more than a few of such.
    private func portion(_ sql: String, values: [SQLValue]) throws(LedgerError) -> [Outgoing] {
        var left: Int64 = 4 << 20
        return try database.rows(sql, values, Outgoing.init) { row in
            left -= row.size
            return left > 0
        }
    }

    func nextExpiry() throws(LedgerError) -> Double? {
        try database.first("SELECT min(expires) FROM outbox WHERE living = 1") { $0.optionalReal(0) } ?? nil
    }

    func nextDue() throws(LedgerError) -> Double? {
        try database.first("SELECT min(due) FROM outbox WHERE living = 1 AND due IS NOT NULL") { $0.optionalReal(0) }
            ?? nil
    }

    /// Rows in the order in which they were accepted, from `order` `start` on; without it the newest `limit`. Without
    /// contents and ciphertexts: a thousand of them would not fit into memory.
    func rows(state: DeliveryState?, start: Int64?, limit: Int) throws(LedgerError) -> [Outgoing] {
        let inState = state == nil ? "" : "state = ? AND "
        let from = start == nil ? "ord > ? ORDER BY ord DESC" : "ord >= ? ORDER BY ord"
        let sql = """
            \(head), '', NULL, NULL, NULL, NULL FROM outbox o
            WHERE o.ord IN (SELECT ord FROM outbox WHERE \(inState)\(from) LIMIT ?) ORDER BY o.ord
            """
        let states = state.map { [SQLValue.text($0.rawValue)] } ?? []
        return try database.rows(sql, states + [.integer(start ?? 0), .count(limit)], Outgoing.init)
    }

    /// How many rows each state has of those that have not ended; states without any are absent.
    func states() throws(LedgerError) -> [DeliveryState: Int64] {
        let sql = """
            SELECT state, count(*) FROM outbox WHERE state IN ('waiting', 'queued', 'published') GROUP BY state
            """
        let found = try database.rows(sql) { row in
            (DeliveryState(rawValue: row.text(0)) ?? .failed, row.integer(1))
        }
        return Dictionary(found, uniquingKeysWith: +)
    }

    /// Inserts or replaces by `id`; a new row gets the next `order`. The answer is what the row was before; `nil` for a
    /// new one.
    mutating func put(_ row: Outgoing) throws(LedgerError) -> Standing? {
        let old = try database.first(
            "SELECT ord, living, \(Database.size), state FROM outbox WHERE id = ?", [.text(row.id)]
        ) {
            (
                order: $0.integer(0), isLiving: $0.flag(1), size: $0.integer(2),
                isDelivered: $0.text(3) == DeliveryState.delivered.rawValue
            )
        }
        if let old, old.isLiving {
            size.count -= 1
            size.bytes -= old.size
        }
        if row.isLiving {
            size.count += 1
            size.bytes += row.size
        }
        if let old {
            try update(row, order: old.order)
            try putBody(of: row, order: old.order)
        } else {
            try putBody(of: row, order: insert(row))
        }
        return old.map { Standing(isLiving: $0.isLiving, isDelivered: $0.isDelivered) }
    }

    /// Removes a portion of the rows that ended longer ago than `age`; says whether there may be more. The age of an end
    /// begins with the first pruning that sees it, by both clocks; either may run out.
    func prune(wall: Double, lived: Double, age: Double) throws(LedgerError) -> Bool {
        var isMore = try begin("ended_lived", at: lived)
        isMore = try dropEnded("ended_lived", before: lived - age) || isMore
        guard wall > 0 else { return isMore }
        isMore = try begin("ended_wall", at: wall) || isMore
        return try dropEnded("ended_wall", before: wall - age) || isMore
    }

    private func begin(_ clock: String, at time: Double) throws(LedgerError) -> Bool {
        try database.runPortion(
            """
            UPDATE outbox SET \(clock) = ? WHERE ord IN
                (SELECT ord FROM outbox WHERE living = 0 AND \(clock) IS NULL LIMIT ?)
            """, time: time)
    }

    private func dropEnded(_ clock: String, before time: Double) throws(LedgerError) -> Bool {
        let old = "SELECT ord FROM outbox WHERE living = 0 AND \(clock) < ? ORDER BY \(clock), ord LIMIT ?"
        _ = try database.runPortion("DELETE FROM outbox_body WHERE ord IN (\(old))", time: time)
        return try database.runPortion("DELETE FROM outbox WHERE ord IN (\(old))", time: time)
    }

    private func insert(_ row: Outgoing) throws(LedgerError) -> Int64 {
        try database.run(
            """
            INSERT INTO outbox (sn, sender, receiver, ref, request, state, living, reason, created, published, delivered,
                attempts, due, expires, digest, size, grp, id)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)
            """, row.values + [.text(row.id)])
        return database.lastRow
    }

    /// An ended message keeps its digest when its ciphertext goes: a late receipt still finds it.
    private func update(_ row: Outgoing, order: Int64) throws(LedgerError) {
        try database.run(
            """
            UPDATE outbox SET sn = ?1, sender = ?2, receiver = ?3, ref = ?4, request = ?5, state = ?6, living = ?7,
                reason = ?8, created = ?9, published = ?10, delivered = ?11, attempts = ?12, due = ?13, expires = ?14,
                digest = CASE WHEN ?7 THEN ?15 ELSE coalesce(?15, digest) END, size = ?16, grp = ?17,
                ended_lived = CASE WHEN ?7 THEN NULL ELSE ended_lived END,
                ended_wall = CASE WHEN ?7 THEN NULL ELSE ended_wall END
            WHERE ord = ?18
            """, row.values + [.integer(order)])
    }

    private func putBody(of row: Outgoing, order: Int64) throws(LedgerError) {
        let values = [.integer(order)] + row.body.values
        let isThere = try database.first(
            """
            SELECT 1 FROM outbox_body
            WHERE ord = ?1 AND content = ?2 AND data IS ?3 AND signature IS ?4 AND iv IS ?5 AND key IS ?6
            """, values, { _ in true })
        guard isThere == nil else { return }
        try database.run(
            "INSERT OR REPLACE INTO outbox_body (ord, content, data, signature, iv, key) VALUES (?, ?, ?, ?, ?, ?)",
            values)
    }
}

/// What `Outgoing(_:)` reads, but for the body.
private let head = """
    SELECT o.id, o.ord, o.sn, o.sender, o.receiver, o.ref, o.request, o.state, o.reason, o.created, o.published,
        o.delivered, o.attempts, o.due, o.expires, o.digest, o.grp
    """

/// The row with its body. The left join fixes the order: the row by its index, then its body.
private func select(_ rest: String) -> String {
    """
    \(head), b.content, b.data, b.signature, b.iv, b.key FROM outbox o LEFT JOIN outbox_body b ON b.ord = o.ord \(rest)
    """
}

extension Outgoing {
    fileprivate init(_ row: SQLStatement) throws(LedgerError) {
        let receiver = try row.id(4)
        guard let state = DeliveryState(rawValue: row.text(7)) else { throw row.damage(7, "state") }
        self.init(
            id: row.text(0), order: row.count(1), sn: row.integer(2), sender: try row.id(3),
            recipient: try row.optionalID(16).map { .member(receiver, of: $0) } ?? .person(receiver),
            ref: row.optionalText(5), request: row.blob(6), body: RowBody(row, digest: 15, content: 17),
            state: state, reason: row.optionalText(8), created: row.real(9),
            published: row.optionalReal(10), delivered: row.optionalReal(11), attempts: row.count(12),
            due: row.optionalReal(13), expires: row.real(14))
    }

    /// What the message counts for in the outbox.
    fileprivate var size: Int64 {
        switch body {
        case .content(let text): Int64(text.utf8.count)
        case .sealed(let content, let sealed): Int64(content.utf8.count) + Int64(sealed.data.count)
        case .trace, .none: 0
        }
    }

    fileprivate var values: [SQLValue] {
        [
            .integer(sn), .id(sender), .id(receiver), SQLValue(ref), .blob(request), .text(state.rawValue),
            .flag(isLiving), SQLValue(reason), .real(created), SQLValue(published), SQLValue(delivered),
            .integer(attempts), SQLValue(due), .real(expires), SQLValue(trace?.digest), .integer(size),
            SQLValue(recipient.group),
        ]
    }
}

/// In the table, what there is none of is empty, and the ciphertext is NULL for a message that was never sealed.
///
///              content  data   signature  iv         key
///     content  text     NULL   NULL       NULL       NULL
///     sealed   text     bytes  bytes      bytes or empty
///     trace    empty    empty  bytes      empty      empty
///     none     empty    NULL   NULL       NULL       NULL
extension Outgoing.RowBody {
    /// The five columns from `content` on, and the digest of the ciphertext.
    fileprivate init(_ row: SQLStatement, digest: Int32, content: Int32) {
        let (text, data, key) = (row.text(content), row.blob(content + 1), row.text(content + 4))
        let (signature, iv) = (row.blob(content + 2), row.blob(content + 3))
        if row.isNull(content + 1) {
            self = text.isEmpty ? .none : .content(text)
        } else if data.isEmpty {
            self = .trace(Outgoing.Trace(digest: row.blob(digest), signature: signature))
        } else {
            let sealed = Outgoing.Sealed(
                digest: row.blob(digest), data: data, signature: signature, iv: iv.isEmpty ? nil : iv,
                key: key.isEmpty ? nil : key)
            self = .sealed(content: text, sealed)
        }
    }

    fileprivate var values: [SQLValue] {
        switch self {
        case .content(let text): [.text(text), .null, .null, .null, .null]
        case .sealed(let content, let sealed):
            [
                .text(content), .blob(sealed.data), .blob(sealed.signature), .blob(sealed.iv ?? []),
                .text(sealed.key ?? ""),
            ]
        case .trace(let trace): [.text(""), .blob([]), .blob(trace.signature), .blob([]), .text("")]
        case .none: [.text(""), .null, .null, .null, .null]
        }
    }
}
