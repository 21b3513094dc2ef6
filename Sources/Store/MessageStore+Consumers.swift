package import Records

/// What a consumer gets next, and how far the inbox was looked through for it.
package struct Delivery: Sendable, Equatable {
    package var messages: [Incoming]
    /// Every row up to here was looked at; ask on from here. Equal to `after` when there is nothing more.
    package var passed: Int64
}

extension MessageStore {
    package func consumer(_ name: String) throws(LedgerError) -> Consumer? {
        try database.first("\(select)WHERE name = ?", [.text(name)], Consumer.init)
    }

    /// By name.
    package func consumers() throws(LedgerError) -> [Consumer] {
        try database.rows("\(select)ORDER BY name", [], Consumer.init)
    }

    /// How many messages it has not acknowledged. Counts them.
    package func pending(of consumer: Consumer) throws(LedgerError) -> Int {
        let sql = "SELECT count(*) FROM inbox WHERE \(consumer.filter.condition)seq > ?"
        return try database.first(sql, consumer.filter.given + [.integer(consumer.cursor)]) { $0.int(0) } ?? 0
    }

    /// Inserts, or replaces the one of this name. The cursor is brought into what exists.
    package func put(_ consumer: Consumer) throws(LedgerError) {
        let cursor = try min(max(0, consumer.cursor), newestSequence())
        try writing { () throws(LedgerError) in
            try database.run(
                """
                INSERT OR REPLACE INTO consumers (sender, receiver, grp, type, name, uid, cursor, window, created)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
                consumer.filter.values + [
                    .text(consumer.name), .integer(Int64(consumer.uid)), .integer(cursor), .count(consumer.window),
                    .real(consumer.created),
                ])
        }
        isStuck = false
    }

    /// The same for all, by name. Those without a filter share one walk through the inbox.
    package func pending() throws(LedgerError) -> [(consumer: Consumer, count: Int)] {
        let sql = "SELECT count(*) FROM inbox WHERE seq > ? AND seq <= ?"
        var (count, end) = (0, Int64.max)
        var found: [(consumer: Consumer, count: Int)] = []
        for consumer in try consumers().sorted(by: { $0.cursor > $1.cursor }) {
            guard consumer.filter == InboxFilter() else {
                found.append((consumer, try pending(of: consumer)))
                continue
            }
            count += try database.first(sql, [.integer(consumer.cursor), .integer(end)]) { $0.int(0) } ?? 0
            end = consumer.cursor
            found.append((consumer, count))
        }
        return found.sorted { $0.consumer.name < $1.consumer.name }
    }

    /// Everything up to `seq` is done with. The cursor never goes back, and never beyond what exists; the caller sees
    /// to it that it does not go beyond what was delivered. The new cursor, or `nil` when there is no such consumer.
    package func acknowledge(consumer name: String, seq: Int64) throws(LedgerError) -> Int64? {
        guard let consumer = try consumer(name) else { return nil }
        return try move(consumer, to: max(consumer.cursor, seq))
    }

    /// The next message will be `seq` or the first after it. The new cursor, or `nil` when there is no such consumer.
    package func seek(consumer name: String, seq: Int64) throws(LedgerError) -> Int64? {
        guard let consumer = try consumer(name) else { return nil }
        return try move(consumer, to: seq > 0 ? seq - 1 : 0)
    }

    /// Whether there was one.
    package func forget(consumer name: String) throws(LedgerError) -> Bool {
        isStuck = false
        return try writing { () throws(LedgerError) in
            try database.run("DELETE FROM consumers WHERE name = ?", [.text(name)])
            return database.changes > 0
        }
    }

    /// At most `limit` messages with a greater `seq` than `after` that the consumer's filter takes. Looks through a
    /// bounded run of rows, so an empty answer with a `passed` beyond `after` means: ask again from there. Rows at the
    /// cursor that the filter leaves out are acknowledged on the way.
    package func next(for name: String, after: Int64, limit: Int) throws(LedgerError) -> Delivery {
        guard let consumer = try consumer(name), limit > 0 else { return Delivery(messages: [], passed: after) }
        let last = try consumer.filter == InboxFilter() ? newestSequence() : endOfRun(after: after)
        let found = try inbox(after: after, upTo: last, limit: limit, filter: consumer.filter)
        let passed = found.count == limit ? found[limit - 1].seq : max(after, last)
        try skip(consumer, upTo: passed)
        return Delivery(messages: found, passed: passed)
    }

    private func endOfRun(after: Int64) throws(LedgerError) -> Int64 {
        let sql = "SELECT max(seq) FROM (SELECT seq FROM inbox WHERE seq > ? ORDER BY seq LIMIT 2000)"
        return try database.first(sql, [.integer(after)]) { $0.integer(0) } ?? 0
    }

    /// Moves the cursor over rows that the filter leaves out, up to the first that it takes.
    private func skip(_ consumer: Consumer, upTo passed: Int64) throws(LedgerError) {
        guard consumer.filter != InboxFilter(), passed > consumer.cursor else { return }
        let sql = "SELECT seq FROM inbox WHERE \(consumer.filter.condition)seq > ? AND seq <= ? ORDER BY seq LIMIT 1"
        let values = consumer.filter.given + [.integer(consumer.cursor), .integer(passed)]
        let taken = try database.first(sql, values) { $0.integer(0) }
        let cursor = taken.map { $0 - 1 } ?? passed
        guard cursor > consumer.cursor else { return }
        try move(consumer, to: cursor)
    }

    @discardableResult
    private func move(_ consumer: Consumer, to seq: Int64) throws(LedgerError) -> Int64 {
        let cursor = try min(max(0, seq), newestSequence())
        guard cursor != consumer.cursor else { return cursor }
        isStuck = false
        try writing { () throws(LedgerError) in
            try database.run(
                "UPDATE consumers SET cursor = ? WHERE name = ?", [.integer(cursor), .text(consumer.name)])
        }
        return cursor
    }
}

private let select = "SELECT name, uid, cursor, window, created, sender, receiver, grp, type FROM consumers "

extension Consumer {
    fileprivate init(_ row: Statement) {
        self.init(
            name: row.text(0), uid: UInt32(clamping: row.integer(1)), cursor: row.integer(2),
            filter: InboxFilter(
                sender: row.optionalText(5), receiver: row.optionalText(6), group: row.optionalText(7),
                type: row.optionalInteger(8)),
            window: row.int(3), created: row.real(4))
    }
}
