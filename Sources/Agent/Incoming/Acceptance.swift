import Crypto
import DIMP
import Format
import Records

/// What becomes of a message that passed all checks: by its content it closes one of ours, is answered, is taken apart, or
/// goes to the inbox with a receipt.
struct Acceptance {
    private var answering: Answering

    init(_ policy: Policy) {
        answering = Answering(policy)
    }

    /// What is to follow, beside what was written down.
    indirect enum Consequence {
        case findings([Lookups.Finding])
        /// Each of these takes the whole way in, with its own sender.
        case forwarded([JSON], of: Opened)
    }

    mutating func accept(
        _ opened: Opened, receipts: inout ReceiptSender, gaps: inout Gaps, lookups: inout Lookups,
        in context: inout Context
    ) throws(LedgerError) -> Consequence {
        remember(opened, in: context)
        switch opened.content.body {
        case .array(let contents):
            return try acceptArray(contents, of: opened, receipts: &receipts, gaps: &gaps, in: &context)
        case .forward(let messages):
            return try acceptForward(messages, of: opened, receipts: &receipts, gaps: &gaps, in: &context)
        case .command(.receipt(let receipt)):
            if opened.isEncrypted { try ReceiptMatcher.close(by: receipt, in: opened, in: &context) }
        case .command(.meta(let id, let meta)):
            return .findings(
                try answering.answer(aboutMeta: id, meta: meta, opened: opened, lookups: &lookups, in: &context))
        case .command(.documents(let id, let documents, let meta, _)):
            return .findings(
                try answering.answer(
                    aboutDocuments: id, documents: documents, meta: meta, opened: opened, lookups: &lookups,
                    in: &context))
        case .command(.handshake(let title, _)):
            answering.answer(handshake: title, opened: opened, in: &context)
        default: try store(opened, receipts: &receipts, gaps: &gaps, in: &context)
        }
        return .findings([])
    }

    /// The peer has our visa if it encrypted to the key in it, seals if it sealed, and its key is worth keeping. A key that
    /// was kept tells nothing of the visa: it may have been wrapped for the last one.
    private func remember(_ opened: Opened, in context: Context) {
        let sender = opened.sender
        if var contact = context.book.contact(sender.address), opened.isEncrypted {
            let before = contact
            if opened.message.key.isByNewest { contact.knowsUs = true }
            if opened.isSealed { contact.isCulver = true }
            if contact != before { context.book.apply(.contact(contact)) }
        }
        guard opened.isSealed, opened.isEncrypted, let wrapped = opened.message.key.wrapped else { return }
        let target = opened.envelope.target
        let digest = Digest.sha256(wrapped)
        if context.book.receivedKey(from: sender, to: target, wrapping: digest) == nil {
            context.book.apply(.receivedKey(opened.message.key.key, from: sender, to: target, wrapping: digest))
        } else {
            context.book.apply(.usedReceivedKey(from: sender, to: target, wrapping: digest))
        }
    }

    /// Only arrays of receipts are taken apart; an array with anything for a person in it is one message of the inbox,
    /// because it has one receipt.
    private func acceptArray(
        _ contents: [JSON], of opened: Opened, receipts: inout ReceiptSender, gaps: inout Gaps,
        in context: inout Context
    ) throws(LedgerError) -> Consequence {
        guard contents.count <= context.policy.arrayContents else {
            try context.reject(
                Rejection(.content, "an array of more than \(context.policy.arrayContents)"), from: opened.sender)
            return .findings([])
        }
        let inner = contents.compactMap { json -> Receipt? in
            guard let content = try? Content(json), case .command(.receipt(let receipt)) = content.body else {
                return nil
            }
            return receipt
        }
        guard inner.count == contents.count, !inner.isEmpty else {
            try store(opened, receipts: &receipts, gaps: &gaps, in: &context)
            return .findings([])
        }
        for receipt in inner where opened.isEncrypted {
            try ReceiptMatcher.close(by: receipt, in: opened, in: &context)
        }
        return .findings([])
    }

