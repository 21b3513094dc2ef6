import Crypto
import DIMP
import Format
import Records

/// From a local program's wish to the broker, and again until the receipt.
extension Messenger {
    mutating func submit(_ submission: Submission, _ now: Moment) throws(LedgerError) {
        guard let identity = book.identity(submission.sender.address) else {
            return refuse(
                submission, .unknownName, "unknown-identity", "\(submission.sender) is no identity of this board")
        }
        if book.contact(submission.receiver.address)?.isBlocked == true {
            return refuse(submission, .notPermitted, "blocked", "\(submission.receiver) is blocked")
        }
        if submission.receiver.isGroup, !submission.receiver.isBroadcast {
            return refuse(
                submission, .unknownName, "unknown-group", "\(submission.receiver) is no group of this board")
        }
        if let twin {
            return refuse(
                submission, .notNow, "cloned",
                "another board has the keys of \(twin.did) and started earlier: this one stands back")
        }
        let wish: JSON = ["type": .integer(submission.type.rawValue), "members": .object(submission.members)]
        let request = Digest.sha256(wish.bytes)
        if try isKnown(submission, request) { return }
        let lifetime = submission.expiry ?? policy.expiry
        guard lifetime > 0, lifetime <= 14 * 86_400 else {
            return refuse(submission, .badData, "bad-expiry", "an expiry is more than 0 s and at most 14 days")
        }
        var members = submission.members
        for name in ["type", "sn", "time", "seal", "seq"] { members[name] = nil }
        let content = Content(type: submission.type, sn: newSN(), time: now.wall, members)
        let text = JSON.object(content.json).text
        // The ciphertext becomes a third longer in Base64, and keys, meta and visa need some room.
        guard text.utf8.count / 3 * 4 + 8192 <= policy.messageSize else {
            return refuse(
                submission, .badData, "too-large", "the message is larger than \(policy.messageSize) bytes on the wire")
        }
        let size = try ledger.outboxSize()
        guard size.count + pooled.count < policy.outboxCount,
            size.bytes + pooled.bytes + text.utf8.count <= policy.outboxBytes
        else {
            counts.outboxFull += 1
            counts.unaccepted -= 1
            return refuse(submission, .notNow, "outbox-full", "the outbox is full: \(size.count) messages wait")
        }
        let row = Outgoing(
            id: newMessageID(now), sn: content.sn, sender: identity.id.bare.text,
            receiver: submission.receiver.bare.text,
            ref: submission.ref, request: request, content: text, state: .waiting,
            created: now.isClockSet ? now.wall : 0,
            expires: now.lived + lifetime)
        makeContact(submission.receiver)
        try start(row, to: submission.receiver.bare, identity, answering: submission.token, now)
    }

    private mutating func refuse(_ submission: Submission, _ kind: Refusal.Kind, _ reason: String, _ text: String) {
        counts.unaccepted += 1
        effects.append(.answer(submission.token, .refused(Refusal(kind, reason, text))))
    }

    /// Whether this `ref` was used before: then the first one is answered again, or the misuse refused.
    private mutating func isKnown(_ submission: Submission, _ request: [UInt8]) throws(LedgerError) -> Bool {
        guard let ref = submission.ref else { return false }
        let sender = submission.sender.bare.text
        let receiver = submission.receiver.bare.text
        if let first = try ledger.outgoing(sender: sender, receiver: receiver, ref: ref) {
            if first.request == request {
                let answer = Answer.accepted(id: first.id, sn: first.sn, state: first.state.rawValue, isRepeat: true)
                effects.append(.answer(submission.token, answer))
            } else {
                refuse(submission, .exists, "ref-reused", "the ref was used for another message, \(first.id)")
            }
            return true
        }
        let key = "\(sender) \(receiver) \(ref)"
        guard var waiting = sealing[key] else { return false }
        if waiting.request == request {
            waiting.tokens.append(submission.token)
            sealing[key] = waiting
        } else {
            refuse(submission, .exists, "ref-reused", "the ref is being used for another message")
        }
        return true
    }

    /// Who sends to an ID makes it a contact.
    private mutating func makeContact(_ id: ID) {
        guard !id.isBroadcast, book.identity(id.address) == nil else { return }
        var contact = book.contact(id.address) ?? Contact(id: id.bare, trust: .contact)
        guard contact.trust == .stranger || book.contact(id.address) == nil else { return }
        contact.trust = .contact
        book.apply(.contact(contact))
    }

