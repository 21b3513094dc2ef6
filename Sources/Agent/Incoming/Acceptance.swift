import Crypto
import DIMP
import Format
import Records

/// What becomes of a message that passed all checks: by its content it closes one of ours, is answered, is taken apart, or
/// goes to the inbox with a receipt.
struct Acceptance {
    private var answering: Answering
    private var pings = Budget(perSecond: Tuning.pingsPerSecond, burst: Tuning.pingsAtOnce)
    private var pingsOfPeers: [Address: Budget] = [:]

    init(_ policy: Policy) {
        answering = Answering(policy)
    }

    /// What is to follow, beside what was written down.
    struct Consequence {
        var findings: [Lookups.Finding] = []
        var forward: Forwarded?
        /// Calls and answers to calls.
        var calls: [CallContent] = []
        /// Messages of others' local brokers.
        var bridged: [BridgeContent] = []
        var pieces: [PipeContent] = []
        /// Their parked messages are to be dropped.
        var blocked: [ID] = []
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
        groups: inout Groups, in context: inout Context
    ) throws(LedgerError) -> Consequence {
        remember(opened, in: context)
        switch opened.content.body {
        case .array(let contents):
            return try acceptArray(
                contents, of: opened, receipts: &receipts, gaps: &gaps, lookups: &lookups, groups: &groups,
                in: &context)
        case .forward(let messages):
            return try acceptForward(messages, of: opened, lookups: &lookups, in: &context)
        case .customized where isAnswered(opened, in: context):
            return try acceptPing(opened, receipts: &receipts, gaps: &gaps, in: &context)
        default:
            let consequence = try carryOut(
                opened.content, of: opened, lookups: &lookups, groups: &groups, in: &context)
            if let consequence {
                try confirmCarriedOut(opened, receipts: &receipts, gaps: &gaps, in: &context)
                return consequence
            }
            guard try groups.admits(opened.content, of: opened, in: &context) else {
                return Consequence(isWithoutRoom: true)
            }
            let entry = InboxEntry(opened.content, in: opened)
            return try store([entry], of: opened, receipts: &receipts, gaps: &gaps, lookups: &lookups, in: &context)
        }
    }

