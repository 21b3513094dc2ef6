import DIMP
import Format
import Records

/// Which of our messages a receipt closes (extensions.md 5).
enum ReceiptMatcher {
    /// A receipt of a verified sender: only about what we sent to that very sender.
    static func close(by receipt: Receipt, in opened: Opened, in context: inout Context) throws(LedgerError) {
        guard let row = try row(of: receipt, from: opened, in: context) else {
            return try context.reject(
                Rejection(.content, "a receipt for nothing that we sent"), from: opened.sender)
        }
        let isUnderstood = !receipt.text.utf8.has("not support")
        if try Outbox.end(row, by: .receipt, reason: isUnderstood ? nil : "not-understood", in: &context) {
            context.counts.receiptsVerified += 1
        }
    }

    /// By digest; from a stock peer, which knows none, by serial number and signature, whole or at least 8 characters of
    /// its end.
    private static func row(
        of receipt: Receipt, from opened: Opened, in context: Context
    ) throws(LedgerError) -> Outgoing? {
        let sender = opened.sender.bare
        if let digest = receipt.digest {
            guard let row = try context.ledger.outgoing(digest: digest), row.receiver == sender else { return nil }
            return row
        }
        guard !opened.isSealed, let signature = receipt.signature, signature.utf8.count >= 8 else { return nil }
        for row in try context.ledger.outgoing(sn: receipt.sn) where row.receiver == sender {
            guard let sent = row.trace?.signature, !sent.isEmpty else { continue }
            if Base64.decode(signature) == sent || Base64.encode(sent).hasSuffix(signature) { return row }
        }
        return nil
    }
}
