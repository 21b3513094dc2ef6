package import Records

extension MessageStore {
    package func accepted(owner: String, sender: String, digest: [UInt8]) throws(LedgerError) -> AcceptedRecord? {
        let sql = "\(select)WHERE owner = ? AND sender = ? AND digest = ?"
        return try database.first(sql, [.text(owner), .text(sender), .blob(digest)], AcceptedRecord.init)
    }

    package func accepted(owner: String, sender: String, contentDigest: [UInt8]) throws(LedgerError) -> AcceptedRecord?
    {
        let sql = "\(select)WHERE owner = ? AND sender = ? AND content_digest = ? ORDER BY number LIMIT 1"
        return try database.first(sql, [.text(owner), .text(sender), .blob(contentDigest)], AcceptedRecord.init)
    }

    package func owedReceipts(limit: Int) throws(LedgerError) -> [AcceptedRecord] {
        try database.rows("\(select)WHERE owed = 1 ORDER BY number LIMIT ?", [.count(limit)], AcceptedRecord.init)
    }

    func put(_ row: AcceptedRecord) throws(LedgerError) {
        try database.run(
            """
            INSERT INTO seen (owner, sender, digest, content_digest, time, receipt, receipt_to, receipt_from, owed, answered)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (owner, sender, digest) DO UPDATE SET content_digest = excluded.content_digest,
                time = excluded.time, receipt = excluded.receipt, receipt_to = excluded.receipt_to,
                receipt_from = excluded.receipt_from, owed = excluded.owed, answered = excluded.answered
            """,
            [
                .text(row.owner), .text(row.sender), .blob(row.digest), SQLValue(row.contentDigest),
                SQLValue(row.time), SQLValue(row.receipt), .text(row.receiptTo), .text(row.receiptFrom),
                .flag(row.isOwed), .real(row.answered),
            ])
        if row.time == nil { try boundTimeless(owner: row.owner, sender: row.sender) }
    }

    func forgetAccepted(owner: String, sender: String) throws(LedgerError) {
        try database.run(
            "DELETE FROM seen WHERE owner = ? AND sender = ? AND time IS NULL", [.text(owner), .text(sender)])
    }

    /// The oldest go.
    private func boundTimeless(owner: String, sender: String) throws(LedgerError) {
        try database.run(
            """
            DELETE FROM seen WHERE number IN (SELECT number FROM seen
                WHERE owner = ? AND sender = ? AND time IS NULL ORDER BY number DESC LIMIT -1 OFFSET ?)
            """, [.text(owner), .text(sender), .count(limits.timelessDigests)])
    }
}

private let select = """
    SELECT owner, sender, digest, content_digest, time, receipt, receipt_to, receipt_from, owed, answered FROM seen 
    """

extension AcceptedRecord {
    fileprivate init(_ row: Statement) {
        self.init(
            owner: row.text(0), sender: row.text(1), digest: row.blob(2), contentDigest: row.optionalBlob(3),
            time: row.optionalReal(4), receipt: row.optionalText(5), receiptTo: row.text(6), receiptFrom: row.text(7),
            isOwed: row.flag(8), answered: row.real(9))
    }
}
