package import Records

extension MessageStore {
    package func inboxHasRoom() throws(LedgerError) -> Bool {
        if hasInboxRoom { return true }
        guard !isStuck else { return false }
        try writing { () throws(LedgerError) in try dropRead() }
        isStuck = !hasInboxRoom
        return hasInboxRoom
    }

    package func laggard() throws(LedgerError) -> String? {
        if let slowest { return slowest }
        let sql = """
            SELECT name FROM consumers c WHERE EXISTS (SELECT 1 FROM inbox WHERE \(InboxFilter.isPending))
            ORDER BY cursor, name LIMIT 1
            """
        let found = try database.first(sql) { $0.text(0) }
        if isStuck { slowest = .some(found) }
        return found
    }

    /// Nothing is taken into it until a consumer has read, because what is in it is unread.
    package var isInboxFull: Bool { isStuck }

    /// Rows by `seq`, from `start` on; without it the newest `limit`. Ends with the row whose content makes them
    /// `bytes` or more.
    package func inbox(
        start: Int64? = nil, limit: Int, filter: InboxFilter = InboxFilter(), bytes: Int = .max
    ) throws(LedgerError) -> [Incoming] {
        let from = start == nil ? "seq > ? ORDER BY seq DESC" : "seq >= ? ORDER BY seq"
        let sql = "\(select)WHERE \(filter.condition)\(from) LIMIT ?"
        var left = bytes
        let values = filter.given + [.integer(start ?? 0), .count(limit)]
        let found = try database.rows(sql, values, Incoming.init) { row in
            left -= row.content.utf8.count
            return left > 0
        }
        return start == nil ? found.reversed() : found
    }

    /// Rows with a greater `seq` than `after`, up to `last`.
    func inbox(after: Int64, upTo last: Int64, limit: Int, filter: InboxFilter) throws(LedgerError) -> [Incoming] {
        let sql = "\(select)WHERE \(filter.condition)seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
        let values = filter.given + [.integer(after), .integer(last), .count(limit)]
        return try database.rows(sql, values, Incoming.init)
    }

    package func incoming(seq: Int64) throws(LedgerError) -> Incoming? {
        try database.first("\(select)WHERE seq = ?", [.integer(seq)], Incoming.init)
    }

    /// The newest with this message id: ids are the senders' and may stand twice.
    package func incoming(id: String) throws(LedgerError) -> Incoming? {
        try database.first("\(select)WHERE id = ? ORDER BY seq DESC LIMIT 1", [.text(id)], Incoming.init)
    }

    package func inboxSize() throws(LedgerError) -> (count: Int, bytes: Int) {
        (totals.inboxRows, totals.inboxBytes)
    }

    /// The highest `seq` ever given, of rows that are gone too; 0 before the first.
    package func newestSequence() throws(LedgerError) -> Int64 {
        try database.first("SELECT seq FROM sqlite_sequence WHERE name = 'inbox'") { $0.integer(0) } ?? 0
    }

    func add(_ row: Incoming) throws(LedgerError) {
        let size = row.content.utf8.count
        try database.run(
            """
            INSERT INTO inbox (id, sn, sender, receiver, grp, time, received, type, sealed, encrypted, trust, size, content)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                .text(row.id), .integer(row.sn), .text(row.sender), .text(row.receiver), SQLValue(row.group),
                .real(row.time), .real(row.received), .integer(row.type), .flag(row.sealed), .flag(row.encrypted),
                .text(row.trust), .count(size), .text(row.content),
            ])
        arrived.append(database.lastRow)
        totals.inboxRows += 1
        totals.inboxBytes += size
    }

    /// Rows over their age that nobody waits for; how many there were, at most `limit`.
    func pruneInbox(wall: Double, limit: Int) throws(LedgerError) -> Int {
        let old = """
            SELECT seq FROM inbox WHERE received > 0 AND received < ? AND \(InboxFilter.isPassed)
            AND NOT EXISTS (SELECT 1 FROM consumers c WHERE \(InboxFilter.isPending)) ORDER BY received LIMIT ?
            """
        return try dropInbox("seq IN (\(old))", [.real(wall - limits.keep), .count(limit)])
    }

    var hasInboxRoom: Bool {
        totals.inboxRows < limits.inboxRows && totals.inboxBytes < limits.inboxBytes
    }

    /// The oldest that every consumer has read, until a hundredth is free: so a full inbox is not searched at each
    /// arrival. Where there is no consumer, nobody has read anything.
    private func dropRead() throws(LedgerError) {
        let isRead = """
            EXISTS (SELECT 1 FROM consumers) AND \(InboxFilter.isPassed)
            AND NOT EXISTS (SELECT 1 FROM consumers c WHERE \(InboxFilter.isPending))
            """
        while !hasInboxRoom {
            let read = try database.rows("SELECT seq, size FROM inbox WHERE \(isRead) ORDER BY seq LIMIT 1000") {
                (seq: $0.integer(0), size: $0.int(1))
            }
            guard let last = lastToDrop(of: read) else { return }
            try dropInbox("seq <= ? AND \(isRead)", [.integer(last)])
        }
    }

    private func lastToDrop(of rows: [(seq: Int64, size: Int)]) -> Int64? {
        var left = totals
        for row in rows {
            left.inboxRows -= 1
            left.inboxBytes -= row.size
            let isEnough =
                left.inboxRows < limits.inboxRows - limits.inboxRows / 100
                && left.inboxBytes < limits.inboxBytes - limits.inboxBytes / 100
            if isEnough { return row.seq }
        }
        return rows.last?.seq
    }

    @discardableResult
    private func dropInbox(_ condition: String, _ values: [SQLValue]) throws(LedgerError) -> Int {
        let sizes = try database.rows("DELETE FROM inbox WHERE \(condition) RETURNING size", values) { $0.int(0) }
        totals.inboxRows -= sizes.count
        totals.inboxBytes -= sizes.reduce(0, +)
        return sizes.count
    }
}

private let select = """
    SELECT seq, id, sn, sender, receiver, grp, time, received, content, type, sealed, encrypted, trust FROM inbox 
    """

extension Incoming {
    fileprivate init(_ row: Statement) {
        self.init(
            seq: row.integer(0), id: row.text(1), sn: row.integer(2), sender: row.text(3), receiver: row.text(4),
            group: row.optionalText(5), time: row.real(6), received: row.real(7), content: row.text(8),
            type: row.integer(9), sealed: row.flag(10), encrypted: row.flag(11), trust: row.text(12))
    }
}
