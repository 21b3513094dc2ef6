package import DIMP
import Records

/// What became of parked messages since the file was opened.
package struct ParkingCount: Sendable, Equatable {
    package var verified: Int64 = 0
    package var unverified: Int64 = 0
    /// Messages that made room for others, by the limits of culver.conf(5).
    package var droppedForRoom: Int64 = 0
    package var droppedForAge: Int64 = 0
}

/// A stranger whose verified messages wait for the owner's word: when the first came, in seconds since 1970, and how many
/// there are.
package struct ParkedRequest: Sendable, Equatable {
    package var sender: ID
    package var first: Double
    package var messages: Int64
}

/// Messages that wait for their sender's meta or for the owner's word: table `parked`.
struct ParkingTable {
    /// Kept in memory alone: the file does not say what left it.
    private(set) var counts = ParkingCount()

    private let database: Database

    init(_ database: Database) {
        self.database = database
    }

    func rows(sender: Address, isVerified: Bool, after: Int64, limit: Int) throws(LedgerError) -> [Parked] {
        try database.rows(
            """
            SELECT number, verified, sender, receiver, wire, digest, received, since FROM parked
            WHERE verified = ? AND address = ? AND number > ? ORDER BY number LIMIT ?
            """, [.flag(isVerified), .address(sender), .integer(after), .count(limit)], Parked.init)
    }

    func senders(isVerified: Bool, limit: Int) throws(LedgerError) -> [ID] {
        try database.rows(
            "SELECT sender FROM parked WHERE verified = ? GROUP BY sender ORDER BY min(number) LIMIT ?",
            [.flag(isVerified), .count(limit)]
        ) { row throws(LedgerError) in try row.id(0) }
    }

    /// Senders of verified messages, those first that have waited longest. The messages themselves are not read: a thousand
    /// of them may have a gigabyte.
    func requests(limit: Int) throws(LedgerError) -> [ParkedRequest] {
        try database.rows(
            """
            SELECT sender, received, count(*), min(number) FROM parked WHERE verified = 1
            GROUP BY sender ORDER BY min(number) LIMIT ?
            """, [.count(limit)]
        ) { row throws(LedgerError) in
            ParkedRequest(sender: try row.id(0), first: row.real(1), messages: row.integer(2))
        }
    }

    /// How many are parked of this sender.
    func count(sender: Address, isVerified: Bool) throws(LedgerError) -> Int64 {
        let sql = "SELECT count(*) FROM parked WHERE verified = ? AND address = ?"
        return try database.first(sql, [.flag(isVerified), .address(sender)]) { $0.integer(0) } ?? 0
    }

    /// Parks within the limits. A group message parked for two of the own identities has one digest and two receivers:
    /// both rows stay.
    mutating func park(_ row: Parked, limits: StoreLimits) throws(LedgerError) {
        let address = row.sender.address
        try database.run(
            """
            INSERT OR IGNORE INTO parked (verified, address, sender, receiver, digest, received, since, size, wire)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                .flag(row.isVerified), .address(address), .id(row.sender), .id(row.receiver), .blob(row.digest),
                .real(row.received), .real(row.since), .count(row.wire.count), .blob(row.wire),
            ])
        guard database.changes > 0 else { return }
        if row.isVerified { counts.verified += 1 } else { counts.unverified += 1 }
        try dropOldest(of: address, isVerified: row.isVerified, kept: limits.parkedPerSender)
        try bound(isVerified: row.isVerified, limits: limits)
    }

    func unpark(number: Int64) throws(LedgerError) {
        try database.run("DELETE FROM parked WHERE number = ?", [.integer(number)])
    }

    func unparkAll(of sender: Address) throws(LedgerError) {
        try database.run("DELETE FROM parked WHERE verified IN (0, 1) AND address = ?", [.address(sender)])
    }

    /// Removes what has been parked since before this.
    mutating func prune(before lived: Double) throws(LedgerError) {
        try database.run("DELETE FROM parked WHERE since < ?", [.real(lived)])
        counts.droppedForAge += database.changes
    }

    private mutating func dropOldest(of address: Address, isVerified: Bool, kept: Int) throws(LedgerError) {
        try database.run(
            """
            DELETE FROM parked WHERE number IN (SELECT number FROM parked
                WHERE verified = ? AND address = ? ORDER BY number DESC LIMIT -1 OFFSET ?)
            """, [.flag(isVerified), .address(address), .count(kept)])
        counts.droppedForRoom += database.changes
    }

    /// The sender with most loses first; between equals the one that has waited longest.
    private mutating func bound(isVerified: Bool, limits: StoreLimits) throws(LedgerError) {
        var size = try size(isVerified: isVerified)
        while size.rows > limits.parkedRows || size.bytes > limits.parkedBytes {
            let measure = size.rows > limits.parkedRows ? "count(*)" : "total(size)"
            try database.run(
                """
                DELETE FROM parked WHERE number = (SELECT min(number) FROM parked
                    WHERE verified = ?1 GROUP BY address ORDER BY \(measure) DESC, min(number) LIMIT 1)
                """, [.flag(isVerified)])
            guard database.changes > 0 else { return }
            counts.droppedForRoom += database.changes
            size = try self.size(isVerified: isVerified)
        }
    }

    /// How many are parked, and their bytes.
    func size(isVerified: Bool) throws(LedgerError) -> (rows: Int64, bytes: Int64) {
        let sql = "SELECT count(*), coalesce(sum(\(Database.size)), 0) FROM parked WHERE verified = ?"
        return try database.first(sql, [.flag(isVerified)]) { ($0.integer(0), $0.integer(1)) } ?? (0, 0)
    }
}

extension Parked {
    fileprivate init(_ row: SQLStatement) throws(LedgerError) {
        self.init(
            number: row.count(0), isVerified: row.flag(1), sender: try row.id(2), receiver: try row.id(3),
            wire: row.blob(4), digest: row.blob(5), received: row.real(6), since: row.real(7))
    }
}
