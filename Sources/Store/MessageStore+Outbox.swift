package import Records

extension MessageStore {
    package func outgoing(id: String) throws(LedgerError) -> Outgoing? {
        try database.first(select("WHERE o.id = ?"), [.text(id)], Outgoing.init)
    }

    package func outgoing(sender: String, receiver: String, ref: String) throws(LedgerError) -> Outgoing? {
        let sql = select("WHERE o.sender = ? AND o.receiver = ? AND o.ref = ? ORDER BY o.ord LIMIT 1")
        return try database.first(sql, [.text(sender), .text(receiver), .text(ref)], Outgoing.init)
    }

    package func outgoing(digest: [UInt8]) throws(LedgerError) -> Outgoing? {
        try database.first(select("WHERE o.digest = ? ORDER BY o.ord LIMIT 1"), [.blob(digest)], Outgoing.init)
    }

    package func outgoing(sn: Int64) throws(LedgerError) -> [Outgoing] {
        try database.rows(
            select("WHERE o.sn = ? AND o.digest IS NOT NULL ORDER BY o.ord DESC LIMIT 8"), [.integer(sn)], Outgoing.init
        )
    }

    package func dueOutgoing(at lived: Double, limit: Int) throws(LedgerError) -> [Outgoing] {
        // The inner part reads the index alone, and no further than to the limit.
        let sql = select(
            """
            WHERE o.ord IN (SELECT ord FROM outbox WHERE living = 1 AND due IS NOT NULL AND due <= ?
                ORDER BY due, ord LIMIT ?) ORDER BY o.ord
            """)
        return try portion(sql, [.real(lived), .count(limit)])
    }

    package func waitingOutgoing(
        receiver: String, after order: Int64, limit: Int
    ) throws(LedgerError) -> [Outgoing] {
        let sql = select(
            """
            WHERE o.ord IN (SELECT ord FROM outbox INDEXED BY outbox_waiting
                WHERE state = 'waiting' AND receiver = ? AND ord > ? ORDER BY ord LIMIT ?) ORDER BY o.ord
            """)
        return try portion(sql, [.text(receiver), .integer(order), .count(limit)])
    }

    package func awaitedReceivers(limit: Int) throws(LedgerError) -> [String] {
        // From one receiver to the next; DISTINCT would read what waits for each.
        let next = "SELECT min(receiver) FROM outbox INDEXED BY outbox_waiting WHERE state = 'waiting'"
        let sql = """
            WITH RECURSIVE awaited (receiver) AS (\(next)
                UNION ALL SELECT (\(next) AND receiver > a.receiver) FROM awaited a WHERE a.receiver IS NOT NULL)
            SELECT receiver FROM awaited WHERE receiver IS NOT NULL LIMIT ?
            """
        return try database.rows(sql, [.count(limit)]) { $0.text(0) }
    }

    package func expiredOutgoing(at lived: Double, limit: Int) throws(LedgerError) -> [Outgoing] {
        let sql = select(
            """
            WHERE o.ord IN (SELECT ord FROM outbox INDEXED BY outbox_expires
                WHERE living = 1 AND expires <= ? ORDER BY expires LIMIT ?) ORDER BY o.ord
            """)
        return try portion(sql, [.real(lived), .count(limit)])
    }

    package func livingOutgoing(sender: String, limit: Int) throws(LedgerError) -> [Outgoing] {
        let sql = select(
            """
            WHERE o.ord IN (SELECT ord FROM outbox INDEXED BY outbox_peer WHERE living = 1 AND sender = ? LIMIT ?)
            ORDER BY o.ord
            """)
        return try portion(sql, [.text(sender), .count(limit)])
    }

    /// Whole messages, each of which may have a mebibyte: no more than a few of such.
    private func portion(_ sql: String, _ values: [SQLValue]) throws(LedgerError) -> [Outgoing] {
        var left = 4 << 20
        return try database.rows(sql, values, Outgoing.init) { row in
            left -= row.size
            return left > 0
        }
    }

    package func nextExpiry() throws(LedgerError) -> Double? {
        try database.first("SELECT min(expires) FROM outbox WHERE living = 1") { $0.optionalReal(0) } ?? nil
    }

    package func nextDue() throws(LedgerError) -> Double? {
        try database.first("SELECT min(due) FROM outbox WHERE living = 1 AND due IS NOT NULL") { $0.optionalReal(0) }
            ?? nil
    }

    package func outboxSize() throws(LedgerError) -> (count: Int, bytes: Int) {
        (totals.outboxRows, totals.outboxBytes)
    }

