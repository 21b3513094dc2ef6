package import Records

extension MessageStore {
    /// How many rows of a table go at a time: an hour's worth at once would hold up everybody.
    private static let portion = 250

    package func prune(wall: Double, lived: Double) throws(LedgerError) -> Bool {
        try writing { () throws(LedgerError) in
            try database.run("DELETE FROM parked WHERE since < ?", [.real(lived - limits.parkedAge)])
            counts.parking.droppedForAge += database.changes
            var isMore = try pruneOutbox(wall: wall, lived: lived)
            guard wall > 0 else { return isMore }
            let old = "SELECT number FROM seen WHERE time < ? ORDER BY time LIMIT ?"
            isMore = try portion("DELETE FROM seen WHERE number IN (\(old))", wall - limits.digestAge) || isMore
            return try pruneInbox(wall: wall, limit: Self.portion) == Self.portion || isMore
        }
    }

    /// The age of an end begins with the first pruning that sees it, by both clocks; either may run out.
    private func pruneOutbox(wall: Double, lived: Double) throws(LedgerError) -> Bool {
        var isMore = try begin("ended_lived", at: lived)
        isMore = try dropEnded("ended_lived", before: lived - limits.endedAge) || isMore
        guard wall > 0 else { return isMore }
        isMore = try begin("ended_wall", at: wall) || isMore
        return try dropEnded("ended_wall", before: wall - limits.endedAge) || isMore
    }

    private func begin(_ clock: String, at time: Double) throws(LedgerError) -> Bool {
        try portion(
            """
            UPDATE outbox SET \(clock) = ? WHERE ord IN
                (SELECT ord FROM outbox WHERE living = 0 AND \(clock) IS NULL LIMIT ?)
            """, time)
    }

    private func dropEnded(_ clock: String, before time: Double) throws(LedgerError) -> Bool {
        let old = "SELECT ord FROM outbox WHERE living = 0 AND \(clock) < ? ORDER BY \(clock), ord LIMIT ?"
        _ = try portion("DELETE FROM outbox_body WHERE ord IN (\(old))", time)
        return try portion("DELETE FROM outbox WHERE ord IN (\(old))", time)
    }

    private func portion(_ sql: String, _ time: Double) throws(LedgerError) -> Bool {
        try database.run(sql, [.real(time), .count(Self.portion)])
        return database.changes == Self.portion
    }
}
