import DIMP
import Format
import Records

/// Receipts that we owe: acknowledged without a private key where the peer takes that, and else signed, one after the other
/// for each peer, and together where they come faster than we sign (extensions.md 5). The ledger knows which are owed; here
/// is only what waits for a signature or for room on a broker.
struct ReceiptSender {
    private(set) var acknowledgements = AcknowledgementSender()
    /// By route. A batch exists from the first receipt given to the pool until nothing waits any more.
    private var batches: [Route: ReceiptBatch] = [:]
    /// When a repeat was receipted that could not be noted in the ledger, in seconds lived, by digest.
    private var unwritten: [[UInt8]: Double] = [:]

    private struct Route: Hashable {
        var from: ID
        var to: ID

        init(_ record: AcceptedRecord) {
            from = record.receiptFrom
            to = record.receiptTo
        }
    }

    private struct ReceiptBatch {
        var waiting: [AcceptedRecord] = []
        /// When the pool began with the receipts before, in seconds lived.
        var begun: Double
        /// When those that wait are signed; `nil` while the pool is at work.
        var due: Double?
    }

    /// Says that a message was taken. `key`: the message's, where an acknowledgement under it will do. `agent`: what an
    /// acknowledgement says of this program besides.
    mutating func confirm(
        _ record: AcceptedRecord, under key: SymmetricKey?, saying agent: String? = nil, in context: inout Context
    ) {
        guard let key else { return send(record, in: &context) }
        acknowledgements.owe(record, under: key, saying: agent)
    }

    /// Seals the receipt that is owed; it goes out when the pool is done. Others for this peer wait for it and share the
    /// next signature.
    mutating func send(_ record: AcceptedRecord, in context: inout Context) {
        let route = Route(record)
        guard var batch = batches[route] else {
            if seal([record], in: &context) { batches[route] = ReceiptBatch(begun: context.now.lived) }
            return
        }
        // The rest stays owed; the peer repeats.
        guard batch.waiting.count < Tuning.gatheredReceipts,
            !batch.waiting.contains(where: { $0.digest == record.digest })
        else { return }
        batch.waiting.append(record)
        if batch.due != nil, batch.waiting.count >= receiptsTogether(to: route.to, in: context) {
            batch.due = context.now.lived
        }
        batches[route] = batch
    }

    /// A repeat is answered with the receipt again, at most once in 10 s. With the signed one also where the message was
    /// acknowledged: its sender has not heard that, because a broker may deny the topic or the peer come from a backup.
    mutating func sendAgain(_ record: AcceptedRecord, in context: inout Context) throws(LedgerError) {
        context.counts.duplicates += 1
        guard record.receipt != nil, context.now.lived >= record.answered + ProtocolLimits.receiptPause else { return }
        var record = record
        record.answered = context.now.lived
        record.isOwed = true
        try context.ledger.apply(.accepted(record))
        send(record, in: &context)
    }

    /// The same while nothing can be written: what this board has already is receipted all the same.
    mutating func sendUnwritten(_ record: AcceptedRecord, in context: inout Context) {
        let last = max(record.answered, unwritten[record.digest] ?? -.infinity)
        guard record.receipt != nil, context.now.lived >= last + ProtocolLimits.receiptPause else { return }
        if unwritten.count >= Tuning.rememberedUnwritten { unwritten = [:] }
        unwritten[record.digest] = context.now.lived
        var record = record
        record.isOwed = true
        send(record, in: &context)
    }

    /// What was owed when the last broker was lost, or the daemon died. Message keys are not remembered with it, so it is
    /// signed, but for what still waits for room.
    mutating func sendOwed(in context: inout Context) throws(LedgerError) {
        for record in try context.ledger.owedReceipts(limit: Tuning.owedAtOnce) where !acknowledgements.holds(record) {
            send(record, in: &context)
        }
    }

    /// The broker that had them is lost: those that are still owed are made again.
    mutating func sendLost(_ records: [AcceptedRecord], in context: inout Context) throws(LedgerError) {
        for record in records {
            let stored = try context.ledger.accepted(
                owner: record.owner, sender: record.sender, digest: record.digest)
            if let stored, stored.isOwed { send(stored, in: &context) }
        }
    }

    /// A broker took them. Where nobody listens the peer repeats, and is receipted again.
    static func acknowledged(
        _ records: [AcceptedRecord], as outcome: Outcome, in context: Context
    ) throws(LedgerError) {
        guard outcome == .taken || outcome == .nobody else { return }
        for record in records {
            try context.ledger.apply(
                .receipted(owner: record.owner, sender: record.sender, digest: record.digest))
        }
    }

    // MARK: - Acknowledgements

