import DIMP
import Records

/// What happened and is worth telling: table `happenings`, bounded so that each kind has its share.
struct EventTable {
    /// How many events of each kind there were since the file was opened; each of several like ones counts.
    private(set) var counts: [EventRecord.Kind: Int64] = [:]
    /// The rows that were written since the news were taken.
    private(set) var written: [EventRecord] = []

    private let database: Database
    /// Rows of each kind, by its name in the file, and a number before which none of it is.
    private var stored: [String: (rows: Int64, begin: Int64)] = [:]
    /// Events with a greater `n` are of this run.
    private let firstOfRun: Int64

    init(_ database: Database) throws(LedgerError) {
        self.database = database
        firstOfRun =
            try database.first("SELECT seq FROM sqlite_sequence WHERE name = 'happenings'") { $0.count(0) } ?? 0
        let kinds = try database.rows("SELECT kind, count(*) FROM happenings GROUP BY kind") {
            ($0.text(0), $0.count(1))
        }
        for (kind, rows) in kinds { stored[kind] = (rows, 0) }
    }

    /// The rows that were written since the last call.
    mutating func takeWritten() -> [EventRecord] {
        defer { written = [] }
        return written
    }

    /// Rows by `n`, from `start` on; without it the newest `limit`. `since` is seconds since 1970.
    func rows(
        start: Int64?, limit: Int, since: Double?, kind: EventRecord.Kind?, did: ID?
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

    /// The newest `limit` warnings and errors, the newest first.
    func problems(limit: Int) throws(LedgerError) -> [EventRecord] {
        try database.rows(
            """
            \(select)INDEXED BY happenings_problems WHERE level IN ('warning', 'error') ORDER BY n DESC LIMIT ?
            """, [.count(limit)], EventRecord.init)
    }

    /// A like row that began in the last `limits.likeness` seconds takes the event in: it keeps its `n` and when it
    /// began, and has time and text of this one. Without a clock, likeness ends with the run: else every start would look
    /// like the first. Another reason for the absence of a broker is no like event.
    mutating func add(_ row: EventRecord, limits: StoreLimits) throws(LedgerError) {
        counts[row.kind, default: 0] += row.count
        if var like = try like(row, within: limits.likeness) {
            like.count += row.count
            like.first = like.began
            like.time = row.time
            like.text = row.text
            try database.run(
                "UPDATE happenings SET count = ?, first = ?, time = ?, text = ? WHERE n = ?",
                [.integer(like.count), .real(like.began), .real(like.time), .text(like.text), .integer(like.n)])
            written.removeAll { $0.n == like.n }
            written.append(like)
        } else {
            try insert(row, kept: limits.events)
        }
    }

    private func like(_ row: EventRecord, within seconds: Double) throws(LedgerError) -> EventRecord? {
        try database.first(
            """
            \(select)WHERE kind = ?1 AND time > ?2 AND time <= ?3 AND coalesce(first, time) > ?2 AND level = ?4
                AND did IS ?5 AND broker IS ?6 AND id IS ?7 AND reason IS ?8 AND (time > 0 OR n > ?9)
                AND (reason IS NOT 'away' OR text = ?10)
            ORDER BY n DESC LIMIT 1
            """,
            [
                .text(row.kind.rawValue), .real(row.time - seconds), .real(row.time),
                .text(row.level.rawValue), SQLValue(row.did), SQLValue(row.broker), SQLValue(row.id),
                SQLValue(row.reason), .integer(firstOfRun), .text(row.text),
            ], EventRecord.init)
    }

    private mutating func insert(_ row: EventRecord, kept: Int) throws(LedgerError) {
        try database.run(
            """
            INSERT INTO happenings (time, kind, level, did, broker, id, reason, count, text)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                .real(row.time), .text(row.kind.rawValue), .text(row.level.rawValue), SQLValue(row.did),
                SQLValue(row.broker), SQLValue(row.id), SQLValue(row.reason), .integer(row.count), .text(row.text),
            ])
        var written = row
        written.n = database.lastRow
        self.written.append(written)
        stored[row.kind.rawValue, default: (0, written.n)].rows += 1
        try bound(kept)
    }

    /// Of more rows than `kept` the kind with the most loses its oldest, so that no kind pushes out the others. After the
    /// limit became smaller that takes some insertions.
    private mutating func bound(_ kept: Int) throws(LedgerError) {
        var total = stored.values.reduce(0) { $0 + $1.rows }
        for _ in 0..<Database.portion where total > Int64(kept) {
            guard let (kind, most) = stored.max(by: { ($0.value.rows, $0.key) < ($1.value.rows, $1.key) }) else {
                return
            }
            // Not by the index, which has the rows of a kind in another order.
            let oldest = try database.first(
                "SELECT n FROM happenings WHERE n >= ? AND +kind = ? ORDER BY n LIMIT 1",
                [.integer(most.begin), .text(kind)]
            ) { $0.integer(0) }
            guard let oldest else { return stored[kind] = nil }
            try database.run("DELETE FROM happenings WHERE n = ?", [.integer(oldest)])
            stored[kind] = (most.rows - 1, oldest + 1)
            total -= 1
        }
    }
}

private let select = "SELECT n, time, kind, level, did, broker, id, reason, count, text, first FROM happenings "

extension EventRecord {
    fileprivate init(_ row: SQLStatement) throws(LedgerError) {
        self.init(
            n: row.count(0), time: row.real(1), kind: Kind(rawValue: row.text(2)) ?? .start,
            level: Level(rawValue: row.text(3)) ?? .info, did: row.readableID(4), broker: row.optionalText(5),
            id: row.optionalText(6), reason: row.optionalText(7), count: row.count(8), text: row.text(9),
            first: row.optionalReal(10))
    }
}
