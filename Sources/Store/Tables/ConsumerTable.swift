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
            INSERT OR REPLACE INTO consumers (sender, receiver, grp, type, name, uid, cursor, window, created)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            consumer.filter.values + [
                .text(consumer.name), .integer(Int64(consumer.uid)), .integer(consumer.cursor),
                .count(consumer.window), .real(consumer.created),
            ])
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

private let select = "SELECT name, uid, cursor, window, created, sender, receiver, grp, type FROM consumers "

extension Consumer {
    /// An ID of the filter that cannot be read is left out: the consumer keeps its place, and gets too much rather than
    /// too little.
    fileprivate init(_ row: SQLStatement) {
        self.init(
            name: row.text(0), uid: UInt32(clamping: row.integer(1)), cursor: row.count(2),
            filter: InboxFilter(
                sender: row.readableID(5), receiver: row.readableID(6), group: row.readableID(7),
                type: row.optionalInteger(8)),
            window: max(1, min(row.int(3), 1_000)), created: row.real(4))
    }
}
