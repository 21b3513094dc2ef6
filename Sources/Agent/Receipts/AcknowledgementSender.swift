import DIMP
import Records

/// Acknowledgements that we owe (extensions.md 5). They cost no private key, so they are made at once and without the
/// pool. Those for one peer under one message key go together: what was accepted in one turn, and what comes while no
/// broker has room.
///
/// Kept in memory alone, because the message keys are: what a power cut leaves owed is receipted (`ReceiptSender`).
struct AcknowledgementSender {
    /// The last one of each direction may still grow.
    private var waiting: [AcknowledgementRoute: [OwedAcknowledgement]] = [:]
    /// Messages that they name.
    private var count = 0
    /// They have waited for room since a turn before this one.
    private(set) var isLate = false

    private struct AcknowledgementRoute: Hashable {
        var from: Address
        var to: Address
    }

    /// What was taken is acknowledged with others of its turn. Beyond a bound it stays owed, and the peer repeats it.
    /// `agent`: what is said of this program besides.
    mutating func owe(_ record: AcceptedRecord, under key: SymmetricKey, saying agent: String? = nil) {
        owe(
            OwedAcknowledgement(
                from: record.owner, to: record.receiptTo, key: key, digests: [record.digest], agent: agent))
    }

    private mutating func owe(_ owed: OwedAcknowledgement) {
        guard count + owed.digests.count <= Tuning.gatheredReceipts else { return }
        count += owed.digests.count
        var all = waiting[AcknowledgementRoute(from: owed.from, to: owed.to.address), default: []]
        if let last = all.last, last.key == owed.key,
            last.digests.count + owed.digests.count <= ProtocolLimits.acknowledgedTogether
        {
            all[all.count - 1].digests += owed.digests
            all[all.count - 1].agent = last.agent ?? owed.agent
        } else {
            all.append(owed)
        }
        waiting[AcknowledgementRoute(from: owed.from, to: owed.to.address)] = all
    }

    /// Whether this message waits to be acknowledged.
    func holds(_ record: AcceptedRecord) -> Bool {
        guard let all = waiting[AcknowledgementRoute(from: record.owner, to: record.sender)] else { return false }
        return all.contains { $0.digests.contains(record.digest) }
    }

    /// On every broker, because nobody says on which of them the peer is; as far as one of them has room.
    mutating func send(publishing: inout Publishing, in context: inout Context) {
        for (direction, all) in waiting {
            var sent = 0
            for owed in all where publishing.freeBroker() != nil {
                sent += 1
                count -= owed.digests.count
                guard let payload = owed.payload(in: context) else { continue }
                context.counts.acknowledgementsSent += Int64(owed.digests.count)
                publishing.publish(
                    PendingPublication(
                        topic: .acknowledgements(owed.to.address), payload: payload, purpose: .acknowledgement(owed)),
                    in: &context)
            }
            waiting[direction] = sent == all.count ? nil : Array(all.dropFirst(sent))
        }
        isLate = !waiting.isEmpty
    }

    /// The broker that had it is lost: what is still owed is acknowledged again.
    mutating func sendLost(_ lost: OwedAcknowledgement, in context: Context) throws(LedgerError) {
        var owed = lost
        owed.digests = []
        for digest in lost.digests {
            let record = try context.ledger.accepted(owner: lost.from, sender: lost.to.address, digest: digest)
            if let record, record.isOwed, !holds(record) { owed.digests.append(digest) }
        }
        if !owed.digests.isEmpty { owe(owed) }
    }
}

/// Messages of one peer to one of our identities, under one message key, whose taking is still to be told.
struct OwedAcknowledgement {
    /// The identity that took them, and their sender.
    var from: Address
    var to: ID
    var key: SymmetricKey
    /// At most `ProtocolLimits.acknowledgedTogether`.
    var digests: [[UInt8]]
    /// What this program is, where one of them was a ping.
    var agent: String?

    fileprivate func payload(in context: Context) -> [UInt8]? {
        Acknowledgement(
            of: digests, from: from, to: to.address, at: context.now.wall, knowing: context.book.visa(of: to)?.time,
            saying: agent, under: key)?.bytes
    }
}
