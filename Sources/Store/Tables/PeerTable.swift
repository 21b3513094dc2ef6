package import DIMP
import Records

/// How the exchange with one peer stands.
package struct PeerCount: Sendable, Equatable {
    package var did: ID
    /// Messages accepted for this peer, and those of them whose receipt was verified, ever.
    package var sent: Int64
    package var receipted: Int64
    /// Messages that have not ended, and when the oldest of them was accepted: seconds since 1970, 0 when that is not
    /// known; `nil` without any.
    package var pending: Int64
    package var oldest: Double?
    /// Holes in this peer's numbers that no later message filled.
    package var gaps: Int64
}

/// Counters for each peer: table `peers`. They change with almost every message, so a turn adds them up and writes each
/// peer once.
struct PeerTable {
    private let database: Database
    /// What the open transaction adds to the table.
    private var tallies: [ID: PeerTotals] = [:]

    private struct PeerTotals {
        var sent: Int64 = 0
        var receipted: Int64 = 0
        var pending: Int64 = 0
        var gaps: Int64 = 0

        mutating func add(_ other: PeerTotals) {
            sent += other.sent
            receipted += other.receipted
            pending += other.pending
            gaps += other.gaps
        }
    }

    init(_ database: Database) {
        self.database = database
    }

    /// Peers with pending messages first, then those with gaps, the busiest first; and how many there are beyond
    /// `limit`.
    mutating func rows(limit: Int) throws(LedgerError) -> (rows: [PeerCount], rest: Int64) {
        try writeTallies()
        // The oldest by the index alone, but for the one row; of those that are shown, not of every peer.
        let rows = try database.rows(
            """
            SELECT did, sent, receipted, pending, gaps,
                (SELECT o.created FROM outbox o WHERE o.living = 1 AND o.receiver = did ORDER BY o.ord LIMIT 1)
            FROM (SELECT did, sent, receipted, pending, gaps FROM peers
                ORDER BY pending > 0 DESC, gaps > 0 DESC, sent DESC, did LIMIT ?)
            """, [.count(limit)]
        ) { row throws(LedgerError) in
            PeerCount(
                did: try row.id(0), sent: row.count(1), receipted: row.count(2), pending: row.count(3),
                oldest: row.optionalReal(5), gaps: row.count(4))
        }
        let all = try database.first("SELECT count(*) FROM peers") { $0.integer(0) } ?? 0
        return (rows, max(0, all - Int64(rows.count)))
    }

    /// Counts what became of an outgoing message. `old` is what its row was before; `nil` for a new one.
    mutating func count(_ row: Outgoing, after old: OutboxTable.Standing?) {
        let isReceipted = row.state == .delivered && old?.isDelivered != true
        let pending: Int64 = (row.isLiving ? 1 : 0) - (old?.isLiving == true ? 1 : 0)
        guard old == nil || isReceipted || pending != 0 else { return }
        tallies[row.receiver, default: PeerTotals()].add(
            PeerTotals(sent: old == nil ? 1 : 0, receipted: isReceipted ? 1 : 0, pending: pending))
    }

    /// Counts rows of one shipment that came to stand as this one does.
    mutating func count(_ rows: Int64, as row: Outgoing, after old: Outgoing) {
        let isReceipted = row.state == .delivered && old.state != .delivered
        let pending: Int64 = (row.isLiving ? rows : 0) - (old.isLiving ? rows : 0)
        guard isReceipted || pending != 0 else { return }
        tallies[row.receiver, default: PeerTotals()].add(
            PeerTotals(sent: 0, receipted: isReceipted ? rows : 0, pending: pending))
    }

    /// Counts the holes that a gap event reports.
    mutating func count(_ row: EventRecord) {
        if row.kind == .gap, let did = row.did { tallies[did, default: PeerTotals()].gaps += row.count }
    }

    /// Writes what was counted into the open transaction.
    mutating func writeTallies() throws(LedgerError) {
        for (did, tally) in tallies {
            try database.run(
                """
                INSERT INTO peers (did, sent, receipted, pending, gaps) VALUES (?1, ?2, ?3, ?4, ?5)
                ON CONFLICT (did) DO UPDATE SET sent = sent + ?2, receipted = receipted + ?3, pending = pending + ?4,
                    gaps = gaps + ?5
                """,
                [
                    .id(did), .integer(tally.sent), .integer(tally.receipted), .integer(tally.pending),
                    .integer(tally.gaps),
                ])
        }
        tallies = [:]
    }
}
