package import DIMP
package import Records

/// What the owner of the board asks: the lists and the figures.
extension MessageStore {
    /// Rows in the order in which they were accepted, from `order` `start` on; without it the newest `limit`. Without
    /// contents: a thousand of them would not fit into memory.
    package func outbox(
        state: DeliveryState? = nil, start: Int64? = nil, limit: Int
    ) throws(LedgerError) -> [Outgoing] {
        try reading { () throws(LedgerError) in try tables.outbox.rows(state: state, start: start, limit: limit) }
    }

    /// How many rows each state has of those that have not ended; states without any are absent.
    package func outboxStates() throws(LedgerError) -> [DeliveryState: Int64] { try tables.outbox.states() }

    /// Rows by `seq`, from `start` on; without it the newest `limit`. Ends with the row whose content makes them
    /// `bytes` or more.
    package func inbox(
        start: Int64? = nil, limit: Int, filter: InboxFilter = InboxFilter(), bytes: Int = .max
    ) throws(LedgerError) -> [Incoming] {
        try reading { () throws(LedgerError) in
            try tables.inbox.rows(start: start, limit: limit, filter: filter, bytes: bytes)
        }
    }

    package func incoming(seq: Int64) throws(LedgerError) -> Incoming? { try tables.inbox.row(seq: seq) }

    /// The newest with this message id: the senders choose ids, and one may stand twice.
    package func incoming(id: String) throws(LedgerError) -> Incoming? { try tables.inbox.row(id: id) }

    package func inboxSize() throws(LedgerError) -> (count: Int64, bytes: Int64) { tables.inbox.size }

    /// Nothing is taken into it until a consumer has read, because what is in it is unread.
    package var isInboxFull: Bool { tables.inbox.isStuck }

    /// The highest `seq` ever given, of rows that are gone too; 0 before the first.
    package var newestSequence: Int64 { tables.inbox.newest }

    /// What became of parked messages since the file was opened.
    package var parking: ParkingCount { tables.parking.counts }

    /// Strangers that wait for the owner's word.
    package func parkedRequests(limit: Int) throws(LedgerError) -> [ParkedRequest] {
        try reading { () throws(LedgerError) in try tables.parking.requests(limit: limit) }
    }

    /// How many are parked.
    package func parkedCount(isVerified: Bool) throws(LedgerError) -> Int64 {
        try tables.parking.size(isVerified: isVerified).rows
    }

    /// How many are parked of this sender.
    package func parkedCount(sender: Address, isVerified: Bool) throws(LedgerError) -> Int64 {
        try tables.parking.count(sender: sender, isVerified: isVerified)
    }

    package func parkedSize(isVerified: Bool) throws(LedgerError) -> (rows: Int64, bytes: Int64) {
        try tables.parking.size(isVerified: isVerified)
    }

    /// Rows by `n`, from `start` on; without it the newest `limit`. `since` is seconds since 1970.
    package func events(
        start: Int64? = nil, limit: Int, since: Double? = nil, kind: EventRecord.Kind? = nil, did: ID? = nil
    ) throws(LedgerError) -> [EventRecord] {
        try tables.events.rows(start: start, limit: limit, since: since, kind: kind, did: did)
    }

    /// How many events of each kind there were since the file was opened; each of several like ones counts.
    package var eventCounts: [EventRecord.Kind: Int64] { tables.events.counts }

    /// The newest `limit` warnings and errors, the newest first.
    package func problems(limit: Int) throws(LedgerError) -> [EventRecord] { try tables.events.problems(limit: limit) }

    /// Peers with pending messages first, then those with gaps, the busiest first; and how many there are beyond
    /// `limit`.
    package func peers(limit: Int) throws(LedgerError) -> (rows: [PeerCount], rest: Int64) {
        try reading { () throws(LedgerError) in try tables.peers.rows(limit: limit) }
    }
}
