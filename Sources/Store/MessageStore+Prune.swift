import Records

extension MessageStore {
    /// Removes what is over its age. `wall` is seconds since 1970, 0 while the clock is unset: then nothing goes by it.
    func prune(wall: Double, lived: Double) throws(LedgerError) {
        try database.run("DELETE FROM parked WHERE since < ?", [.real(lived - limits.parkedAge)])
        try pruneOutbox(wall: wall, lived: lived)
        guard wall > 0 else { return }
        try database.run("DELETE FROM seen WHERE time < ?", [.real(wall - limits.digestAge)])
        try pruneInbox(wall: wall)
    }

    /// The age of an end begins with the first pruning that sees it, by both clocks; either may run out.
    private func pruneOutbox(wall: Double, lived: Double) throws(LedgerError) {
        try database.run("UPDATE outbox SET ended_lived = ? WHERE living = 0 AND ended_lived IS NULL", [.real(lived)])
        let over = "living = 0 AND (ended_lived < ?1 OR (ended_wall < ?2 AND ?2 > 0))"
        let values: [SQLValue] = [.real(lived - limits.endedAge), .real(wall > 0 ? wall - limits.endedAge : 0)]
        if wall > 0 {
            try database.run("UPDATE outbox SET ended_wall = ? WHERE living = 0 AND ended_wall IS NULL", [.real(wall)])
        }
        try database.run("DELETE FROM outbox_body WHERE ord IN (SELECT ord FROM outbox WHERE \(over))", values)
        try database.run("DELETE FROM outbox WHERE \(over)", values)
    }
}