    /// The outer message is taken as seen and receipted; the messages inside take the way in.
    private func acceptForward(
        _ messages: [JSON], of opened: Opened, receipts: inout ReceiptSender, gaps: inout Gaps,
        in context: inout Context
    ) throws(LedgerError) -> Consequence {
        guard opened.arrival.depth < context.policy.forwardDepth,
            messages.count <= context.policy.forwardedMessages
        else {
            try context.reject(Rejection(.content, "forwarded too deep or too many"), from: opened.sender)
            return .findings([])
        }
        try confirm(opened, receipts: &receipts, gaps: &gaps, in: &context)
        return .forwarded(messages, of: opened)
    }

    // MARK: - Inbox

    private func store(
        _ opened: Opened, receipts: inout ReceiptSender, gaps: inout Gaps, in context: inout Context
    ) throws(LedgerError) {
        let sender = opened.message.provenSender
        // A stock peer that repeats makes a new ciphertext of the same content.
        if let digest = contentDigest(of: opened),
            let record = try context.ledger.accepted(
                owner: opened.owner.address, sender: sender.address, contentDigest: digest)
        {
            // A culver's receipt names the ciphertext, so this one has its own.
            guard opened.isSealed else { return try receipts.sendAgain(record, in: &context) }
            return try confirm(opened, receipts: &receipts, gaps: &gaps, in: &context)
        }
        guard try context.ledger.inboxHasRoom() else {
            let who = try context.ledger.laggard().map { "consumer \($0) is behind" } ?? "nobody reads it"
            context.counts.inboxFull += 1
            return try context.note(
                .inbox, level: .error, text: "the inbox is full and \(who): a message of \(sender) was not taken",
                did: sender,
                reason: "inbox-full")
        }
        context.counts.received += 1
        let content = opened.content
        try context.ledger.apply(
            .incoming(
                Incoming(
                    id: context.newID(), sn: content.sn, sender: sender, receiver: opened.message.provenReceiver,
                    group: opened.message.provenGroup, time: content.time ?? 0,
                    received: context.recordedTime, content: JSON.object(unsealed(content)).text,
                    type: content.type, sealed: opened.isSealed, encrypted: opened.isEncrypted,
                    trust: context.book.trust(in: sender))))
        try confirm(opened, receipts: &receipts, gaps: &gaps, in: &context)
    }

    /// Without the members that only carry the message.
    private func unsealed(_ content: Content) -> JSONObject {
        var json = content.json
        json["seal"] = nil
        json["seq"] = nil
        return json
    }

    /// By what a message is known whose ciphertext may change: one without seal, and one that its sender had on disk
    /// before it was sealed, for that board may have come back from a backup of then.
    private func contentDigest(of opened: Opened) -> [UInt8]? {
        let content = opened.content
        guard opened.isSealed else { return Digest.sha256(JSON.object(content.json).bytes) }
        guard opened.isEncrypted, content.json["seq"]?["waited"]?.bool == true else { return nil }
        return Digest.sha256(JSON.object(unsealed(content)).bytes)
    }

    /// Remembers that this message was taken, and owes its sender a receipt. Broadcasts have none.
    private func confirm(
        _ opened: Opened, receipts: inout ReceiptSender, gaps: inout Gaps, in context: inout Context
    ) throws(LedgerError) {
        guard let owner = context.book.identity(opened.owner.address) else { return }
        let members = Receipt.members(
            of: opened.arrival.message.message, content: opened.content, text: "Message received.")
        let isOwed = opened.isEncrypted
        let record = AcceptedRecord(
            owner: owner.id.address, sender: opened.sender.address, digest: opened.arrival.message.digest,
            contentDigest: contentDigest(of: opened), time: opened.content.usableTime,
            receipt: isOwed ? JSON.object(members).text : nil, receiptTo: opened.sender.bare,
            receiptFrom: owner.id.bare, isOwed: isOwed, answered: context.now.lived)
        try context.ledger.apply(.accepted(record))
        try gaps.follow(opened, in: &context)
        if isOwed { receipts.send(record, in: &context) }
    }
}
