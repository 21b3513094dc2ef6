import DIMP
import Records

/// What happened and is worth telling: table `happenings`.
struct EventTable {
    /// How many events of each kind there were since the file was opened; each of several like ones counts.
    private(set) var counts: [EventRecord.Kind: Int64] = [:]
    /// The rows that were written since the news were taken.
    private(set) var written: [EventRecord] = []

    private let database: Database
    /// Events with a greater `n` are of this run.
    private let firstOfRun: Int64

    init(_ database: Database) throws(LedgerError) {
        self.database = database
        firstOfRun =
            try database.first("SELECT seq FROM sqlite_sequence WHERE name = 'happenings'") { $0.integer(0) } ?? 0
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

    /// The newest warning or error.
    func lastProblem() throws(LedgerError) -> EventRecord? {
        try database.first("\(select)WHERE level IN ('warning', 'error') ORDER BY n DESC LIMIT 1", [], EventRecord.init)
    }

    /// A like event of the last `limits.likeness` seconds takes it in, and stays where it is with its `n` and its time.
    /// Without a clock, likeness ends with the run: else every start would look like the first.
    mutating func add(_ row: EventRecord, limits: StoreLimits) throws(LedgerError) {
        counts[row.kind, default: 0] += row.count
        if var like = try like(row, within: limits.likeness) {
            like.count += row.count
            like.text = row.text
            try database.run(
                "UPDATE happenings SET count = ?, text = ? WHERE n = ?",
                [.integer(like.count), .text(like.text), .integer(like.n)])
            written.removeAll { $0.n == like.n }
            written.append(like)
        } else {
            try insert(row, kept: limits.events)
        }
    }

    private func like(_ row: EventRecord, within seconds: Double) throws(LedgerError) -> EventRecord? {
        try database.first(
            """
            \(select)WHERE kind = ? AND time > ? AND time <= ? AND level = ? AND did IS ? AND broker IS ?
                AND id IS ? AND reason IS ? AND (time > 0 OR n > ?) ORDER BY n DESC LIMIT 1
            """,
            [
                .text(row.kind.rawValue), .real(row.time - seconds), .real(row.time),
                .text(row.level.rawValue), SQLValue(row.did), SQLValue(row.broker), SQLValue(row.id),
                SQLValue(row.reason), .integer(firstOfRun),
            ], EventRecord.init)
    }

    /// Of all rows, the newest `kept` stay.
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
        var stored = row
        stored.n = database.lastRow
        written.append(stored)
        try database.run("DELETE FROM happenings WHERE n <= ?", [.integer(stored.n - Int64(kept))])
    }
}

private let select = "SELECT n, time, kind, level, did, broker, id, reason, count, text FROM happenings "

extension EventRecord {
    fileprivate init(_ row: SQLStatement) throws(LedgerError) {
        self.init(
            n: row.integer(0), time: row.real(1), kind: Kind(rawValue: row.text(2)) ?? .start,
            level: Level(rawValue: row.text(3)) ?? .info, did: row.readableID(4), broker: row.optionalText(5),
            id: row.optionalText(6), reason: row.optionalText(7), count: row.integer(8), text: row.text(9))
    }
}
