import DIMP
import Records

/// The consumers and how far each has read: table `consumers`.
struct ConsumerTable {
    private let database: Database

    init(_ database: Database) {
        self.database = database
    }

    func row(name: String) throws(LedgerError) -> Consumer? {
        try database.first("\(select)WHERE name = ?", [.text(name)], Consumer.init)
    }

    /// By name.
    func rows() throws(LedgerError) -> [Consumer] {
        try database.rows("\(select)ORDER BY name", [], Consumer.init)
    }

    /// Inserts, or replaces the one of this name.
    func put(_ consumer: Consumer) throws(LedgerError) {
        try database.run(
            """
            INSERT INTO consumers (sender, receiver, grp, type, subject, name, uid, cursor, window, created)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
            ON CONFLICT (name) DO UPDATE SET sender = ?1, receiver = ?2, grp = ?3, type = ?4, subject = ?5, uid = ?7,
                cursor = ?8, window = ?9, created = ?10
            """,
            consumer.filter.values + [
                .text(consumer.name), .integer(Int64(consumer.uid)), .integer(consumer.cursor),
                .count(consumer.window), .real(consumer.created),
            ])
    }

    /// Counts a message that the consumer could not handle; says how often in a row it was this one.
    func fail(_ name: String, at seq: Int64) throws(LedgerError) -> Int64 {
        try database.run(
            """
            UPDATE consumers SET failures = CASE WHEN failed = ?1 THEN coalesce(failures, 0) + 1 ELSE 1 END, failed = ?1
            WHERE name = ?2
            """, [.integer(seq), .text(name)])
        return try database.first("SELECT failures FROM consumers WHERE name = ?", [.text(name)]) { $0.count(0) } ?? 0
    }

    func move(_ name: String, to cursor: Int64) throws(LedgerError) {
        try database.run("UPDATE consumers SET cursor = ? WHERE name = ?", [.integer(cursor), .text(name)])
    }

    /// Says whether there was one.
    func forget(_ name: String) throws(LedgerError) -> Bool {
        try database.run("DELETE FROM consumers WHERE name = ?", [.text(name)])
        return database.changes > 0
    }
}

private let select = "SELECT name, uid, cursor, window, created, sender, receiver, grp, type, subject FROM consumers "

extension Consumer {
    /// An ID of the filter that cannot be read is left out: the consumer keeps its place, and gets too much rather than
    /// too little.
    fileprivate init(_ row: SQLStatement) {
        self.init(
            name: row.text(0), uid: UInt32(clamping: row.integer(1)), cursor: row.count(2),
            filter: InboxFilter(
                sender: row.readableID(5), receiver: row.readableID(6), group: row.readableID(7),
                type: row.optionalInteger(8), subject: row.optionalText(9).flatMap { SubjectFilter($0) }),
            window: max(1, min(row.int(3), 1_000)), created: row.real(4))
    }
}