    /// Rows in the order in which they were accepted, from `order` `start` on; without it the newest `limit`. Without
    /// contents and ciphertexts: a thousand of them would not fit into memory.
    package func outbox(
        state: DeliveryState? = nil, start: Int64? = nil, limit: Int
    ) throws(LedgerError) -> [Outgoing] {
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
    package func outboxStates() throws(LedgerError) -> [DeliveryState: Int] {
        let sql = """
            SELECT state, count(*) FROM outbox WHERE state IN ('waiting', 'queued', 'published') GROUP BY state
            """
        let found = try database.rows(sql) { row in
            (DeliveryState(rawValue: row.text(0)) ?? .failed, row.int(1))
        }
        return Dictionary(found, uniquingKeysWith: +)
    }

    func put(_ row: Outgoing) throws(LedgerError) {
        let old = try database.first("SELECT ord, living, size, state FROM outbox WHERE id = ?", [.text(row.id)]) {
            (
                order: $0.integer(0), isLiving: $0.flag(1), size: $0.int(2),
                isDelivered: $0.text(3) == DeliveryState.delivered.rawValue
            )
        }
        count(row, after: old.map { ($0.isLiving, $0.isDelivered) })
        if let old, old.isLiving {
            totals.outboxRows -= 1
            totals.outboxBytes -= old.size
        }
        if row.isLiving {
            totals.outboxRows += 1
            totals.outboxBytes += row.size
        }
        if let old {
            try update(row, order: old.order)
            try putBody(of: row, order: old.order)
        } else {
            try putBody(of: row, order: insert(row))
        }
    }

    private func insert(_ row: Outgoing) throws(LedgerError) -> Int64 {
        try database.run(
            """
            INSERT INTO outbox (sn, sender, receiver, ref, request, state, living, reason, created, published, delivered,
                attempts, due, expires, digest, size, id)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)
            """, row.values + [.text(row.id)])
        return database.lastRow
    }

    /// An ended message keeps its digest when its ciphertext goes: a late receipt still finds it.
    private func update(_ row: Outgoing, order: Int64) throws(LedgerError) {
        try database.run(
            """
            UPDATE outbox SET sn = ?1, sender = ?2, receiver = ?3, ref = ?4, request = ?5, state = ?6, living = ?7,
                reason = ?8, created = ?9, published = ?10, delivered = ?11, attempts = ?12, due = ?13, expires = ?14,
                digest = CASE WHEN ?7 THEN ?15 ELSE coalesce(?15, digest) END, size = ?16,
                ended_lived = CASE WHEN ?7 THEN NULL ELSE ended_lived END,
                ended_wall = CASE WHEN ?7 THEN NULL ELSE ended_wall END
            WHERE ord = ?17
            """, row.values + [.integer(order)])
    }

    private func putBody(of row: Outgoing, order: Int64) throws(LedgerError) {
        let values: [SQLValue] = [
            .integer(order), .text(row.content), SQLValue(row.sealed?.data), SQLValue(row.sealed?.signature),
            SQLValue(row.sealed?.iv), SQLValue(row.sealed?.key),
        ]
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
        o.delivered, o.attempts, o.due, o.expires, o.digest
    """

/// The row with its body. The left join fixes the order: the row by its index, then its body.
private func select(_ rest: String) -> String {
    """
    \(head), b.content, b.data, b.signature, b.iv, b.key FROM outbox o LEFT JOIN outbox_body b ON b.ord = o.ord \(rest)
    """
}

extension Outgoing {
    fileprivate init(_ row: Statement) {
        self.init(
            id: row.text(0), order: row.integer(1), sn: row.integer(2), sender: row.text(3), receiver: row.text(4),
            ref: row.optionalText(5), request: row.blob(6),
            content: row.text(16), state: DeliveryState(rawValue: row.text(7)) ?? .failed, reason: row.optionalText(8),
            created: row.real(9), published: row.optionalReal(10), delivered: row.optionalReal(11),
            attempts: row.int(12), due: row.optionalReal(13), expires: row.real(14),
            sealed: row.isNull(17)
                ? nil
                : Sealed(
                    digest: row.blob(15), data: row.blob(17), signature: row.blob(18), iv: row.blob(19),
                    key: row.text(20)))
    }

    /// What the message counts for in the outbox.
    fileprivate var size: Int {
        content.utf8.count + (sealed?.data.count ?? 0)
    }

    fileprivate var values: [SQLValue] {
        [
            .integer(sn), .text(sender), .text(receiver), SQLValue(ref), .blob(request), .text(state.rawValue),
            .flag(isLiving), SQLValue(reason), .real(created), SQLValue(published), SQLValue(delivered),
            .count(attempts), SQLValue(due), .real(expires), SQLValue(sealed?.digest), .count(size),
        ]
    }
}
