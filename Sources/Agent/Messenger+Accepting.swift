import Crypto
import DIMP
import Format
import Records

/// What becomes of a message that passed all checks.
extension Messenger {
    mutating func accept(_ opened: Opened, _ now: Moment) throws(LedgerError) {
        try remember(opened)
        try accept(opened.content, of: opened, isInner: false, now)
    }

    /// The peer has our visa if it encrypted to the key in it, seals if it sealed, and its key is worth keeping. A key that
    /// was kept tells nothing of the visa: it may have been wrapped for the last one.
    private mutating func remember(_ opened: Opened) throws(LedgerError) {
        let sender = opened.sender
        if var contact = book.contact(sender.address), opened.isEncrypted {
            let before = contact
            if opened.isByNewest { contact.knowsUs = true }
            if opened.isSealed { contact.isCulver = true }
            if contact != before { book.apply(.contact(contact)) }
        }
        guard opened.isSealed, opened.isEncrypted, let wrapped = opened.wrapped else { return }
        let target = opened.envelope.target
        let digest = Digest.sha256(wrapped)
        if book.receivedKey(from: sender, to: target, wrapping: digest) == nil {
            book.apply(.receivedKey(opened.key, from: sender, to: target, wrapping: digest))
        } else {
            book.apply(.usedReceivedKey(from: sender, to: target, wrapping: digest))
        }
    }

    private mutating func accept(
        _ content: Content, of opened: Opened, isInner: Bool, _ now: Moment
    ) throws(LedgerError) {
        switch content.body {
        case .command(.receipt(let receipt)):
            if opened.isEncrypted { try receive(receipt, opened, now) }
        case .command(.meta(let id, let meta)): try answer(aboutMeta: id, meta, opened, now)
        case .command(.documents(let id, let documents, let meta, _)):
            try answer(aboutDocuments: id, documents, meta, content, opened, now)
        case .command(.handshake(let title, _)): answer(handshake: title, opened, now)
        case .array(let contents) where !isInner: try acceptAll(contents, of: opened, now)
        case .forward(let messages): try acceptForwarded(messages, opened, now)
        default: try store(content, opened, now)
        }
    }

    /// Only arrays of agents' own words are taken apart; an array with anything for a person in it is one message of
    /// the inbox, because it has one receipt.
    private mutating func acceptAll(_ contents: [JSON], of opened: Opened, _ now: Moment) throws(LedgerError) {
        guard contents.count <= policy.arrayContents else {
            return try reject(
                Rejection(.content, "an array of more than \(policy.arrayContents)"), from: opened.sender, now)
        }
        let inner = contents.compactMap { try? Content($0) }
        let isOurs = inner.allSatisfy {
            if case .command(.receipt) = $0.body { true } else { false }
        }
        guard isOurs, inner.count == contents.count, !inner.isEmpty else {
            return try store(opened.content, opened, now)
        }
        for content in inner { try accept(content, of: opened, isInner: true, now) }
    }

    /// Each message inside takes the whole way in, with its own sender. The outer one is taken as seen and receipted.
    private mutating func acceptForwarded(_ messages: [JSON], _ opened: Opened, _ now: Moment) throws(LedgerError) {
        let depth = opened.arrival.depth + 1
        guard depth <= policy.forwardDepth, messages.count <= policy.forwardedMessages else {
            return try reject(Rejection(.content, "forwarded too deep or too many"), from: opened.sender, now)
        }
        for json in messages {
            let message: ReliableMessage
            do throws(Rejection) {
                message = try ReliableMessage(json)
                guard book.identity(message.envelope.receiver.address) != nil else {
                    throw Rejection(.receiver, "a forwarded message is for somebody else")
                }
            } catch {
                try reject(error, from: opened.sender, now)
                continue
            }
            try admit(
                Arrival(
                    message: message, wire: message.json.bytes, digest: Digest.sha256(message.secure.data),
                    owner: message.envelope.receiver.address, depth: depth), now)
        }
        try confirm(opened, opened.content, now)
    }

    // MARK: - Inbox

    private mutating func store(_ content: Content, _ opened: Opened, _ now: Moment) throws(LedgerError) {
        let sender = opened.sender
        let owner = opened.arrival.owner.text
        // A stock peer that repeats makes a new ciphertext of the same content.
        if let digest = contentDigest(of: content, opened),
            let seen = try ledger.accepted(owner: owner, sender: sender.address.text, contentDigest: digest)
        {
            // A culver's receipt names the ciphertext, so this one has its own.
            return opened.isSealed ? try confirm(opened, content, now) : try receiptAgain(seen, now)
        }
        guard try ledger.inboxHasRoom() else {
            let who = try ledger.laggard().map { "consumer \($0) is behind" } ?? "nobody reads it"
            counts.inboxFull += 1
            return try note(
                .inbox, .error, "the inbox is full and \(who): a message of \(sender) was not taken", did: sender,
                reason: "inbox-full", now)
        }
        var json = content.json
        json["seal"] = nil
        json["seq"] = nil
        counts.received += 1
        try ledger.apply(
            .incoming(
                Incoming(
                    id: newID(), sn: content.sn, sender: sender.text, receiver: opened.envelope.receiver.text,
                    group: (content.group ?? opened.envelope.group)?.text, time: content.time ?? 0,
                    received: now.isClockSet ? now.wall : 0, content: JSON.object(json).text, type: content.type,
                    sealed: opened.isSealed, encrypted: opened.isEncrypted, trust: trust(in: sender))))
        try confirm(opened, content, now)
    }

    private func trust(in sender: ID) -> String {
        if book.identity(sender.address) != nil { return Contact.Trust.verified.rawValue }
        return (book.contact(sender.address)?.trust ?? .stranger).rawValue
    }

    /// By what a message is known whose ciphertext may change: one without seal, and one that its sender had on disk
    /// before it was sealed, for that board may have come back from a backup of then.
    private func contentDigest(of content: Content, _ opened: Opened) -> [UInt8]? {
        guard opened.isSealed else { return Digest.sha256(JSON.object(content.json).bytes) }
        guard opened.isEncrypted, content.json["seq"]?["waited"]?.bool == true else { return nil }
        var json = content.json
        json["seal"] = nil
        json["seq"] = nil
        return Digest.sha256(JSON.object(json).bytes)
    }

    /// Remembers that this message was taken, and owes its sender a receipt. Broadcasts have none.
    private mutating func confirm(_ opened: Opened, _ content: Content, _ now: Moment) throws(LedgerError) {
        guard let owner = book.identity(opened.arrival.owner) else { return }
        let members = Receipt.members(of: opened.arrival.message, content: content, text: "Message received.")
        let isOwed = opened.isEncrypted
        let seen = AcceptedRecord(
            owner: owner.id.address.text, sender: opened.sender.address.text, digest: opened.arrival.digest,
            contentDigest: contentDigest(of: content, opened),
            time: content.time.flatMap { $0 >= Self.year2024 ? $0 : nil },
            receipt: isOwed ? JSON.object(members).text : nil, receiptTo: opened.sender.bare.text,
            receiptFrom: owner.id.bare.text, isOwed: isOwed, answered: now.lived)
        try ledger.apply(.accepted(seen))
        try follow(opened, now)
        if isOwed { sendReceipt(seen, now) }
    }
}
