import DIMP
import Format
import Records

/// The word that closes a message, given and taken (design section 5.4).
extension Messenger {
    /// Seals the receipt that is owed; it goes out when the pool is done.
    mutating func sendReceipt(_ seen: Seen, _ now: Moment) {
        guard let text = seen.receipt, let json = try? JSON(parsing: text), let members = json.object,
            let to = ID(seen.receiptTo), let from = ID(seen.receiptFrom)
        else { return }
        let content = Content.command("receipt", sn: newSN(), time: now.wall, members)
        write(content, from: from.address, to: to, purpose: .receipt(seen), now)
    }

    /// A repeat is answered with the receipt again, at most once in 10 s.
    mutating func receiptAgain(_ seen: Seen, _ now: Moment) throws(LedgerError) {
        guard seen.receipt != nil, now.lived >= seen.answered + 10 else { return }
        var seen = seen
        seen.answered = now.lived
        seen.isOwed = true
        try ledger.apply(.seen(seen))
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
        let isUnderstood = !receipt.text.contains("not support")
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
