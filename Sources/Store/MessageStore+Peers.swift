package import Records

/// Counters for each peer. They change with almost every message, so a turn adds them up and writes each peer once.
extension MessageStore {
    struct Tally {
        var sent: Int64 = 0
        var receipted: Int64 = 0
        var pending: Int64 = 0
        var gaps: Int64 = 0
    }

    /// Peers with pending messages first, then those with gaps, the busiest first; and how many there are beyond
    /// `limit`.
    package func peers(limit: Int) throws(LedgerError) -> (rows: [PeerCount], rest: Int) {
        try writeTallies()
        // The oldest by the index alone, but for the one row.
        let rows = try database.rows(
            """
            SELECT did, sent, receipted, pending, gaps,
                (SELECT o.created FROM outbox o WHERE o.living = 1 AND o.receiver = did ORDER BY o.ord LIMIT 1)
            FROM peers ORDER BY pending > 0 DESC, gaps > 0 DESC, sent DESC, did LIMIT ?
            """, [.count(limit)]
        ) { row in
            PeerCount(
                did: row.text(0), sent: row.integer(1), receipted: row.integer(2), pending: row.integer(3),
                oldest: row.optionalReal(5), gaps: row.integer(4))
        }
        let all = try database.first("SELECT count(*) FROM peers") { $0.int(0) } ?? 0
        return (rows, all - rows.count)
    }

    /// `old`: what the row was before; `nil` for a new one.
    func count(_ row: Outgoing, after old: (isLiving: Bool, isDelivered: Bool)?) {
        let isReceipted = row.state == .delivered && old?.isDelivered != true
        let pending: Int64 = (row.isLiving ? 1 : 0) - (old?.isLiving == true ? 1 : 0)
        guard old == nil || isReceipted || pending != 0 else { return }
        tallies[row.receiver, default: Tally()].sent += old == nil ? 1 : 0
        tallies[row.receiver, default: Tally()].receipted += isReceipted ? 1 : 0
        tallies[row.receiver, default: Tally()].pending += pending
    }

    func writeTallies() throws(LedgerError) {
        for (did, tally) in tallies {
            try database.run(
                """
                INSERT INTO peers (did, sent, receipted, pending, gaps) VALUES (?1, ?2, ?3, ?4, ?5)
                ON CONFLICT (did) DO UPDATE SET sent = sent + ?2, receipted = receipted + ?3, pending = pending + ?4,
                    gaps = gaps + ?5
                """,
                [
                    .text(did), .integer(tally.sent), .integer(tally.receipted), .integer(tally.pending),
                    .integer(tally.gaps),
                ])
        }
        tallies = [:]
    }
}
