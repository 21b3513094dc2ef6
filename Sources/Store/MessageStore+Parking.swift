package import Records

extension MessageStore {
    package func parked(
        sender: String, isVerified: Bool, after: Int64, limit: Int
    ) throws(LedgerError) -> [Parked] {
        try database.rows(
            """
            SELECT number, verified, sender, receiver, wire, digest, received, since FROM parked
            WHERE verified = ? AND address = ? AND number > ? ORDER BY number LIMIT ?
            """, [.flag(isVerified), .text(sender), .integer(after), .count(limit)], Parked.init)
    }

    package func parkedSenders(isVerified: Bool, limit: Int) throws(LedgerError) -> [String] {
        try database.rows(
            "SELECT sender FROM parked WHERE verified = ? GROUP BY sender ORDER BY min(number) LIMIT ?",
            [.flag(isVerified), .count(limit)]
        ) { $0.text(0) }
    }

    /// How many are parked.
    package func parkedCount(isVerified: Bool) throws(LedgerError) -> Int {
        try size(isVerified).rows
    }

    /// What became of parked messages since the file was opened.
    package var parking: ParkingCount { counts.parking }

    /// How many are parked of this sender (address).
    package func parkedCount(sender: String, isVerified: Bool) throws(LedgerError) -> Int {
        let sql = "SELECT count(*) FROM parked WHERE verified = ? AND address = ?"
        return try database.first(sql, [.flag(isVerified), .text(sender)]) { $0.int(0) } ?? 0
    }

    /// A group message parked for two identities of ours has one digest and two receivers: both stay.
    func park(_ row: Parked) throws(LedgerError) {
        let address = address(of: row.sender)
        try database.run(
            """
            INSERT OR IGNORE INTO parked (verified, address, sender, receiver, digest, received, since, size, wire)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                .flag(row.isVerified), .text(address), .text(row.sender), .text(row.receiver), .blob(row.digest),
                .real(row.received), .real(row.since), .count(row.wire.count), .blob(row.wire),
            ])
        guard database.changes > 0 else { return }
        if row.isVerified { counts.parking.verified += 1 } else { counts.parking.unverified += 1 }
        try dropOldest(limits.parkedPerSender, of: address, row.isVerified)
        try boundParking(row.isVerified)
    }

    private func dropOldest(_ kept: Int, of address: String, _ isVerified: Bool) throws(LedgerError) {
        try database.run(
            """
            DELETE FROM parked WHERE number IN (SELECT number FROM parked
                WHERE verified = ? AND address = ? ORDER BY number DESC LIMIT -1 OFFSET ?)
            """, [.flag(isVerified), .text(address), .count(kept)])
        counts.parking.droppedForRoom += database.changes
    }

    /// Whoever has most loses first; between equals the one who has waited longest.
    private func boundParking(_ isVerified: Bool) throws(LedgerError) {
        var size = try size(isVerified)
        while size.rows > limits.parkedRows || size.bytes > limits.parkedBytes {
            let measure = size.rows > limits.parkedRows ? "count(*)" : "sum(size)"
            try database.run(
                """
                DELETE FROM parked WHERE number = (SELECT min(number) FROM parked
                    WHERE verified = ?1 GROUP BY address ORDER BY \(measure) DESC, min(number) LIMIT 1)
                """, [.flag(isVerified)])
            guard database.changes > 0 else { return }
            counts.parking.droppedForRoom += database.changes
            size = try self.size(isVerified)
        }
    }

    package func parkedSize(isVerified: Bool) throws(LedgerError) -> (rows: Int, bytes: Int) { try size(isVerified) }

    private func size(_ isVerified: Bool) throws(LedgerError) -> (rows: Int, bytes: Int) {
        let sql = "SELECT count(*), coalesce(sum(size), 0) FROM parked WHERE verified = ?"
        return try database.first(sql, [.flag(isVerified)]) { ($0.int(0), $0.int(1)) } ?? (0, 0)
    }
}

/// `name@address/terminal`: only the address counts, the rest anybody may write as they like (wire.md 2).
private func address(of id: String) -> String {
    let entity = id.prefix { $0 != "/" }
    return String(entity.split(separator: "@", omittingEmptySubsequences: false).last ?? "")
}

extension Parked {
    fileprivate init(_ row: Statement) {
        self.init(
            number: row.integer(0), isVerified: row.flag(1), sender: row.text(2), receiver: row.text(3),
            wire: row.blob(4), digest: row.blob(5), received: row.real(6), since: row.real(7))
    }
}
