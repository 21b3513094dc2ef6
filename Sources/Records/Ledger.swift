package import DIMP

/// What is written down. All changes of one turn are one transaction, which the loop commits before it lets anything out;
/// reading sees every change that was applied, committed or not.
package protocol Ledger: OutboxLedger, InboxLedger, ParkingLedger, ValueLedger, CallLedger, BridgeLedger, PipeLedger {
    func apply(_ change: Change) throws(LedgerError)

    /// Removes what is over its age: ended outgoing rows, read inbox rows, digests, parked messages. Only so many of
    /// each, and says whether there may be more. `wall` is seconds since 1970, 0 while the clock is unset.
    func prune(wall: Double, lived: Double) throws(LedgerError) -> Bool
}

/// Outgoing messages, and the shipments that carry them. IDs are given and returned without terminals.
///
/// A shipment lives as long as one of its rows does. With the last of them it loses its ciphertext and is neither due nor
/// held any more, by whatever change that row ended; what a late receipt can name stays until its rows are pruned.
package protocol OutboxLedger: AnyObject {
    func outgoing(id: String) throws(LedgerError) -> Outgoing?
    /// The first under this ref that goes to this receiver for itself or, with a group, as one of its members.
    func outgoing(sender: ID, receiver: ID, group: ID?, ref: String) throws(LedgerError) -> Outgoing?
    /// All rows of one message to a group, whose ids begin with the first one's; of any other message its row.
    func outgoing(message id: String) throws(LedgerError) -> [Outgoing]
    /// All rows of a shipment, ended ones too, in order.
    func outgoing(shipment number: Int64) throws(LedgerError) -> [Outgoing]
    /// Rows in state `waiting` that are due at or before this, in order, at most `limit` and a bounded number of bytes:
    /// those that have been due for longest.
    func dueOutgoing(at lived: Double, limit: Int) throws(LedgerError) -> [Outgoing]
    /// Living rows that have expired at this time, in order, at most `limit` and a bounded number of bytes: those that
    /// expired first.
    func expiredOutgoing(at lived: Double, limit: Int) throws(LedgerError) -> [Outgoing]
    /// Rows in state `waiting` for this receiver with a greater `order`, in order, at most `limit` and a bounded number
    /// of bytes.
    func waitingOutgoing(receiver: ID, after order: Int64, limit: Int) throws(LedgerError) -> [Outgoing]
    /// The receivers for which a row waits, each once, at most `limit`.
    func awaitedReceivers(limit: Int) throws(LedgerError) -> [ID]
    /// Living rows from this sender, in order, at most `limit` and a bounded number of bytes.
    func livingOutgoing(sender: ID, limit: Int) throws(LedgerError) -> [Outgoing]

    /// What the next new shipment is called.
    func nextShipment() throws(LedgerError) -> Int64
    func shipment(_ number: Int64) throws(LedgerError) -> Shipment?
    /// The living or ended one whose ciphertext has this SHA-256.
    func shipment(digest: [UInt8]) throws(LedgerError) -> Shipment?
    /// The same for this receiver: a message to a group has the same ciphertext for all of its members.
    func shipment(digest: [UInt8], receiver: ID) throws(LedgerError) -> Shipment?
    /// Those for this receiver with this serial number, newest first, at most 8: for the receipts of stock peers, which
    /// name no digest.
    func shipments(sn: Int64, receiver: ID) throws(LedgerError) -> [Shipment]
    /// The one for this receiver with this signature, among those with a row whose `id` is in the range: for the receipts
    /// of stock peers that name no serial number either.
    func shipment(signature: [UInt8], receiver: ID, ids: Range<String>) throws(LedgerError) -> Shipment?
    /// `nil` when all of its rows have ended.
    func ciphertext(of shipment: Int64) throws(LedgerError) -> Shipment.Ciphertext?
    /// Those that are due at or before this, in the order in which they were sealed, at most `limit`: those that have
    /// been due for longest.
    func dueShipments(at lived: Double, limit: Int) throws(LedgerError) -> [Shipment]
    /// Those for this receiver that wait for their turn: those that were sent before, or those that never were. In the
    /// order in which they were sealed, at most `limit`, and of the best priority alone that there is among them.
    func heldShipments(receiver: ID, wasSent: Bool, limit: Int) throws(LedgerError) -> [Shipment]
    /// The receivers for which a shipment waits for its turn, each once, at most `limit`.
    func heldReceivers(limit: Int) throws(LedgerError) -> [ID]

    /// The earliest `due` of a waiting row or of a shipment.
    func nextDue() throws(LedgerError) -> Double?
    /// When the first living row expires.
    func nextExpiry() throws(LedgerError) -> Double?
    /// Living rows, and the bytes of the contents that wait and of the ciphertexts, each of which counts once.
    func outboxSize() throws(LedgerError) -> (count: Int64, bytes: Int64)
}

