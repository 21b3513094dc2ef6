import DIMP
import Format
import Records

/// Which of our messages a receipt closes (extensions.md 5).
enum ReceiptMatcher {
    /// A receipt of a verified sender: only about what we sent to that very sender.
    static func close(by receipt: Receipt, in opened: Opened, in context: inout Context) throws(LedgerError) {
        guard var row = try row(of: receipt, from: opened, in: context) else {
            return try context.reject(
                Rejection(.content, "a receipt for nothing that we sent"), from: opened.sender)
        }
        let reason = receipt.text.utf8.has("not support") ? "not-understood" : nil
        if try Outbox.end(row, by: .receipt, reason: reason, in: &context) {
            context.counts.receiptsVerified += 1
        } else if row.state == .delivered, row.reason == nil, reason != nil {
            // An application that says both says them in any order.
            row.reason = reason
            try context.ledger.apply(.outgoing(row))
            context.perform(.changed(row))
        }
    }

    /// By digest. A stock peer knows none: by serial number and signature, whole or at least 8 characters of its end;
    /// or, without a serial number, by the whole signature, among what was sent to this peer at the time that the
    /// receipt names.
    private static func row(
        of receipt: Receipt, from opened: Opened, in context: Context
    ) throws(LedgerError) -> Outgoing? {
        let sender = opened.sender.bare
        if let digest = receipt.digest {
            guard let row = try context.ledger.outgoing(digest: digest), row.receiver == sender else { return nil }
            return row
        }
        guard !opened.isSealed, let signature = receipt.signature, signature.utf8.count >= 8 else { return nil }
        guard receipt.sn == 0 else {
            for row in try context.ledger.outgoing(sn: receipt.sn) where row.receiver == sender {
                guard let sent = row.trace?.signature, !sent.isEmpty else { continue }
                if Base64.decode(signature) == sent || Base64.encode(sent).hasSuffix(signature) { return row }
            }
            return nil
        }
        guard let whole = Base64.decode(signature), let ids = receipt.time.flatMap(Context.messageIDs) else {
            return nil
        }
        return try context.ledger.outgoing(signature: whole, receiver: sender, ids: ids)
    }
}