    /// Those of a turn, when it ends; and what waits for room, before messages take it.
    mutating func sendAcknowledgements(publishing: inout Publishing, in context: inout Context) {
        acknowledgements.send(publishing: &publishing, in: &context)
    }

    /// A broker's word on one of them. What a broker does not take is signed: perhaps it allows the topic `in` alone.
    mutating func acknowledged(
        _ owed: OwedAcknowledgement, as outcome: Outcome, in context: inout Context
    ) throws(LedgerError) {
        switch outcome {
        case .taken, .nobody:
            for digest in owed.digests {
                try context.ledger.apply(.receipted(owner: owed.from, sender: owed.to.address, digest: digest))
            }
        case .refused:
            for digest in owed.digests {
                let record = try context.ledger.accepted(owner: owed.from, sender: owed.to.address, digest: digest)
                if let record, record.isOwed { send(record, in: &context) }
            }
        case .notNow: try acknowledgements.sendLost(owed, in: context)
        }
    }

    /// The broker that had it is lost.
    mutating func sendLost(_ owed: OwedAcknowledgement, in context: Context) throws(LedgerError) {
        try acknowledgements.sendLost(owed, in: context)
    }

    // MARK: - Batches

    /// The pool is done with this peer. Where nothing came meanwhile the next receipt goes at once; else messages come
    /// faster than we sign, and are gathered for three times as long: receipts take a quarter of one core at most.
    mutating func signed(_ records: [AcceptedRecord], in context: Context) {
        guard let route = records.last.map(Route.init) else { return }
        guard var batch = batches[route], !batch.waiting.isEmpty else { return batches[route] = nil }
        let lived = context.now.lived
        let isEnough = batch.waiting.count >= receiptsTogether(to: route.to, in: context)
        let pause = min(Tuning.gatheringFactor * (lived - batch.begun), Tuning.longestGathering)
        batch.due = isEnough ? lived : lived + pause
        batches[route] = batch
    }

    /// What the pool signed could not be written down: the next receipt begins a new batch.
    mutating func giveUp(_ records: [AcceptedRecord]) {
        if let first = records.first { batches[Route(first)] = nil }
    }

    /// Signs those that were gathered for long enough.
    mutating func sendGathered(publishing: Publishing, in context: inout Context) {
        let lived = context.now.lived
        for (route, batch) in batches where lived >= batch.due ?? .infinity {
            let together = receiptsTogether(to: route.to, in: context)
            let limit = min(
                publishing.payloadLimit(at: lived) ?? .max, context.book.abilities(of: route.to).size ?? .max,
                Tuning.bundleBytes)
            let count = Self.fitting(batch.waiting.prefix(together), into: limit)
            guard seal(Array(batch.waiting.prefix(count)), in: &context) else {
                batches[route] = nil
                continue
            }
            batches[route] = ReceiptBatch(waiting: Array(batch.waiting.dropFirst(count)), begun: lived)
        }
    }

    /// Nothing is with the pool any more, as far as anybody waits for it.
    mutating func forgetBatches() {
        batches = [:]
    }

    var nextDue: Double? { batches.values.lazy.compactMap(\.due).min() }

    /// A stock peer gets one by one what it may not know to take apart.
    private func receiptsTogether(to receiver: ID, in context: Context) -> Int {
        context.book.isCulver(receiver) ? min(ProtocolLimits.arrayContents, context.policy.arrayContents) : 1
    }

    /// How many of them go into one message of so many bytes on the wire; one goes in any case.
    private static func fitting(_ records: ArraySlice<AcceptedRecord>, into limit: Int64) -> Int {
        var bytes = Tuning.wireOverhead / 2
        var count = 0
        for record in records {
            // Base64, and what each content has around it.
            bytes += Int64((record.receipt?.utf8.count ?? 0) + 200) / 3 * 4
            if count > 0, bytes > limit { break }
            count += 1
        }
        return count
    }

    /// False when there is nothing to say, or no key to say it with.
    private func seal(_ records: [AcceptedRecord], in context: inout Context) -> Bool {
        guard let first = records.first else { return false }
        let contents = records.compactMap { record in
            record.receipt.flatMap { try? JSON(parsing: $0).object }
                .map { Content.command("receipt", sn: context.newSN(), time: context.now.wall, $0) }
        }
        guard var content = contents.first else { return false }
        if contents.count > 1 {
            let list = contents.map { JSON.object($0.json) }
            content = Content(
                type: .array, sn: context.newSN(), time: context.now.wall, ["contents": .array(list)])
        }
        return ControlMessage.seal(
            content, from: first.receiptFrom.address, to: first.receiptTo, purpose: .receipts(records), in: &context)
    }
}
