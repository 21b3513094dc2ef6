import Records

/// What is done with rows that nobody can have written so: they are put where no question finds them, and stay in the
/// file for whoever wants to look, until they are too old. Rows of the inbox and of the outbox get a negative number.
///
/// A bit that flipped on a card, or a file that somebody else has made: never a reason not to start.
extension Database {
    /// Puts right the numbers that the order of rows rests on, at the start. What was wrong, in words. Nothing is written
    /// when all is well: somebody else may have the file open.
    func mendNumbers() throws(LedgerError) -> [String] {
        var words: [String] = []
        for (table, key) in [
            ("outbox", "ord"), ("inbox", "seq"), ("parked", "number"), ("happenings", "n"), ("bridged", "place"),
        ] {
            let given = try first("SELECT seq FROM sqlite_sequence WHERE name = '\(table)'") { $0.integer(0) } ?? 0
            let last = try first("SELECT max(\(key)) FROM \(table)") { $0.integer(0) } ?? 0
            guard max(given, last) > Self.greatestNumber else { continue }
            if table == "outbox" {
                try run("UPDATE outbox_content SET ord = -ord WHERE ord > ?", [.integer(Self.greatestNumber)])
            }
            let isDropped = table == "parked" || table == "bridged"
            let change = isDropped ? "DELETE FROM \(table)" : "UPDATE \(table) SET \(key) = -\(key)"
            try run("\(change) WHERE \(key) > ?", [.integer(Self.greatestNumber)])
            words.append("a number of \(table) was out of range")
            try run("UPDATE sqlite_sequence SET seq = ? WHERE name = '\(table)'", [.integer(newest(key, of: table))])
        }
        if try isThere("bridged", where: "place < 1") {
            try run("DELETE FROM bridged WHERE place < 1")
            words.append("a number of bridged was out of range")
        }
        for range in ["< 1", ">= \(Self.greatestNumber)"] {
            if try isThere("outbox", where: "ord > 0 AND shipment \(range)") {
                try setAsideOutgoing("shipment \(range)")
                words.append("a shipment of outbox was out of range")
            }
            for table in ["shipments", "shipment_body"] where try isThere(table, where: "number \(range)") {
                try run("DELETE FROM \(table) WHERE number \(range)")
                words.append("a number of \(table) was out of range")
            }
        }
        // Above every number stands what is none. It is never due, and would never end.
        for (table, isLiving) in [("outbox", "living = 1"), ("shipments", "due IS NOT NULL")] {
            let isNever = "\(isLiving) AND due >= 1e300"
            guard try isThere(table, where: isNever) else { continue }
            try run("UPDATE \(table) SET due = 0 WHERE \(isNever)")
            words.append("a time of \(table) was none")
        }
        let isLost = "cursor < 0 OR cursor > ?"
        if try first("SELECT 1 FROM consumers WHERE \(isLost)", [.integer(Self.greatestNumber)], { _ in true }) != nil {
            try run("UPDATE consumers SET cursor = 0 WHERE \(isLost)", [.integer(Self.greatestNumber)])
            words.append("the place of a consumer was out of range")
        }
        if !words.isEmpty { try endSetAside() }
        return words
    }

    private func isThere(_ table: String, where condition: String) throws(LedgerError) -> Bool {
        try first("SELECT 1 FROM \(table) WHERE \(condition) LIMIT 1", [], { _ in true }) != nil
    }

    /// The greatest number that is in range, and that a consumer has seen.
    private func newest(_ key: String, of table: String) throws(LedgerError) -> Int64 {
        let own = try first("SELECT max(\(key)) FROM \(table)") { $0.count(0) } ?? 0
        guard table == "inbox" else { return own }
        let cursors = "SELECT max(cursor) FROM consumers WHERE cursor <= ?"
        return try max(own, first(cursors, [.integer(Self.greatestNumber)]) { $0.count(0) } ?? 0)
    }

