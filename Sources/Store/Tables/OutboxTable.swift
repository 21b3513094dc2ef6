import DIMP
import Records

/// Messages to others, until they have ended and for some time after: tables `outbox` and, until they are sealed,
/// `outbox_content`. What a sealed row leaves to its shipment is `ShipmentTable`'s.
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

    func row(sender: ID, receiver: ID, group: ID?, ref: String) throws(LedgerError) -> Outgoing? {
        let sql = select(
            "WHERE o.sender = ? AND o.receiver = ? AND o.ref = ? AND o.grp IS ? ORDER BY o.ord LIMIT 1")
        return try database.first(sql, [.id(sender), .id(receiver), .text(ref), SQLValue(group)], Outgoing.init)
    }

    /// Those of the members of a group have its id in front of theirs, and nothing sorts behind `{` that an id may hold.
    func rows(message id: String) throws(LedgerError) -> [Outgoing] {
        let sql = select("WHERE o.id >= ?1 AND o.id < ?1 || '{' AND (o.id = ?1 OR o.grp IS NOT NULL) ORDER BY o.id")
        return try database.rows(sql, [.text(id)], Outgoing.init)
    }

    func rows(shipment number: Int64) throws(LedgerError) -> [Outgoing] {
        // A sealed row has no content.
        try database.rows(
            """
            \(head), NULL FROM outbox o LEFT JOIN shipments s ON s.number = o.shipment
            WHERE o.shipment = ? AND o.ord > 0 ORDER BY o.ord
            """, [.integer(number)], Outgoing.init)
    }

    func due(at lived: Double, limit: Int) throws(LedgerError) -> [Outgoing] {
        // The inner part reads the index alone, and no further than to the limit. A sealed row has no `due` of its own.
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
        let unsealed = select(
            """
            WHERE o.ord IN (SELECT ord FROM outbox INDEXED BY outbox_expires
                WHERE living = 1 AND shipment IS NULL AND expires <= ? ORDER BY expires LIMIT ?) ORDER BY o.ord
            """)
        let found = try portion(unsealed, values: [.real(lived), .count(limit)])
        guard found.count < limit else { return found }
        let sealed = select(
            """
            WHERE o.shipment IN (SELECT number FROM shipments INDEXED BY shipments_expires
                WHERE due IS NOT NULL AND expires <= ?1 ORDER BY expires LIMIT ?2)
            AND o.living = 1 AND o.expires <= ?1 LIMIT ?2
            """)
        let others = try portion(sealed, values: [.real(lived), .count(limit - found.count)])
        return (found + others).sorted { $0.order < $1.order }
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

    /// When the first of those expires that are not sealed.
    func nextExpiry() throws(LedgerError) -> Double? {
        try database.first("SELECT min(expires) FROM outbox WHERE living = 1 AND shipment IS NULL") {
            $0.optionalReal(0)
        } ?? nil
    }

    /// When the first of those is due that are not sealed.
    func nextDue() throws(LedgerError) -> Double? {
        try database.first("SELECT min(due) FROM outbox WHERE living = 1 AND due IS NOT NULL") { $0.optionalReal(0) }
            ?? nil
    }

    /// Rows in the order in which they were accepted, from `order` `start` on; without it the newest `limit`. Without
    /// contents: a thousand of them would not fit into memory.
    func rows(state: DeliveryState?, start: Int64?, limit: Int) throws(LedgerError) -> [Outgoing] {
        let inState = state == nil ? "" : "state = ? AND "
        let from = start == nil ? "ord > ? ORDER BY ord DESC" : "ord >= ? ORDER BY ord"
        let sql = """
            \(head), NULL FROM outbox o LEFT JOIN shipments s ON s.number = o.shipment
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
        guard let old else { return try add(row) }
        if old.isLiving {
            size.count -= 1
            size.bytes -= old.size
        }
        if row.isLiving {
            size.count += 1
            size.bytes += row.size
        }
        try update(row, order: old.order)
        return Standing(isLiving: old.isLiving, isDelivered: old.isDelivered)
    }

    /// All rows of the shipment that stand as `old` does come to stand as `new` does; says how many there were. What does
    /// not end or begin to live again touches no index but that of the states.
    mutating func move(_ old: Outgoing, to new: Outgoing) throws(LedgerError) -> Int64 {
        let life =
            switch (old.isLiving, new.isLiving) {
            case (true, true), (false, false): ""
            case (true, false): "living = 0, "
            case (false, true): "living = 1, ended_lived = NULL, ended_wall = NULL, "
            }
        try database.run(
            """
            UPDATE outbox INDEXED BY outbox_shipment
            SET \(life)state = ?1, reason = ?2, published = coalesce(published, ?3), delivered = ?4
            WHERE shipment = ?5 AND state = ?6 AND living = ?7
            """,
            [
                .text(new.state.rawValue), SQLValue(new.reason), SQLValue(new.published), SQLValue(new.delivered),
                SQLValue(old.shipment), .text(old.state.rawValue), .flag(old.isLiving),
            ])
        let count = database.changes
        if old.isLiving != new.isLiving { size.count += new.isLiving ? count : -count }
        return count
    }

    /// When the first living row of a shipment expires; `nil` when none lives.
    func expiry(shipment number: Int64) throws(LedgerError) -> Double? {
        try database.first(
            "SELECT min(expires) FROM outbox INDEXED BY outbox_shipment WHERE shipment = ? AND living = 1",
            [.integer(number)]
        ) { $0.optionalReal(0) } ?? nil
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

    /// A shipment goes with the last of its rows.
    private func dropEnded(_ clock: String, before time: Double) throws(LedgerError) -> Bool {
        let old = "SELECT ord FROM outbox WHERE living = 0 AND \(clock) < ?1 ORDER BY \(clock), ord LIMIT ?2"
        _ = try database.runPortion(
            """
            DELETE FROM shipments WHERE number IN (SELECT shipment FROM outbox WHERE ord IN (\(old)))
                AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.shipment = number AND o.ord NOT IN (\(old)))
            """, time: time)
        _ = try database.runPortion(
            """
            DELETE FROM shipment_body WHERE number IN (SELECT shipment FROM outbox WHERE ord IN (\(old)))
                AND NOT EXISTS (SELECT 1 FROM shipments s WHERE s.number = shipment_body.number)
            """, time: time)
        _ = try database.runPortion("DELETE FROM outbox_content WHERE ord IN (\(old))", time: time)
        return try database.runPortion("DELETE FROM outbox WHERE ord IN (\(old))", time: time)
    }

    /// Inserts a row that is new; it was nothing before.
    mutating func add(_ row: Outgoing) throws(LedgerError) -> Standing? {
        try database.run(
            """
            INSERT INTO outbox (sn, sender, receiver, ref, request, state, living, reason, created, published, delivered,
                attempts, due, expires, size, grp, shipment, priority, id)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)
            """, row.values + [.text(row.id)])
        if row.isLiving {
            size.count += 1
            size.bytes += row.size
        }
        if let content = row.content {
            try database.run(
                "INSERT OR REPLACE INTO outbox_content (ord, content) VALUES (?, ?)",
                [.integer(database.lastRow), .text(content)])
        }
        return nil
    }

    private func update(_ row: Outgoing, order: Int64) throws(LedgerError) {
        try database.run(
            """
            UPDATE outbox SET sn = ?1, sender = ?2, receiver = ?3, ref = ?4, request = ?5, state = ?6, living = ?7,
                reason = ?8, created = ?9, published = ?10, delivered = ?11, attempts = ?12, due = ?13, expires = ?14,
                size = ?15, grp = ?16, shipment = ?17, priority = ?18,
                ended_lived = CASE WHEN ?7 THEN NULL ELSE ended_lived END,
                ended_wall = CASE WHEN ?7 THEN NULL ELSE ended_wall END
            WHERE ord = ?19
            """, row.values + [.integer(order)])
        if row.content == nil { try database.run("DELETE FROM outbox_content WHERE ord = ?", [.integer(order)]) }
    }
}

/// What `Outgoing(_:)` reads, but for the content.
private let head = """
    SELECT o.id, o.ord, o.sn, o.sender, o.receiver, o.ref, o.request, o.state, o.reason, o.created, o.published,
        o.delivered, CASE WHEN s.number IS NULL THEN o.attempts ELSE s.attempts END,
        CASE WHEN o.living = 0 THEN NULL WHEN s.number IS NULL THEN o.due ELSE s.due END, o.expires, o.grp, o.shipment,
        o.priority
    """

/// The row with its content. The left joins fix the order: the row by its index, then the others.
private func select(_ rest: String) -> String {
    """
    \(head), c.content FROM outbox o LEFT JOIN shipments s ON s.number = o.shipment
    LEFT JOIN outbox_content c ON c.ord = o.ord \(rest)
    """
}

extension Outgoing {
    fileprivate init(_ row: SQLStatement) throws(LedgerError) {
        let receiver = try row.id(4)
        guard let state = DeliveryState(rawValue: row.text(7)) else { throw row.damage(7, "state") }
        self.init(
            id: row.text(0), order: row.count(1), sn: row.integer(2), sender: try row.id(3),
            recipient: try row.optionalID(15).map { .member(receiver, of: $0) } ?? .person(receiver),
            ref: row.optionalText(5), request: row.blob(6),
            body: row.optionalInteger(16).map(RowBody.sealed) ?? row.optionalText(18).map(RowBody.content) ?? .none,
            state: state, reason: row.optionalText(8), created: row.real(9),
            published: row.optionalReal(10), delivered: row.optionalReal(11), attempts: row.count(12),
            due: row.optionalReal(13), expires: row.real(14), priority: Priority(rank: row.integer(17)) ?? .normal)
    }

    /// What the content counts for in the outbox.
    fileprivate var size: Int64 { Int64(content?.utf8.count ?? 0) }

    /// A sealed row leaves tries and times to its shipment.
    fileprivate var values: [SQLValue] {
        [
            .integer(sn), .id(sender), .id(receiver), SQLValue(ref), .blob(request), .text(state.rawValue),
            .flag(isLiving), SQLValue(reason), .real(created), SQLValue(published), SQLValue(delivered),
            .integer(shipment == nil ? attempts : 0), shipment == nil ? SQLValue(due) : .null, .real(expires),
            .integer(size), SQLValue(recipient.group), SQLValue(shipment), .integer(priority.rank),
        ]
    }
}