    private mutating func start(
        _ row: Outgoing, to receiver: ID, _ identity: Identity, answering token: UInt64, _ now: Moment
    ) throws(LedgerError) {
        // Behind those that wait already.
        if receiver.isBroadcast || (isReady(receiver, now) && releases[receiver.address] == nil) {
            if let key = refKey(of: row) { sealing[key] = Waiting(request: row.request, tokens: []) }
            return try seal(row, to: receiver, identity, tokens: [token], now)
        }
        var row = row
        if releases[receiver.address] == nil { lookUp(receiver, now) }
        row.due = min(row.expires, nextLook(receiver, now))
        try ledger.apply(.outgoing(row))
        counts.accepted += 1
        effects.insert(
            .answer(token, .accepted(id: row.id, sn: row.sn, state: row.state.rawValue, isRepeat: false)), at: 0)
    }

    /// When a waiting row is looked at next if nothing is found: soon when a meta's key will do after some patience.
    func nextLook(_ receiver: ID, _ now: Moment) -> Double {
        let patience = (lookups[receiver.address]?.since ?? now.lived) + policy.visaPatience
        return patience > now.lived ? patience : now.lived + policy.longestPause
    }

    /// Whether a message can be encrypted now. A meta alone will do once we have waited for a visa.
    func isReady(_ receiver: ID, _ now: Moment) -> Bool {
        guard book.encryptionKey(of: receiver) != nil else { return false }
        if book.visa(of: receiver) != nil { return true }
        guard let lookup = lookups[receiver.address] else { return false }
        return now.lived >= lookup.since + policy.visaPatience
    }

    /// Gives a row to the pool. A key is reused towards culver peers, so that they open without a private key.
    mutating func seal(
        _ row: Outgoing, to receiver: ID, _ identity: Identity, tokens: [UInt64], _ now: Moment
    ) throws(LedgerError) {
        guard let json = try? JSON(parsing: row.content), var content = try? Content(json) else {
            return try fail(row, tokens, "unreadable-content", "the content cannot be read again", now)
        }
        pooled.insert(row.id, bytes: row.content.utf8.count)
        var packing = Packing(identity: identity, receiver: receiver, recipients: [])
        if !receiver.isBroadcast, let key = book.encryptionKey(of: receiver)?.encryption {
            packing.recipients = [(receiver, key)]
            if isCulver(receiver) {
                var sequence = try nextSequence(from: identity.id, to: receiver)
                // On disk since before it was sealed: a backup of then will seal it once more, as another ciphertext.
                if row.order > 0 { sequence["waited"] = true }
                content.json["seq"] = .object(sequence)
                packing.reused = reusedKey(packing, key, now)
            }
        }
        counts.signatures += 1
        effects.append(
            .work(
                Job(
                    lane: "out \(row.receiver)",
                    work: .seal(Sealing(packing: packing, content: content, purpose: .message(row, tokens: tokens))))))
    }

    /// STREAM is random for the installation, N rises for each sender and receiver (extensions.md 3). It is written
    /// down with the sealed row: what was not saved has not left, and its number is given again after a power cut.
    private mutating func nextSequence(from sender: ID, to receiver: ID) throws(LedgerError) -> JSONObject {
        let name = "stream \(sender.address.text)"
        var stream = try ledger.value(key: name)
        if stream == nil {
            stream = newID()
            try ledger.apply(.value(key: name, stream))
        }
        let counter = counter(from: sender, to: receiver)
        let last = if let given = numbers[counter] { given } else { try lastNumber(counter) }
        if numbers.count >= 1024, pooled.count <= 1 { numbers = [:] }
        numbers[counter] = last + 1
        return ["s": .string(stream ?? ""), "n": .integer(last + 1)]
    }

    private func lastNumber(_ counter: String) throws(LedgerError) -> Int64 {
        try ledger.value(key: counter).flatMap { Int64($0) } ?? 0
    }

    func counter(from sender: ID, to receiver: ID) -> String {
        "sequence \(sender.address.text) \(receiver.address.text)"
    }

    mutating func reusedKey(_ packing: Packing, _ key: RSAPublicKey, _ now: Moment) -> ReusedKey? {
        let sender = packing.identity.id
        let fingerprint = Digest.sha256(key.der)
        if let known = book.sendingKey(from: sender, to: packing.receiver), known.wrappedFor == fingerprint,
            known.uses < ReusedKey.limit, now.lived < known.born + ReusedKey.life
        {
            book.apply(.usedSendingKey(from: sender, to: packing.receiver))
            return known
        }
        guard let fresh = try? SymmetricKey.generate(), let wrapped = try? packing.wrap(fresh).first else { return nil }
        let reused = ReusedKey(key: fresh, wrapped: wrapped.bytes, wrappedFor: fingerprint, born: now.lived, uses: 1)
        book.apply(.sendingKey(reused, from: sender, to: packing.receiver))
        return reused
    }

    func isCulver(_ id: ID) -> Bool {
        book.contact(id.address)?.isCulver == true || book.visa(of: id)?.isOfCulver == true
    }
}
