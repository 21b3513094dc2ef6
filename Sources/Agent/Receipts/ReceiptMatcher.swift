import DIMP
import Format
import Records

/// Which of our messages a receipt or an acknowledgement closes (extensions.md 5).
enum ReceiptMatcher {
    /// An acknowledgement that anybody may have written: it closes what its maker was sent under a key that it was made
    /// with, and nothing that a signed receipt was asked for. Until one message has shown that it is true, a digest that
    /// names nothing ends it, and so do a few that name what was sent under another key: inventions cost few looks.
    /// Whether it is true of any of them.
    static func close(by acknowledgement: Acknowledgement, in context: inout Context) throws(LedgerError) -> Bool {
        var verdicts: [String: Bool] = [:]
        var refusal: Rejection?
        var wrong = 0
        for digest in acknowledgement.digests {
            let shipment = try context.ledger.shipment(digest: digest)
            guard let shipment, shipment.group == nil, shipment.receiver.address == acknowledgement.from,
                shipment.sender.address == acknowledgement.to
            else {
                refusal = Rejection(.content, "an acknowledgement for nothing that we sent")
                guard verdicts.values.contains(true) else { break }
                continue
            }
            // What has ended otherwise cannot change any more.
            guard let key = try key(of: shipment, in: context) else { continue }
            let isTrue = verdicts[key] ?? isMade(acknowledgement, with: key)
            verdicts[key] = isTrue
            guard isTrue else {
                refusal = Rejection(.signature, "an acknowledgement that was not made with the message's key")
                wrong += 1
                guard wrong < Tuning.wrongAcknowledged || verdicts.values.contains(true) else { break }
                continue
            }
            guard !shipment.wantsSignedReceipt else {
                refusal = Rejection(.content, "an acknowledgement where a signed receipt was asked for")
                continue
            }
            if try Outbox.close(shipment, in: &context) { context.counts.acknowledgementsVerified += 1 }
        }
        let isTrue = verdicts.values.contains(true)
        if isTrue { remember(acknowledgement, in: context) }
        if let refusal {
            try context.reject(refusal, from: context.book.contact(acknowledgement.from)?.id)
        }
        return isTrue
    }

    private static func isMade(_ acknowledgement: Acknowledgement, with key: String) -> Bool {
        guard let json = try? JSON(parsing: key), let key = try? SymmetricKey(json) else { return false }
        return acknowledgement.isMade(with: key)
    }

    /// The message's key as JSON text. A message that has expired keeps none: then the one that is in use for this
    /// receiver, which nobody else has either. `nil` for a message that no acknowledgement can close.
    private static func key(of shipment: Shipment, in context: Context) throws(LedgerError) -> String? {
        if let ciphertext = try context.ledger.ciphertext(of: shipment.number) { return ciphertext.key }
        let rows = try context.ledger.outgoing(shipment: shipment.number)
        guard rows.contains(where: { $0.state == .expired }) else { return nil }
        return context.book.sendingKey(from: shipment.sender, to: shipment.receiver)?.key.json().text
    }

    /// The peer has the present visa of ours: it need not ride along any more.
    private static func remember(_ acknowledgement: Acknowledgement, in context: Context) {
        guard let time = acknowledgement.visaTime, time == context.book.identity(acknowledgement.to)?.visa.time,
            var contact = context.book.contact(acknowledgement.from), !contact.knowsUs
        else { return }
        contact.knowsUs = true
        context.book.apply(.contact(contact))
    }

    /// A receipt of a verified sender: only about what we sent to that very sender.
    static func close(by receipt: Receipt, in opened: Opened, in context: inout Context) throws(LedgerError) {
        guard let shipment = try shipment(of: receipt, from: opened, in: context) else {
            return try context.reject(
                Rejection(.content, "a receipt for nothing that we sent"), from: opened.sender)
        }
        let reason = receipt.text.utf8.has("not support") ? "not-understood" : nil
        if try Outbox.close(shipment, reason: reason, in: &context) { context.counts.receiptsVerified += 1 }
    }

    /// By digest. A stock peer knows none: by serial number and signature, whole or at least 8 characters of its end;
    /// or, without a serial number, by the whole signature, among what was sent to this peer at the time that the
    /// receipt names.
    private static func shipment(
        of receipt: Receipt, from opened: Opened, in context: Context
    ) throws(LedgerError) -> Shipment? {
        let sender = opened.sender.bare
        if let digest = receipt.digest { return try context.ledger.shipment(digest: digest, receiver: sender) }
        guard !opened.isSealed, let signature = receipt.signature, signature.utf8.count >= 8 else { return nil }
        guard receipt.sn == 0 else {
            for shipment in try context.ledger.shipments(sn: receipt.sn, receiver: sender) {
                let sent = shipment.signature
                guard !sent.isEmpty else { continue }
                if Base64.decode(signature) == sent || Base64.encode(sent).hasSuffix(signature) { return shipment }
            }
            return nil
        }
        guard let whole = Base64.decode(signature), let ids = receipt.time.flatMap(Context.messageIDs) else {
            return nil
        }
        return try context.ledger.shipment(signature: whole, receiver: sender, ids: ids)
    }
}
