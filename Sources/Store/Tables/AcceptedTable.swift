import DIMP
import Records

/// The digests of what was accepted, and the receipts that answer it: table `seen`.
struct AcceptedTable {
    private let database: Database

    init(_ database: Database) {
        self.database = database
    }

    func row(owner: Address, sender: Address, digest: [UInt8]) throws(LedgerError) -> AcceptedRecord? {
        let sql = "\(select)WHERE owner = ? AND sender = ? AND digest = ?"
        return try database.first(sql, [.address(owner), .address(sender), .blob(digest)], AcceptedRecord.init)
    }

    /// The first with this content.
    func row(owner: Address, sender: Address, contentDigest: [UInt8]) throws(LedgerError) -> AcceptedRecord? {
        let sql = "\(select)WHERE owner = ? AND sender = ? AND content_digest = ? ORDER BY number LIMIT 1"
        return try database.first(sql, [.address(owner), .address(sender), .blob(contentDigest)], AcceptedRecord.init)
    }

    /// The rows that still owe a receipt, the oldest first.
    func owed(limit: Int) throws(LedgerError) -> [AcceptedRecord] {
        try database.rows("\(select)WHERE owed = 1 ORDER BY number LIMIT ?", [.count(limit)], AcceptedRecord.init)
    }

    /// Inserts or replaces by owner, sender and digest. Of rows without a time, the newest `timeless` of a sender stay.
    func put(_ row: AcceptedRecord, timeless: Int) throws(LedgerError) {
        try database.run(
            """
            INSERT INTO seen (owner, sender, digest, content_digest, time, receipt, receipt_to, receipt_from, owed, answered)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (owner, sender, digest) DO UPDATE SET content_digest = excluded.content_digest,
                time = excluded.time, receipt = excluded.receipt, receipt_to = excluded.receipt_to,
                receipt_from = excluded.receipt_from, owed = excluded.owed, answered = excluded.answered
            """,
            [
                .address(row.owner), .address(row.sender), .blob(row.digest), SQLValue(row.contentDigest),
                SQLValue(row.time), SQLValue(row.receipt), .id(row.receiptTo), .id(row.receiptFrom),
                .flag(row.isOwed), .real(row.answered),
            ])
        if row.time == nil { try boundTimeless(owner: row.owner, sender: row.sender, kept: timeless) }
    }

    /// The receipt of this row is owed no more.
    func setReceipted(owner: Address, sender: Address, digest: [UInt8]) throws(LedgerError) {
        try database.run(
            "UPDATE seen SET owed = 0 WHERE owner = ? AND sender = ? AND digest = ? AND owed = 1",
            [.address(owner), .address(sender), .blob(digest)])
    }

    /// Removes the rows of this sender that have no time.
    func forget(owner: Address, sender: Address) throws(LedgerError) {
        try database.run(
            "DELETE FROM seen WHERE owner = ? AND sender = ? AND time IS NULL", [.address(owner), .address(sender)])
    }

    /// The newest time in the portion of rows that `prune` removes; `nil` when it removes none.
    func newestToPrune(before time: Double) throws(LedgerError) -> Double? {
        let old = "SELECT time FROM seen WHERE time < ? ORDER BY time LIMIT ?"
        return try database.first("SELECT max(time) FROM (\(old))", [.real(time), .integer(Database.portion)]) {
            $0.optionalReal(0)
        } ?? nil
    }

    /// Removes a portion of the rows with a time before this; says whether there may be more.
    func prune(before time: Double) throws(LedgerError) -> Bool {
        let old = "SELECT number FROM seen WHERE time < ? ORDER BY time LIMIT ?"
        return try database.runPortion("DELETE FROM seen WHERE number IN (\(old))", time: time)
    }

    /// Of the rows without a time, the oldest go.
    private func boundTimeless(owner: Address, sender: Address, kept: Int) throws(LedgerError) {
        try database.run(
            """
            DELETE FROM seen WHERE number IN (SELECT number FROM seen
                WHERE owner = ? AND sender = ? AND time IS NULL ORDER BY number DESC LIMIT -1 OFFSET ?)
            """, [.address(owner), .address(sender), .count(kept)])
    }
}

private let select = """
    SELECT owner, sender, digest, content_digest, time, receipt, receipt_to, receipt_from, owed, answered FROM seen 
    """

extension AcceptedRecord {
    /// Whom a receipt is for and from cannot be read: then those whom the message was from and for. What was taken must
    /// stay known, or it would be taken twice.
    fileprivate init(_ row: SQLStatement) throws(LedgerError) {
        let (owner, sender) = (try row.address(0), try row.address(1))
        guard let to = row.readableID(6) ?? ID(sender.text), let from = row.readableID(7) ?? ID(owner.text) else {
            throw row.damage(6, "ID")
        }
        self.init(
            owner: owner, sender: sender, digest: row.blob(2), contentDigest: row.optionalBlob(3),
            time: row.optionalReal(4), receipt: row.optionalText(5), receiptTo: to, receiptFrom: from,
            isOwed: row.flag(8), answered: row.real(9))
    }
}