/// Room in the inbox, and what was accepted into it or answered.
package protocol InboxLedger: AnyObject {
    /// Whether the inbox can take so many more with so many bytes of content (culver.conf(5)), all of them. An empty one
    /// can. It makes room by dropping what every consumer has read.
    func inboxHasRoom(rows: Int, bytes: Int64) throws(LedgerError) -> Bool
    /// The consumer that is furthest behind; `nil` when nothing waits for one.
    func laggard() throws(LedgerError) -> String?
    func accepted(owner: Address, sender: Address, digest: [UInt8]) throws(LedgerError) -> AcceptedRecord?
    /// The first with this content.
    func accepted(owner: Address, sender: Address, contentDigest: [UInt8]) throws(LedgerError) -> AcceptedRecord?
    /// The oldest first.
    func owedReceipts(limit: Int) throws(LedgerError) -> [AcceptedRecord]
}

/// Messages that wait for their sender's meta or for the owner's word.
package protocol ParkingLedger: AnyObject {
    /// Parked messages of a sender with a greater number than `after`, oldest first.
    func parked(sender: Address, isVerified: Bool, after: Int64, limit: Int) throws(LedgerError) -> [Parked]
    /// As their messages name them, in the order of the oldest message of each.
    func parkedSenders(isVerified: Bool, limit: Int) throws(LedgerError) -> [ID]
}

/// Calls in both directions, and their audit.
package protocol CallLedger: AnyObject {
    func servedCall(_ key: ServedCall.Name) throws(LedgerError) -> ServedCall?
    /// How many calls that were made here are remembered.
    var servedCalls: Int64 { get }
    func servedCalls(of caller: ID) throws(LedgerError) -> Int64
    /// Those without an answer, the oldest first.
    func begunCalls() throws(LedgerError) -> [ServedCall]
    /// Those with an answer and a deadline after this time, in seconds since 1970: the latest 256.
    func answeredCalls(deadlineAfter time: Double) throws(LedgerError) -> [ServedCall]
    func calling(_ call: String) throws(LedgerError) -> Calling?
    /// Whether so many answers to its call, and bytes of them, can be kept. The last one has a place of its own.
    func hasRoom(for answer: CallAnswer, isFinal: Bool) throws(LedgerError) -> Bool
    func lastAudit() throws(LedgerError) -> AuditLine?
}

/// What waits for its way over a bridge. Of one topic one message goes out at a time, so that order is kept: the row is
/// *ready* when nothing of it is sent and no older row of its bridge has its topic. What goes in is always ready.
package protocol BridgeLedger: AnyObject {
    /// Those that are ready, in the order of their places, at most `limit` and a bounded number of bytes.
    func readyBridged(
        bridge: String, direction: BridgedMessage.Way, limit: Int
    ) throws(LedgerError) -> [BridgedMessage]
    func bridged(place: Int64) throws(LedgerError) -> BridgedMessage?
    /// The newest with this topic.
    func bridged(
        bridge: String, direction: BridgedMessage.Way, topic: String
    ) throws(LedgerError) -> BridgedMessage?
    /// Those that were sent, in the order of their places.
    func sentBridged() throws(LedgerError) -> [BridgedMessage]
    /// Rows, and the bytes of their topics and payloads.
    func bridgedSize(bridge: String, direction: BridgedMessage.Way) -> (count: Int64, bytes: Int64)
    /// The bridges that have rows, in any order.
    var bridgesWithRows: [String] { get }
}

/// Pipes, and what came by them.
package protocol PipeLedger: AnyObject {
    func pipe(_ key: PipeRecord.PipeKey) throws(LedgerError) -> PipeRecord?
    /// The one under which this board's program writes this stream.
    func pipe(output stream: String) throws(LedgerError) -> PipeRecord?
    /// All of them, those that are over as well: some hundreds at the most.
    func pipes() throws(LedgerError) -> [PipeRecord]
    /// `nil` when it has not come, or was taken.
    func piece(_ number: Int64, of pipe: PipeRecord.PipeKey) throws(LedgerError) -> PipePiece?
    /// Those that are not over: of two identities, and of all.
    func openPipes(owner: Address, peer: Address) throws(LedgerError) -> (ofPeer: Int64, all: Int64)
    /// The earliest `due`.
    var nextPipeDue: Double? { get }
}

/// Small named values.
package protocol ValueLedger: AnyObject {
    func value(_ key: LedgerKey) throws(LedgerError) -> String?
    /// In the order of their texts. A name that this version does not know is left out.
    func values(_ family: LedgerKey.Family) throws(LedgerError) -> [(key: LedgerKey, value: String)]
}

/// Ours or the disk's fault: the operation, the thing and the cause in one line.
package struct LedgerError: Error, Sendable, Equatable, CustomStringConvertible {
    package var description: String
    /// The disk or its quota is full, so trying later may help.
    package var isFull: Bool
    /// One row does not hold what belongs there; the others can be read.
    package var isDamage: Bool

    package init(_ description: String, isFull: Bool = false, isDamage: Bool = false) {
        self.description = description
        self.isFull = isFull
        self.isDamage = isDamage
    }
}
