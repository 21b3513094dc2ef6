/// What is written down. All changes of one turn of the loop are one transaction, which the loop commits before it
/// lets anything out; reading sees every change that was applied, committed or not.
package protocol Ledger: AnyObject {
    func apply(_ change: Change) throws(LedgerError)

    func outgoing(id: String) throws(LedgerError) -> Outgoing?
    func outgoing(sender: String, receiver: String, ref: String) throws(LedgerError) -> Outgoing?
    /// The living or ended row whose ciphertext has this SHA-256.
    func outgoing(digest: [UInt8]) throws(LedgerError) -> Outgoing?
    /// Rows of this serial number, newest first, at most 8: for the receipts of stock peers, which name no digest.
    func outgoing(sn: Int64) throws(LedgerError) -> [Outgoing]
    /// Living rows that are due at or before this, at most `limit` and a bounded number of bytes: those that have been
    /// due for longest, equal ones in order.
    func dueOutgoing(at lived: Double, limit: Int) throws(LedgerError) -> [Outgoing]
    /// Living rows that have expired at this time, at most `limit` and a bounded number of bytes.
    func expiredOutgoing(at lived: Double, limit: Int) throws(LedgerError) -> [Outgoing]
    /// Rows in state `waiting` for this receiver (full ID) with a greater `order`, in order, at most `limit` and a
    /// bounded number of bytes.
    func waitingOutgoing(receiver: String, after order: Int64, limit: Int) throws(LedgerError) -> [Outgoing]
    /// The receivers (full IDs) that somebody waits for.
    func awaitedReceivers(limit: Int) throws(LedgerError) -> [String]
    /// Living rows from this sender (full ID), at most `limit` and a bounded number of bytes.
    func livingOutgoing(sender: String, limit: Int) throws(LedgerError) -> [Outgoing]
    /// The earliest `due` of a living row.
    func nextDue() throws(LedgerError) -> Double?
    /// When the first living row expires.
    func nextExpiry() throws(LedgerError) -> Double?
    /// Living rows and the bytes of their contents and ciphertexts.
    func outboxSize() throws(LedgerError) -> (count: Int, bytes: Int)
    /// Whether the inbox can take one more (culver.conf(5)): it makes room by dropping what every consumer has read.
    func inboxHasRoom() throws(LedgerError) -> Bool
    /// The consumer that is furthest behind; `nil` when nothing waits for one.
    func laggard() throws(LedgerError) -> String?

    func accepted(owner: String, sender: String, digest: [UInt8]) throws(LedgerError) -> AcceptedRecord?
    func accepted(owner: String, sender: String, contentDigest: [UInt8]) throws(LedgerError) -> AcceptedRecord?
    func owedReceipts(limit: Int) throws(LedgerError) -> [AcceptedRecord]

    /// Parked messages of a sender (address) with a greater number than `after`, oldest first.
    func parked(sender: String, isVerified: Bool, after: Int64, limit: Int) throws(LedgerError) -> [Parked]
    /// Senders (full IDs) with unverified messages: their metas are looked up.
    func parkedSenders(isVerified: Bool, limit: Int) throws(LedgerError) -> [String]

    func value(key: String) throws(LedgerError) -> String?
    /// By key.
    func values(prefix: String) throws(LedgerError) -> [(key: String, value: String)]

    /// Removes what is over its age: ended outgoing rows, read inbox rows, digests, parked messages. Only so many of
    /// each, and says whether there may be more. `wall` is seconds since 1970, 0 while the clock is unset.
    func prune(wall: Double, lived: Double) throws(LedgerError) -> Bool
}

extension Ledger {
    /// The first.
    package func parked(sender: String, isVerified: Bool, limit: Int) throws(LedgerError) -> [Parked] {
        try parked(sender: sender, isVerified: isVerified, after: 0, limit: limit)
    }
}

/// Ours or the disk's fault: the operation, the thing and the cause in one line.
package struct LedgerError: Error, Sendable, Equatable, CustomStringConvertible {
    package var description: String
    /// The disk or its quota is full, so trying later may help.
    package var isFull: Bool

    package init(_ description: String, isFull: Bool = false) {
        self.description = description
        self.isFull = isFull
    }
}
