package import Records

extension MessageStore {
    /// Rows by `n`, from `start` on; without it the newest `limit`. `since` is seconds since 1970.
    package func happenings(
        start: Int64? = nil, limit: Int, since: Double? = nil, kind: EventRecord.Kind? = nil, did: String? = nil
    ) throws(LedgerError) -> [EventRecord] {
        let from = start == nil ? "n > ?4 ORDER BY n DESC" : "n >= ?4 ORDER BY n"
        let found = try database.rows(
            """
            \(select)WHERE (?1 IS NULL OR time >= ?1) AND (?2 IS NULL OR kind = ?2) AND (?3 IS NULL OR did = ?3)
                AND \(from) LIMIT ?5
            """,
            [SQLValue(since), SQLValue(kind?.rawValue), SQLValue(did), .integer(start ?? 0), .count(limit)],
            EventRecord.init)
        return start == nil ? found.reversed() : found
    }

    /// How many there were of each kind since the file was opened; of like ones each.
    package var happeningCounts: [EventRecord.Kind: Int64] { counts.happenings }

    /// The newest warning or error.
    package func lastProblem() throws(LedgerError) -> EventRecord? {
        try database.first("\(select)WHERE level IN ('warning', 'error') ORDER BY n DESC LIMIT 1", [], EventRecord.init)
    }

    /// A like one of the last minute takes it in, and stays where it is with its `n` and its time. Without a clock,
    /// likeness ends with the run: else every start would look like the first.
    func add(_ row: EventRecord) throws(LedgerError) {
        counts.happenings[row.kind, default: 0] += row.count
        if row.kind == .gap, let did = row.did { tallies[did, default: Tally()].gaps += row.count }
        if var like = try like(row) {
            like.count += row.count
            like.text = row.text
            try database.run(
                "UPDATE happenings SET count = ?, text = ? WHERE n = ?",
                [.integer(like.count), .text(like.text), .integer(like.n)])
            written.removeAll { $0.n == like.n }
            written.append(like)
        } else {
            try insert(row)
        }
    }

    private func like(_ row: EventRecord) throws(LedgerError) -> EventRecord? {
        try database.first(
            """
            \(select)WHERE kind = ? AND time > ? AND time <= ? AND level = ? AND did IS ? AND broker IS ?
                AND id IS ? AND reason IS ? AND (time > 0 OR n > ?) ORDER BY n DESC LIMIT 1
            """,
            [
                .text(row.kind.rawValue), .real(row.time - limits.likeness), .real(row.time),
                .text(row.level.rawValue), SQLValue(row.did), SQLValue(row.broker), SQLValue(row.id),
                SQLValue(row.reason), .integer(firstHappening),
            ], EventRecord.init)
    }

    private func insert(_ row: EventRecord) throws(LedgerError) {
        try database.run(
            """
            INSERT INTO happenings (time, kind, level, did, broker, id, reason, count, text)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                .real(row.time), .text(row.kind.rawValue), .text(row.level.rawValue), SQLValue(row.did),
                SQLValue(row.broker), SQLValue(row.id), SQLValue(row.reason), .integer(row.count), .text(row.text),
            ])
        var stored = row
        stored.n = database.lastRow
        written.append(stored)
        try database.run("DELETE FROM happenings WHERE n <= ?", [.integer(stored.n - Int64(limits.happenings))])
    }
}

private let select = "SELECT n, time, kind, level, did, broker, id, reason, count, text FROM happenings "

extension EventRecord {
    fileprivate init(_ row: Statement) {
        self.init(
            n: row.integer(0), time: row.real(1), kind: Kind(rawValue: row.text(2)) ?? .start,
            level: Level(rawValue: row.text(3)) ?? .info, did: row.optionalText(4), broker: row.optionalText(5),
            id: row.optionalText(6), reason: row.optionalText(7), count: row.integer(8), text: row.text(9))
    }
}