    /// Sets aside every row with an ID, an address or a state that cannot be read. What was done, in words. For a moment
    /// when such a row was met: looks through the indexes of all tables. A transaction is open.
    func setAsideUnreadable() throws(LedgerError) -> [String] {
        var words: [String] = []
        func note(_ table: String, _ column: String) {
            guard changes > 0 else { return }
            words.append("messages.sqlite: \(changes) rows of \(table) have an unreadable \(column) and are set aside")
        }
        for column in ["sender", "receiver", "grp"] {
            let isIt = "CAST(\(column) AS BLOB) IS ?"
            for text in try unreadable(column, of: "inbox") {
                try run("UPDATE inbox SET seq = -seq WHERE seq > 0 AND \(isIt)", [text])
                note("inbox", column)
            }
            for text in try unreadable(column, of: "outbox") {
                try setAsideOutgoing(isIt, [text])
                note("outbox", column)
            }
        }
        // A shipment that cannot be read takes its rows along.
        for column in ["sender", "receiver"] {
            for text in try unreadable(column, of: "shipments") {
                try setAsideOutgoing(
                    "shipment IN (SELECT number FROM shipments WHERE CAST(\(column) AS BLOB) IS ?)", [text])
                note("shipments", column)
            }
        }
        let states = DeliveryState.allCases.map { "'\($0.rawValue)'" }.joined(separator: ", ")
        try setAsideOutgoing("state IS NULL OR state NOT IN (\(states))")
        note("outbox", "state")
        try endSetAside()
        // The sender repeats what was parked, and counters of nobody count nothing.
        for (table, column) in [("parked", "sender"), ("parked", "receiver"), ("peers", "did")] {
            for text in try unreadable(column, of: table) {
                try run("DELETE FROM \(table) WHERE CAST(\(column) AS BLOB) IS ?", [text])
                note(table, column)
            }
        }
        for column in ["owner", "sender"] {
            for text in try unreadable(column, of: "seen", where: "owed = 1", isReadable: { $0.isAddress(0) }) {
                try run("UPDATE seen SET owed = 0 WHERE owed = 1 AND CAST(\(column) AS BLOB) IS ?", [text])
                note("seen", column)
            }
        }
        return words
    }

    /// What stands in a column instead of an ID, each once. As bytes: text that is no UTF-8 is compared as it is.
    private func unreadable(
        _ column: String, of table: String, where condition: String = "true",
        isReadable: (SQLStatement) -> Bool = { $0.isID(0) }
    ) throws(LedgerError) -> [SQLValue] {
        let sql = "SELECT DISTINCT CAST(\(column) AS BLOB) FROM \(table) WHERE \(condition)"
        let found = try rows(sql) { row -> SQLValue? in
            if column == "grp", row.isNull(0) { return nil }
            return isReadable(row) ? nil : SQLValue(row.optionalBlob(0))
        }
        return found.compactMap { $0 }
    }

    private func setAsideOutgoing(_ condition: String, _ values: [SQLValue] = []) throws(LedgerError) {
        let rows = "ord > 0 AND (\(condition))"
        try run("UPDATE outbox_content SET ord = -ord WHERE ord IN (SELECT ord FROM outbox WHERE \(rows))", values)
        try run("UPDATE outbox SET ord = -ord WHERE \(rows)", values)
    }

    /// Outgoing rows that were set aside have ended, and do not count for their receivers.
    private func endSetAside() throws(LedgerError) {
        try run(
            "UPDATE outbox SET living = 0, state = 'failed', reason = 'damaged', due = NULL WHERE ord < 0 AND living = 1"
        )
        guard changes > 0 else { return }
        let isOver = "NOT EXISTS (SELECT 1 FROM outbox o WHERE o.shipment = number AND o.living = 1)"
        try run("UPDATE shipments SET due = NULL, size = 0 WHERE due IS NOT NULL AND \(isOver)")
        try run("DELETE FROM shipment_body WHERE \(isOver)")
        try run(
            """
            UPDATE shipments SET expires = (SELECT min(o.expires) FROM outbox o WHERE o.shipment = number AND o.living = 1)
            WHERE due IS NOT NULL
            """)
        try run(
            """
            UPDATE peers SET pending = (SELECT count(*) FROM outbox o INDEXED BY outbox_peer
                WHERE o.living = 1 AND o.receiver = peers.did)
            """)
    }
}