    /// Does what a content says or asks that is for this agent: the message's own, or one in an array. `nil` for one that is
    /// for people or programs.
    private mutating func carryOut(
        _ content: Content, of opened: Opened, lookups: inout Lookups, groups: inout Groups,
        in context: inout Context
    ) throws(LedgerError) -> Consequence? {
        if try groups.take(content, of: opened, in: &context) { return Consequence() }
        if let call = CallContent(content, in: opened) { return Consequence(calls: [call]) }
        if let bridged = BridgeContent(content, in: opened) { return Consequence(bridged: [bridged]) }
        if let piece = PipeContent(content, in: opened) { return Consequence(pieces: [piece]) }
        // What was laid once on a topic for all anybody can lay again: every board that listens would answer each time.
        guard case .command(let command) = content.body, !opened.arrival.isForAll else { return nil }
        switch command {
        case .receipt(let receipt):
            if opened.isEncrypted { try ReceiptMatcher.close(by: receipt, in: opened, in: &context) }
        case .meta(let id, let meta):
            answering.answer(aboutMeta: id, meta: meta, opened: opened, lookups: &lookups, in: &context)
        case .documents(let id, let documents, let meta, _):
            return Consequence(
                findings: try answering.answer(
                    aboutDocuments: id, documents: documents, meta: meta, named: content.commandName, opened: opened,
                    lookups: &lookups, in: &context))
        case .handshake(let title, _):
            answering.answer(handshake: title, opened: opened, in: &context)
        case .mute(let list), .block(let list):
            guard opened.message.isOfOwnDevice, opened.isEncrypted else { return nil }
            // This board's own answer, which comes back to it.
            guard !opened.isSealed else { return Consequence() }
            let kind: ContactList = content.commandName == "mute" ? .muted : .blocked
            guard let list else {
                answering.answer(for: kind, opened: opened, in: &context)
                return Consequence()
            }
            return Consequence(blocked: try kind.take(list, in: context))
        case .login, .report, .search, .storage, .names, .broadcast, .other: return nil
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
        let target = opened.envelope.target
        // Each message to a group has a key of its own.
        guard opened.isSealed, opened.isEncrypted, !target.isGroup, let digest = opened.message.key.wrappedDigest else {
            return
        }
        if context.book.receivedKey(from: sender, to: target, wrapping: digest) == nil {
            context.book.apply(.receivedKey(opened.message.key.key, from: sender, to: target, wrapping: digest))
        } else {
            context.book.apply(.usedReceivedKey(from: sender, to: target, wrapping: digest))
        }
    }

    /// Each content of an array is taken for itself: what is for this agent is carried out, everything else is a message of
    /// the inbox. One receipt is for all of it, and none where nothing of it is in the inbox.
    private mutating func acceptArray(
        _ contents: [JSON], of opened: Opened, receipts: inout ReceiptSender, gaps: inout Gaps, lookups: inout Lookups,
        groups: inout Groups, in context: inout Context
    ) throws(LedgerError) -> Consequence {
        guard try groups.admits(opened.content, of: opened, in: &context) else {
            return Consequence(isWithoutRoom: true)
        }
        if let contents = Batch.contents(of: opened) {
            return try acceptBatch(
                contents, of: opened, receipts: &receipts, gaps: &gaps, lookups: &lookups, in: &context)
        }
        // Peers put as many receipts together as every agent takes.
        let isOfAnswers = opened.content.commands?.allSatisfy(\.isAnswer) == true
        let limit = max(isOfAnswers ? ProtocolLimits.arrayContents : 0, context.policy.arrayContents)
        guard contents.count <= limit else {
            try context.reject(Rejection(.content, "an array of more than \(limit)"), from: opened.sender)
            return Consequence()
        }
        guard let parts = Self.parts(of: contents) else {
            let entry = InboxEntry(opened.content, in: opened)
            return try store([entry], of: opened, receipts: &receipts, gaps: &gaps, lookups: &lookups, in: &context)
        }
        // The seal speaks for the group of the whole.
        let group = opened.content.group?.bare
        if opened.isSealed, parts.contains(where: { $0.group != nil && $0.group?.bare != group }) {
            try context.reject(Rejection(.seal, "a part of an array names another group"), from: opened.sender)
            return Consequence()
        }
        // All of it waits for what is not taken yet, before anything is carried out: one receipt is for all.
        guard context.now.isClockSet || !parts.contains(where: \.changesGroup) else {
            return Consequence(isWithoutRoom: true)
        }
        for part in parts where opened.isEncrypted && !part.isForAgents && !part.isAboutGroup {
            guard try groups.admits(part, of: opened, in: &context) else { return Consequence(isWithoutRoom: true) }
        }
        var findings: [Lookups.Finding] = []
        var blocked: [ID] = []
        var calls: [CallContent] = []
        var bridged: [BridgeContent] = []
        var pieces: [PipeContent] = []
        var entries: [InboxEntry] = []
        for part in parts {
            if let consequence = try carryOut(part, of: opened, lookups: &lookups, groups: &groups, in: &context) {
                findings += consequence.findings
                blocked += consequence.blocked
                calls += consequence.calls
                pieces += consequence.pieces
                bridged += consequence.bridged
            } else if try opened.isEncrypted ? true : groups.admits(part, of: opened, in: &context) {
                entries.append(InboxEntry(part, in: opened))
            }
        }
        var consequence = Consequence()
        if !entries.isEmpty {
            consequence = try store(
                entries, of: opened, receipts: &receipts, gaps: &gaps, lookups: &lookups, in: &context)
        } else {
            try confirmCarriedOut(opened, receipts: &receipts, gaps: &gaps, in: &context)
        }
        consequence.blocked = blocked
        consequence.calls = calls
        consequence.bridged = bridged
        consequence.pieces = pieces
        consequence.findings = findings + consequence.findings
        return consequence
    }

    /// What was carried out has no receipt, unless its sender repeats it until there is one: a culver agent does that with
    /// whatever a program gave to it, which has a number. A command about a group has one, whatever became of it: its sender
    /// is to know that it came.
    private func confirmCarriedOut(
        _ opened: Opened, receipts: inout ReceiptSender, gaps: inout Gaps, in context: inout Context
    ) throws(LedgerError) {
        // Of a stranger nothing is remembered, and there is no key for a receipt.
        guard opened.isEncrypted, context.book.contact(opened.sender.address) != nil else { return }
        let isNumbered = opened.isSealed && SequenceMark(of: opened.content, in: opened) != nil
        guard isNumbered || opened.content.type == ContentType.history.rawValue else { return }
        try confirm(confirmation(of: opened, digest: nil, in: context), receipts: &receipts, gaps: &gaps, in: &context)
    }

    /// The contents of an array that can be taken apart. `nil` where one is none, or is an array with something in it: then
    /// the whole is one message of the inbox, so that nothing of it is lost.
    private static func parts(of contents: [JSON]) -> [Content]? {
        var parts: [Content] = []
        for json in contents {
            guard let content = try? Content(json) else { return nil }
            guard case .array(let inner) = content.body else {
                parts.append(content)
                continue
            }
            guard inner.isEmpty else { return nil }
        }
        return parts
    }

    /// Contents that share a message: all of them are taken, or none, and one receipt is for all.
    private func acceptBatch(
        _ contents: [JSON], of opened: Opened, receipts: inout ReceiptSender, gaps: inout Gaps, lookups: inout Lookups,
        in context: inout Context
    ) throws(LedgerError) -> Consequence {
        let forgottenUntil = try context.ledger.value(.forgottenUntil).flatMap(Double.init)
        let batch: Batch
        do throws(Rejection) {
            batch = try Batch(contents, in: opened, forgottenUntil: forgottenUntil, in: context)
        } catch {
            try context.reject(error, from: opened.sender)
            return Consequence()
        }
        let entries = try batch.unknown(to: context.ledger, in: opened)
        // A batch is never for all, so these modules are carried out.
        let stored = entries.filter { !["call", "reply", BridgeContent.module].contains($0.content.json.culverModule) }
        let bytes = stored.reduce(0) { $0 + $1.bytes }
        if !stored.isEmpty, try !context.ledger.inboxHasRoom(rows: stored.count, bytes: bytes) {
            return Consequence(isWithoutRoom: try noteFullInbox(of: opened, in: &context))
        }
        context.counts.duplicates += Int64(batch.entries.count - entries.count)
        let findings = try entries.isEmpty ? [] : meet(opened, lookups: &lookups, in: &context)
        let confirmation = confirmation(of: opened, marks: batch.marks, in: context)
        var (calls, bridged): ([CallContent], [BridgeContent]) = ([], [])
        var pieces: [PipeContent] = []
        for entry in entries {
            if let call = CallContent(entry.content, in: opened) {
                calls.append(call)
            } else if let content = BridgeContent(entry.content, in: opened) {
                bridged.append(content)
            } else if let piece = PipeContent(entry.content, in: opened) {
                pieces.append(piece)
            } else {
                try enter(entry, of: opened, in: &context)
            }
            if let digest = entry.digest { try remember(digest, of: entry, like: confirmation.record, in: context) }
        }
        try confirm(confirmation, receipts: &receipts, gaps: &gaps, in: &context)
        return Consequence(findings: findings, calls: calls, bridged: bridged, pieces: pieces)
    }

    /// A content in a batch is known by itself. Nothing is owed for it alone: the receipt is the batch's.
    private func remember(
        _ digest: [UInt8], of entry: InboxEntry, like batch: AcceptedRecord, in context: Context
    ) throws(LedgerError) {
        var record = batch
        (record.digest, record.contentDigest, record.time) = (digest, digest, entry.content.usableTime)
        (record.receipt, record.isOwed) = (nil, false)
        try context.ledger.apply(.accepted(record))
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
        let entry = InboxEntry(opened.content, in: opened)
        let confirmation = confirmation(of: opened, digest: entry.digest, in: context)
        return Consequence(
            findings: findings, forward: Forwarded(messages: messages, confirmation: confirmation))
    }

    // MARK: - Pings

    private func isAnswered(_ opened: Opened, in context: Context) -> Bool {
        opened.content.isPing && opened.isSealed && opened.isEncrypted
            && context.book.isPersonallyTrusted(opened.sender)
    }

    /// Its receipt is all that it asks for: no local program hears of it. Over budget it is not taken, and comes again.
    private mutating func acceptPing(
        _ opened: Opened, receipts: inout ReceiptSender, gaps: inout Gaps, in context: inout Context
    ) throws(LedgerError) -> Consequence {
        guard mayPing(opened.sender.address, at: context.now.lived) else {
            context.counts.overBusy += 1
            return Consequence(isWithoutRoom: true)
        }
        var confirmation = confirmation(of: opened, digest: nil, in: context)
        confirmation.agent = context.agent
        if var members = confirmation.record.receipt.flatMap({ try? JSON(parsing: $0).object }) {
            members["agent"] = .string(context.agent)
            confirmation.record.receipt = JSON.object(members).text
        }
        try confirm(confirmation, receipts: &receipts, gaps: &gaps, in: &context)
        return Consequence()
    }

    /// Within a share of its own, so that others have theirs.
    private mutating func mayPing(_ sender: Address, at lived: Double) -> Bool {
        if pingsOfPeers[sender] == nil, pingsOfPeers.count >= Tuning.pingingPeers {
            pingsOfPeers = pingsOfPeers.filter { !$0.value.isFull(at: lived) }
            guard pingsOfPeers.count < Tuning.pingingPeers else { return false }
        }
        var ofPeer =
            pingsOfPeers[sender]
            ?? Budget(perSecond: Tuning.pingsOfOnePerSecond, burst: Tuning.pingsOfOneAtOnce)
        guard ofPeer.hasRoom(at: lived), pings.take(at: lived) else { return false }
        ofPeer.spend(1, at: lived)
        pingsOfPeers[sender] = ofPeer
        return true
    }

    // MARK: - Inbox

    /// One message of the inbox or, out of an array, several: all of them, or none. One receipt is for all.
    private func store(
        _ entries: [InboxEntry], of opened: Opened, receipts: inout ReceiptSender, gaps: inout Gaps,
        lookups: inout Lookups, in context: inout Context
    ) throws(LedgerError) -> Consequence {
        let sender = opened.message.provenSender
        let digest = InboxEntry(opened.content, in: opened).digest
        if let digest,
            let record = try context.ledger.accepted(
                owner: opened.owner.address, sender: sender.address, contentDigest: digest)
        {
            // A culver's receipt names the ciphertext, so this one has its own.
            if opened.isSealed {
                try confirm(
                    confirmation(of: opened, digest: digest, in: context), receipts: &receipts, gaps: &gaps,
                    in: &context)
            } else {
                try receipts.sendAgain(record, in: &context)
            }
            return Consequence()
        }
        let bytes = entries.reduce(0) { $0 + $1.bytes }
        guard try context.ledger.inboxHasRoom(rows: entries.count, bytes: bytes) else {
            return Consequence(isWithoutRoom: try noteFullInbox(of: opened, in: &context))
        }
        let findings = try meet(opened, lookups: &lookups, in: &context)
        for entry in entries { try enter(entry, of: opened, in: &context) }
        try confirm(
            confirmation(of: opened, digest: digest, in: context), receipts: &receipts, gaps: &gaps, in: &context)
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
    private func enter(_ entry: InboxEntry, of opened: Opened, in context: inout Context) throws(LedgerError) {
        let (content, sender) = (entry.content, opened.message.provenSender)
        context.counts.received += 1
        let id = context.newMessageID()
        try announce(content, of: opened, in: id, to: &context)
        try context.ledger.apply(
            .incoming(
                Incoming(
                    id: id, sn: content.sn, sender: sender,
                    receiver: opened.message.provenReceiver,
                    group: content.group?.bare ?? opened.message.provenGroup,
                    time: content.time ?? opened.content.time ?? 0, received: context.recordedTime, content: entry.text,
                    type: content.type,
                    sealed: opened.isSealed, encrypted: opened.isEncrypted, trust: context.book.trust(in: sender),
                    subject: content.json.subject,
                    expires: opened.isSealed && opened.isEncrypted ? content.expiry : nil)))
    }

    /// A file may come in pieces from now on: that is written down with its message.
    private func announce(
        _ content: Content, of opened: Opened, in message: String, to context: inout Context
    ) throws(LedgerError) {
        guard opened.isSealed, opened.isEncrypted, content.group == nil, !opened.envelope.target.isGroup,
            let offer = FileOffer(content.json), case .file(let file) = content.body,
            try context.ledger.value(.file(offer.id)) == nil
        else { return }
        let transfer = FileTransfer(
            offer, sender: opened.message.provenSender, receiver: opened.message.provenReceiver, message: message,
            name: FileName.safe(file.filename ?? ""), type: content.type, time: context.recordedTime)
        try context.ledger.apply(.value(.file(offer.id), transfer.json.text))
        context.perform(.file(.offered(transfer)))
    }

    /// What is to be remembered of this message when it is taken, and the receipt for it. Broadcasts have none. `digest`:
    /// that of its content, where the content is known by it.
    private func confirmation(of opened: Opened, digest: [UInt8]?, in context: Context) -> Confirmation {
        var confirmation = confirmation(
            of: opened, marks: [SequenceMark(of: opened.content, in: opened)].compactMap { $0 }, in: context)
        confirmation.record.contentDigest = digest
        return confirmation
    }

    private func confirmation(of opened: Opened, marks: [SequenceMark], in context: Context) -> Confirmation {
        let members = Receipt.members(
            of: opened.arrival.message.message, content: opened.content, text: "Message received.",
            digest: opened.arrival.message.digest)
        let isOwed = opened.isEncrypted
        let record = AcceptedRecord(
            owner: opened.owner.address, sender: opened.sender.address, digest: opened.arrival.message.digest,
            time: opened.content.usableTime, receipt: isOwed ? JSON.object(members).text : nil,
            receiptTo: opened.sender.bare, receiptFrom: opened.owner.bare, isOwed: isOwed,
            answered: context.now.lived)
        return Confirmation(
            record: record, marks: marks, parked: opened.arrival.parked,
            key: mayAcknowledge(opened, in: context) ? opened.message.key.key : nil)
    }

    /// Whether the sender learns by an acknowledgement that its message was taken. It must know that we are a culver agent,
    /// which its numbers show, and have our present visa, which only a signed receipt brings along. Members of a group
    /// share the key, so that one could speak for another; and of a message that has expired its sender keeps no key.
    private func mayAcknowledge(_ opened: Opened, in context: Context) -> Bool {
        let content = opened.content
        guard opened.isSealed, opened.isEncrypted, content.json["seq"] != nil || content.batched != nil,
            !opened.envelope.target.isGroup, content.group == nil, !content.wantsSignedReceipt,
            context.book.abilities(of: opened.sender).takesAcknowledgements,
            context.book.contact(opened.sender.address)?.knowsUs ?? context.book.isOurs(opened.sender.address)
        else { return false }
        guard context.now.isClockSet, let time = opened.content.usableTime else { return true }
        return context.now.wall < time + Tuning.longestAcknowledged
    }

    /// Remembers that a message was taken, and owes its sender the receipt.
    func confirm(
        _ confirmation: Confirmation, receipts: inout ReceiptSender, gaps: inout Gaps, in context: inout Context
    ) throws(LedgerError) {
        var record = confirmation.record
        guard context.book.isOurs(record.owner) else { return }
        record.answered = context.now.lived
        try context.ledger.apply(.accepted(record))
        try gaps.follow(confirmation.marks, in: &context)
        if record.isOwed { receipts.confirm(record, under: confirmation.key, saying: confirmation.agent, in: &context) }
    }
}

extension Content {
    /// Whether the agent carries it out itself, and no person or program hears of it; of an array, whether it does so with
    /// all of it.
    var isForAgents: Bool {
        switch body {
        case .customized(app: "chat.dim.group", _, _): return true
        case .command where isAboutGroup: return true
        default:
            return commands?.allSatisfy { command in
                switch command {
                case .receipt, .meta, .documents, .handshake: true
                case .mute, .block, .login, .report, .search, .storage, .names, .broadcast, .other: false
                }
            } ?? false
        }
    }
}
