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
    struct Consequence {
        var findings: [Lookups.Finding] = []
        var forward: Forwarded?
        /// The inbox is full: the message was not taken.
        var isWithoutRoom = false
    }

    /// Each of these messages takes the whole way in, with its own sender. The message around them is confirmed when all of
    /// them have come to their end.
    struct Forwarded {
        var messages: [JSON]
        var confirmation: Confirmation
    }

    mutating func accept(
        _ opened: Opened, receipts: inout ReceiptSender, gaps: inout Gaps, lookups: inout Lookups,
        in context: inout Context
    ) throws(LedgerError) -> Consequence {
        remember(opened, in: context)
        switch opened.content.body {
        case .array(let contents):
            return try acceptArray(
                contents, of: opened, receipts: &receipts, gaps: &gaps, lookups: &lookups, in: &context)
        case .forward(let messages):
            return try acceptForward(messages, of: opened, lookups: &lookups, in: &context)
        case .command(.receipt(let receipt)):
            if opened.isEncrypted { try ReceiptMatcher.close(by: receipt, in: opened, in: &context) }
        case .command(.meta(let id, let meta)):
            answering.answer(aboutMeta: id, meta: meta, opened: opened, lookups: &lookups, in: &context)
        case .command(.documents(let id, let documents, let meta, _)):
            return Consequence(
                findings: try answering.answer(
                    aboutDocuments: id, documents: documents, meta: meta, opened: opened, lookups: &lookups,
                    in: &context))
        case .command(.handshake(let title, _)):
            answering.answer(handshake: title, opened: opened, in: &context)
        default:
            return try store(opened, receipts: &receipts, gaps: &gaps, lookups: &lookups, in: &context)
        }
        return Consequence()
    }

    /// Under `open` a stranger becomes known when a message of it is taken, and no sooner: what is not taken, anybody can send
    /// in any number.
    private func meet(
        _ opened: Opened, lookups: inout Lookups, in context: inout Context
    ) throws(LedgerError) -> [Lookups.Finding] {
        let sender = opened.sender
        let isNew = context.book.contact(sender.address) == nil
        guard opened.isEncrypted, context.policy.strangers == .open, !context.book.isTrusted(sender),
            isNew || opened.arrival.visa != nil
        else { return [] }
        let findings = try lookups.meet(
            sender, meta: opened.message.verified.meta, visa: opened.arrival.visa, in: &context)
        if isNew { remember(opened, in: context) }
        return findings
    }

    /// The peer has our visa if it encrypted to the key in it, seals if it sealed, and its key is worth keeping. A key that
    /// was kept tells nothing of the visa: it may have been wrapped for the last one. Nothing is remembered of those that are
    /// not known.
    private func remember(_ opened: Opened, in context: Context) {
        let sender = opened.sender
        let contact = context.book.contact(sender.address)
        guard contact != nil || context.book.isOurs(sender.address) else { return }
        if var contact, opened.isEncrypted {
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

    /// Only arrays of receipts and answers are taken apart; an array with anything for a person in it is one message of
    /// the inbox, because it has one receipt.
    private mutating func acceptArray(
        _ contents: [JSON], of opened: Opened, receipts: inout ReceiptSender, gaps: inout Gaps, lookups: inout Lookups,
        in context: inout Context
    ) throws(LedgerError) -> Consequence {
        guard contents.count <= context.policy.arrayContents else {
            try context.reject(
                Rejection(.content, "an array of more than \(context.policy.arrayContents)"), from: opened.sender)
            return Consequence()
        }
        if opened.isSealed, opened.isEncrypted, opened.content.batched != nil {
            return try acceptBatch(
                contents, of: opened, receipts: &receipts, gaps: &gaps, lookups: &lookups, in: &context)
        }
        guard let commands = opened.content.commands, commands.allSatisfy(\.isAnswer) else {
            return try store(opened, receipts: &receipts, gaps: &gaps, lookups: &lookups, in: &context)
        }
        var findings: [Lookups.Finding] = []
        for command in commands {
            switch command {
            case .receipt(let receipt) where opened.isEncrypted:
                try ReceiptMatcher.close(by: receipt, in: opened, in: &context)
            case .meta(let id, let meta):
                answering.answer(aboutMeta: id, meta: meta, opened: opened, lookups: &lookups, in: &context)
            case .documents(let id, let documents, let meta, _):
                findings += try answering.answer(
                    aboutDocuments: id, documents: documents, meta: meta, opened: opened, lookups: &lookups,
                    in: &context)
            default: break
            }
        }
        return Consequence(findings: findings)
    }

    /// Contents that share a message (extensions.md 2): all of them are taken, or none, and one receipt is for all.
    private func acceptBatch(
        _ contents: [JSON], of opened: Opened, receipts: inout ReceiptSender, gaps: inout Gaps, lookups: inout Lookups,
        in context: inout Context
    ) throws(LedgerError) -> Consequence {
        let inner: [Content]
        do throws(Rejection) {
            inner = try read(contents, in: opened, at: context.now)
        } catch {
            try context.reject(error, from: opened.sender)
            return Consequence()
        }
        var new: [Content] = []
        var known: [[UInt8]] = []
        for content in inner {
            guard let digest = waitedDigest(of: content) else {
                new.append(content)
                continue
            }
            let isKnown =
                try context.ledger.accepted(
                    owner: opened.owner.address, sender: opened.sender.address, contentDigest: digest) != nil
            if isKnown || known.contains(digest) { continue }
            known.append(digest)
            new.append(content)
        }
        let hasRoom = try context.ledger.inboxHasRoom()
        guard new.isEmpty || hasRoom else {
            return Consequence(isWithoutRoom: try noteFullInbox(of: opened, in: &context))
        }
        let findings = try meet(opened, lookups: &lookups, in: &context)
        for content in new { try enter(content, of: opened, in: &context) }
        var confirmation = confirmation(of: opened, in: context)
        confirmation.marks = inner.compactMap { SequenceMark(of: $0, in: opened) }
        for digest in known {
            var record = confirmation.record
            (record.digest, record.contentDigest) = (digest, digest)
            (record.receipt, record.isOwed) = (nil, false)
            try context.ledger.apply(.accepted(record))
        }
        try confirm(confirmation, receipts: &receipts, gaps: &gaps, in: &context)
        return Consequence(findings: findings)
    }

    private func read(_ contents: [JSON], in opened: Opened, at now: Moment) throws(Rejection) -> [Content] {
        guard !contents.isEmpty else { throw Rejection(.content, "a batch without contents") }
        var read: [Content] = []
        for json in contents {
            let content = try Content(json)
            guard content.mayShareMessage else {
                throw Rejection(.content, "a batch with a content that travels alone")
            }
            guard content.group?.bare == opened.content.group?.bare else {
                throw Rejection(.seal, "a batch with a content for another group")
            }
            if now.isClockSet { try content.checkTime(at: now.wall) }
            read.append(content)
        }
        return read
    }

    private func acceptForward(
        _ messages: [JSON], of opened: Opened, lookups: inout Lookups, in context: inout Context
    ) throws(LedgerError) -> Consequence {
        guard opened.arrival.depth < context.policy.forwardDepth,
            messages.count <= context.policy.forwardedMessages
        else {
            try context.reject(Rejection(.content, "forwarded too deep or too many"), from: opened.sender)
            return Consequence()
        }
        let findings = try meet(opened, lookups: &lookups, in: &context)
        let confirmation = confirmation(of: opened, in: context)
        return Consequence(
            findings: findings, forward: Forwarded(messages: messages, confirmation: confirmation))
    }

    // MARK: - Inbox

    private func store(
        _ opened: Opened, receipts: inout ReceiptSender, gaps: inout Gaps, lookups: inout Lookups,
        in context: inout Context
    ) throws(LedgerError) -> Consequence {
        let sender = opened.message.provenSender
        // A stock peer that repeats makes a new ciphertext of the same content.
        if let digest = contentDigest(of: opened),
            let record = try context.ledger.accepted(
                owner: opened.owner.address, sender: sender.address, contentDigest: digest)
        {
            // A culver's receipt names the ciphertext, so this one has its own.
            if opened.isSealed {
                try confirm(confirmation(of: opened, in: context), receipts: &receipts, gaps: &gaps, in: &context)
            } else {
                try receipts.sendAgain(record, in: &context)
            }
            return Consequence()
        }
        guard try context.ledger.inboxHasRoom() else {
            return Consequence(isWithoutRoom: try noteFullInbox(of: opened, in: &context))
        }
        let findings = try meet(opened, lookups: &lookups, in: &context)
        try enter(opened.content, of: opened, in: &context)
        try confirm(confirmation(of: opened, in: context), receipts: &receipts, gaps: &gaps, in: &context)
        return Consequence(findings: findings)
    }

    /// Always true.
    private func noteFullInbox(of opened: Opened, in context: inout Context) throws(LedgerError) -> Bool {
        let sender = opened.message.provenSender
        let who = try context.ledger.laggard().map { "consumer \($0) is behind" } ?? "nobody reads it"
        context.counts.inboxFull += 1
        try context.note(
            .inbox, level: .error, text: "the inbox is full and \(who): a message of \(sender) was not taken",
            did: sender, reason: "inbox-full")
        return true
    }

    /// A content goes to the inbox: the message's own, or one of those that share it.
    private func enter(_ content: Content, of opened: Opened, in context: inout Context) throws(LedgerError) {
        let sender = opened.message.provenSender
        context.counts.received += 1
        try context.ledger.apply(
            .incoming(
                Incoming(
                    id: context.newID(), sn: content.sn, sender: sender, receiver: opened.message.provenReceiver,
                    group: opened.message.provenGroup, time: content.time ?? 0,
                    received: context.recordedTime, content: JSON.object(unsealed(content)).text,
                    type: content.type, sealed: opened.isSealed, encrypted: opened.isEncrypted,
                    trust: context.book.trust(in: sender))))
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
        return opened.isEncrypted ? waitedDigest(of: content) : nil
    }

    private func waitedDigest(of content: Content) -> [UInt8]? {
        guard content.json["seq"]?["waited"]?.bool == true else { return nil }
        return Digest.sha256(JSON.object(unsealed(content)).bytes)
    }

    /// What is to be remembered of this message when it is taken, and the receipt for it. Broadcasts have none.
    private func confirmation(of opened: Opened, in context: Context) -> Confirmation {
        let members = Receipt.members(
            of: opened.arrival.message.message, content: opened.content, text: "Message received.")
        let isOwed = opened.isEncrypted
        let record = AcceptedRecord(
            owner: opened.owner.address, sender: opened.sender.address, digest: opened.arrival.message.digest,
            contentDigest: contentDigest(of: opened), time: opened.content.usableTime,
            receipt: isOwed ? JSON.object(members).text : nil, receiptTo: opened.sender.bare,
            receiptFrom: opened.owner.bare, isOwed: isOwed, answered: context.now.lived)
        let marks = [SequenceMark(of: opened.content, in: opened)].compactMap { $0 }
        return Confirmation(record: record, marks: marks, parked: opened.arrival.parked)
    }

    /// Remembers that a message was taken, and owes its sender the receipt.
    func confirm(
        _ confirmation: Confirmation, receipts: inout ReceiptSender, gaps: inout Gaps, in context: inout Context
    ) throws(LedgerError) {
        var record = confirmation.record
        guard context.book.isOurs(record.owner) else { return }
        record.answered = context.now.lived
        try context.ledger.apply(.accepted(record))
        for mark in confirmation.marks { try gaps.follow(mark, in: &context) }
        if record.isOwed { receipts.send(record, in: &context) }
    }
}
