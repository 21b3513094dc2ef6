import DIMP
import Format
import Records

/// The word that closes a message, given and taken (extensions.md 5).
extension Messenger {
    /// Seals the receipt that is owed; it goes out when the pool is done. Others for this peer wait for it and share the
    /// next signature.
    mutating func sendReceipt(_ seen: AcceptedRecord, _ now: Moment) {
        let lane = lane(of: seen)
        guard var gathering = receipting[lane] else {
            if seal([seen], now) { receipting[lane] = ReceiptBatch(begun: now.lived) }
            return
        }
        // The rest stays owed; the peer repeats.
        guard gathering.seen.count < 1024, !gathering.seen.contains(where: { $0.digest == seen.digest }) else { return }
        gathering.seen.append(seen)
        if gathering.due != nil, gathering.seen.count >= receiptsTogether(seen) { gathering.due = now.lived }
        receipting[lane] = gathering
    }

    /// The pool is done with this peer. Where nothing came meanwhile the next receipt goes at once; else messages come
    /// faster than we sign, and are gathered for three times as long: receipts take a quarter of one core at most.
    mutating func gatherReceipts(after seen: AcceptedRecord, _ now: Moment) {
        let lane = lane(of: seen)
        guard var gathering = receipting[lane], !gathering.seen.isEmpty else { return receipting[lane] = nil }
        let isEnough = gathering.seen.count >= receiptsTogether(seen)
        gathering.due = isEnough ? now.lived : now.lived + min(3 * (now.lived - gathering.begun), 0.25)
        receipting[lane] = gathering
    }

    /// Receipts that were gathered long enough.
    mutating func sendGathered(_ now: Moment) {
        for (lane, gathering) in receipting where now.lived >= gathering.due ?? .infinity {
            let count = gathering.seen.first.map(receiptsTogether) ?? 0
            guard seal(Array(gathering.seen.prefix(count)), now) else {
                receipting[lane] = nil
                continue
            }
            receipting[lane] = ReceiptBatch(seen: Array(gathering.seen.dropFirst(count)), begun: now.lived)
        }
    }

    /// A stock peer gets one by one what it may not know to take apart.
    private func receiptsTogether(_ seen: AcceptedRecord) -> Int {
        ID(seen.receiptTo).map(isCulver) == true ? policy.arrayContents : 1
    }

    func lane(of seen: AcceptedRecord) -> String { "\(seen.receiptFrom) \(seen.receiptTo)" }

    private mutating func seal(_ receipts: [AcceptedRecord], _ now: Moment) -> Bool {
        guard let first = receipts.first, let to = ID(first.receiptTo), let from = ID(first.receiptFrom) else {
            return false
        }
        let contents = receipts.compactMap { seen in
            seen.receipt.flatMap { try? JSON(parsing: $0).object }
                .map { Content.command("receipt", sn: newSN(), time: now.wall, $0) }
        }
        guard var content = contents.first else { return false }
        if contents.count > 1 {
            let list = contents.map { JSON.object($0.json) }
            content = Content(type: .array, sn: newSN(), time: now.wall, ["contents": .array(list)])
        }
        return write(content, from: from.address, to: to, purpose: .receipts(receipts), now)
    }

    /// A repeat is answered with the receipt again, at most once in 10 s.
    mutating func receiptAgain(_ seen: AcceptedRecord, _ now: Moment) throws(LedgerError) {
        counts.duplicates += 1
        guard seen.receipt != nil, now.lived >= seen.answered + 10 else { return }
        var seen = seen
        seen.answered = now.lived
        seen.isOwed = true
        try ledger.apply(.accepted(seen))
        sendReceipt(seen, now)
    }

    /// What was owed when we lost the last broker, or died.
    mutating func sendOwedReceipts(_ now: Moment) throws(LedgerError) {
        for seen in try ledger.owedReceipts(limit: 200) { sendReceipt(seen, now) }
    }

    /// A receipt of a verified sender: only about what we sent to that very sender.
    mutating func receive(_ receipt: Receipt, _ opened: Opened, _ now: Moment) throws(LedgerError) {
        guard let row = try row(of: receipt, from: opened) else {
            return try reject(Rejection(.content, "a receipt for nothing that we sent"), from: opened.sender, now)
        }
        guard !row.state.isEnd || row.state == .expired else { return }
        counts.receiptsVerified += 1
        let isUnderstood = !receipt.text.utf8.has("not support")
        try end(row, .delivered, isUnderstood ? nil : "not-understood", now)
    }

    /// By digest; from a stock peer, which knows none, by serial number and signature, whole or at least 8
    /// characters of its end.
    private func row(of receipt: Receipt, from opened: Opened) throws(LedgerError) -> Outgoing? {
        let sender = opened.sender.bare.text
        if let digest = receipt.digest {
            guard let row = try ledger.outgoing(digest: digest), row.receiver == sender else { return nil }
            return row
        }
        guard !opened.isSealed, let signature = receipt.signature, signature.utf8.count >= 8 else { return nil }
        for row in try ledger.outgoing(sn: receipt.sn) where row.receiver == sender {
            guard let sent = row.sealed?.signature, !sent.isEmpty else { continue }
            if Base64.decode(signature) == sent || Base64.encode(sent).hasSuffix(signature) { return row }
        }
        return nil
    }
}
