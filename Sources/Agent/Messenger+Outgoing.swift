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
        let wish: JSON = ["type": .integer(submission.type.rawValue), "members": .object(submission.members)]
        let request = Digest.sha256(wish.bytes)
        if try isKnown(submission, request) { return }
        let lifetime = submission.expiry ?? policy.expiry
        guard lifetime > 0 else { return refuse(submission, .badData, "bad-expiry", "an expiry must be more than 0 s") }
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
        guard size.count + pooled.count < policy.outboxCount, size.bytes + text.utf8.count <= policy.outboxBytes else {
            return refuse(submission, .notNow, "outbox-full", "the outbox is full: \(size.count) messages wait")
        }
        let row = Outgoing(
            id: newID(), sn: content.sn, sender: identity.id.bare.text, receiver: submission.receiver.bare.text,
            ref: submission.ref, request: request, content: text, state: .waiting,
            created: now.isClockSet ? now.wall : 0,
            expires: now.lived + min(lifetime, 14 * 86_400))
        makeContact(submission.receiver)
        try start(row, to: submission.receiver.bare, identity, answering: submission.token, now)
    }

    private mutating func refuse(_ submission: Submission, _ kind: Refusal.Kind, _ reason: String, _ text: String) {
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
        book.learn(.contact(contact))
    }

    private mutating func start(
        _ row: Outgoing, to receiver: ID, _ identity: Identity, answering token: UInt64, _ now: Moment
    ) throws(LedgerError) {
        if receiver.isBroadcast || isReady(receiver, now) {
            if let key = refKey(of: row) { sealing[key] = Waiting(request: row.request, tokens: []) }
            return try seal(row, to: receiver, identity, tokens: [token], now)
        }
        var row = row
        lookUp(receiver, now)
        row.due = min(row.expires, nextLook(receiver, now))
        try ledger.apply(.outgoing(row))
        effects.insert(
            .answer(token, .accepted(id: row.id, sn: row.sn, state: row.state.rawValue, isRepeat: false)), at: 0)
    }

    /// When a waiting row is looked at next if nothing is found: soon when a meta's key will do after some patience.
    private func nextLook(_ receiver: ID, _ now: Moment) -> Double {
        let patience = (lookups[receiver.address]?.since ?? now.lived) + policy.visaPatience
        return patience > now.lived ? patience : now.lived + policy.longestPause
    }

    /// Whether a message can be encrypted now. A meta alone will do once we have waited for a visa.
    private func isReady(_ receiver: ID, _ now: Moment) -> Bool {
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
        pooled.insert(row.id)
        var packing = Packing(identity: identity, receiver: receiver, recipients: [])
        if !receiver.isBroadcast, let key = book.encryptionKey(of: receiver)?.encryption {
            packing.recipients = [(receiver, key)]
            if isCulver(receiver) {
                content.json["seq"] = try nextSequence(from: identity.id, to: receiver)
                packing.reused = reusedKey(packing, key, now)
            }
        }
        effects.append(
            .work(
                Job(
                    lane: "out \(row.receiver)",
                    work: .seal(Sealing(packing: packing, content: content, purpose: .message(row, tokens: tokens))))))
    }

    /// STREAM is random for the installation, N rises for each sender and receiver (design section 5.2).
    private mutating func nextSequence(from sender: ID, to receiver: ID) throws(LedgerError) -> JSON {
        let name = "stream \(sender.address.text)"
        var stream = try ledger.value(key: name)
        if stream == nil {
            stream = newID()
            try ledger.apply(.value(key: name, stream))
        }
        let counter = "sequence \(sender.address.text) \(receiver.address.text)"
        let next = (try ledger.value(key: counter).flatMap { Int64($0) } ?? 0) + 1
        try ledger.apply(.value(key: counter, String(next)))
        return ["s": .string(stream ?? ""), "n": .integer(next)]
    }

    mutating func reusedKey(_ packing: Packing, _ key: RSAPublicKey, _ now: Moment) -> ReusedKey? {
        let sender = packing.identity.id
        let fingerprint = Digest.sha256(key.der)
        if let known = book.sendingKey(from: sender, to: packing.receiver), known.wrappedFor == fingerprint,
            known.uses < ReusedKey.limit, now.lived < known.born + ReusedKey.life
        {
            book.learn(.usedSendingKey(from: sender, to: packing.receiver))
            return known
        }
        guard let fresh = try? SymmetricKey.generate(), let wrapped = try? packing.wrap(fresh).first else { return nil }
        let reused = ReusedKey(key: fresh, wrapped: wrapped.bytes, wrappedFor: fingerprint, born: now.lived, uses: 1)
        book.learn(.sendingKey(reused, from: sender, to: packing.receiver))
        return reused
    }

    func isCulver(_ id: ID) -> Bool {
        book.contact(id.address)?.isCulver == true || book.visa(of: id)?.isOfCulver == true
    }

    // MARK: - Sealed

    mutating func finish(_ sealing: Sealing, _ packed: Packing.Packed, _ now: Moment) throws(LedgerError) {
        switch sealing.purpose {
        case .message(let row, let tokens): try queue(row, sealing, packed, tokens, now)
        case .receipts(let seen):
            let to = sealing.packing.receiver
            dispatch(
                Errand(
                    place: .inbox(to.address), payload: wire(packed.message, sealing.packing.identity, to: to),
                    purpose: .receipts(seen)))
            if let last = seen.last { sendReceipts(after: last, now) }
        case .query(let id):
            dispatch(
                Errand(
                    place: .inbox(id.address), payload: wire(packed.message, sealing.packing.identity, to: id),
                    purpose: .courtesy))
        case .courtesy:
            let to = sealing.packing.receiver
            dispatch(
                Errand(
                    place: .inbox(to.address), payload: wire(packed.message, sealing.packing.identity, to: to),
                    purpose: .courtesy))
        }
    }

    private mutating func queue(
        _ row: Outgoing, _ sealing: Sealing, _ packed: Packing.Packed, _ tokens: [UInt64], _ now: Moment
    ) throws(LedgerError) {
        var row = row
        pooled.remove(row.id)
        // Cancelled or expired while the pool worked. A row is sealed once: two ciphertexts would be two messages.
        if let stored = try ledger.outgoing(id: row.id), stored.state != .waiting { return }
        let secure = packed.message.secure
        row.content = JSON.object(sealing.content.json).text
        row.sealed = Outgoing.Sealed(
            digest: Digest.sha256(secure.data), data: secure.data, signature: packed.message.signature,
            iv: secure.iv ?? [], key: packed.key == .plain ? "" : packed.key.json().text)
        row.state = .queued
        row.due = now.lived
        let receiver = sealing.packing.receiver
        if let broker = freeBroker(attempt: row.attempts) {
            row.attempts += 1
            row.due = min(row.expires, pause(after: row.attempts, now))
            try rememberTry(row, receiver, now)
            dispatch(
                Errand(
                    place: .inbox(receiver.address),
                    payload: wire(packed.message, sealing.packing.identity, to: receiver),
                    purpose: .message(id: row.id), expiry: remaining(row, now), broker: broker))
        }
        try ledger.apply(.outgoing(row))
        let others = takeWaiting(row)
        let answers = tokens.map { ($0, false) } + others.map { ($0, true) }
        // Answers stand before the parcel: save, answer, publish.
        effects.insert(
            contentsOf: answers.map { token, isRepeat in
                .answer(token, .accepted(id: row.id, sn: row.sn, state: row.state.rawValue, isRepeat: isRepeat))
            }, at: 0)
        effects.append(.changed(row))
    }

    mutating func fail(_ sealing: Sealing, _ words: String, _ now: Moment) throws(LedgerError) {
        if case .receipts(let seen) = sealing.purpose, let last = seen.last { sendReceipts(after: last, now) }
        guard case .message(let row, let tokens) = sealing.purpose else { return }
        pooled.remove(row.id)
        try fail(row, tokens, "cannot-seal", words, now)
    }

    private mutating func fail(
        _ row: Outgoing, _ tokens: [UInt64], _ reason: String, _ words: String, _ now: Moment
    ) throws(LedgerError) {
        for token in tokens + takeWaiting(row) {
            effects.append(.answer(token, .refused(Refusal(.inputOutput, reason, words))))
        }
        if let stored = try ledger.outgoing(id: row.id), !stored.state.isEnd { try end(stored, .failed, reason, now) }
    }

    /// Who else asked with the same ref while the pool worked.
    mutating func takeWaiting(_ row: Outgoing) -> [UInt64] {
        refKey(of: row).flatMap { sealing.removeValue(forKey: $0)?.tokens } ?? []
    }

    private func refKey(of row: Outgoing) -> String? {
        row.ref.map { "\(row.sender) \(row.receiver) \($0)" }
    }

    // MARK: - Sending, and again

    /// Sends what is due, as far as the brokers take it.
    mutating func pump(_ now: Moment) throws(LedgerError) {
        let waiting = backlog
        backlog = []
        for errand in waiting { dispatch(errand) }
        var left = room
        if left == 0 {
            for row in try ledger.dueOutgoing(at: now.lived, limit: 100) where now.lived >= row.expires {
                try end(row, .expired, "expired", now)
            }
        }
        while left > 0 {
            let rows = try ledger.dueOutgoing(at: now.lived, limit: left)
            for row in rows { try attempt(row, now) }
            if rows.count < left || room == left { return }
            left = room
        }
    }

    private var room: Int { rooms.values.reduce(0) { $0 + max(0, $1) } }

    private mutating func attempt(_ row: Outgoing, _ now: Moment) throws(LedgerError) {
        if now.lived >= row.expires { return try end(row, .expired, "expired", now) }
        guard let receiver = ID(row.receiver), let sender = ID(row.sender),
            let identity = book.identity(sender.address)
        else { return try end(row, .failed, "unknown-identity", now) }
        guard row.state != .waiting else { return try resume(row, receiver, identity, now) }
        guard let broker = freeBroker(attempt: row.attempts) else { return }
        if let tried = try ledger.value(key: tryKey(row)).flatMap(Double.init), now.lived >= tried + Self.doubt {
            return try end(row, .failed, "unacknowledged", now)
        }
        var row = row
        guard let wire = repeated(row, receiver, identity) else {
            // The contact is gone, and its keys with it.
            row.due = min(row.expires, now.lived + policy.longestPause)
            lookUp(receiver, now)
            return try ledger.apply(.outgoing(row))
        }
        row.attempts += 1
        row.due = min(row.expires, pause(after: row.attempts, now))
        try ledger.apply(.outgoing(row))
        try rememberTry(row, receiver, now)
        // The peer may have other keys by now.
        if row.attempts > 2 { lookUp(receiver, now) }
        dispatch(
            Errand(
                place: .inbox(receiver.address), payload: wire, purpose: .message(id: row.id),
                expiry: remaining(row, now), broker: broker))
    }

    /// A waiting row whose time has come: sealed if a key is there, looked up again if not.
    private mutating func resume(
        _ row: Outgoing, _ receiver: ID, _ identity: Identity, _ now: Moment
    ) throws(LedgerError) {
        var row = row
        let isReady = receiver.isBroadcast || isReady(receiver, now)
        if !isReady { lookUp(receiver, now) }
        row.due = min(row.expires, isReady ? now.lived + policy.longestPause : nextLook(receiver, now))
        try ledger.apply(.outgoing(row))
        if isReady, !pooled.contains(row.id) { try seal(row, to: receiver, identity, tokens: [], now) }
    }

    /// Everything that waited for this receiver's key.
    mutating func release(_ receiver: ID, _ now: Moment) throws(LedgerError) {
        guard book.visa(of: receiver) != nil, book.encryptionKey(of: receiver) != nil else { return }
        for row in try ledger.waitingOutgoing(receiver: receiver.bare.text, limit: 1000) {
            guard let sender = ID(row.sender), let identity = book.identity(sender.address) else { continue }
            try resume(row, receiver, identity, now)
        }
    }

    /// The same ciphertext and signature; keys, meta and visa as they are today.
    private func repeated(_ row: Outgoing, _ receiver: ID, _ identity: Identity) -> [UInt8]? {
        guard let sealed = row.sealed, let json = try? JSON(parsing: row.content), let content = try? Content(json)
        else { return nil }
        let envelope = Envelope(
            sender: identity.id, receiver: receiver, time: content.time,
            group: content.group, type: content.type)
        var secure = SecureMessage(
            envelope: envelope, data: sealed.data, iv: sealed.iv.isEmpty ? nil : sealed.iv, keys: [])
        if !sealed.key.isEmpty {
            guard let public_ = book.encryptionKey(of: receiver)?.encryption, let text = try? JSON(parsing: sealed.key),
                let key = try? SymmetricKey(text)
            else { return nil }
            let packing = Packing(identity: identity, receiver: receiver, recipients: [(receiver, public_)])
            if let known = book.sendingKey(from: identity.id, to: receiver), known.key == key,
                known.wrappedFor == Digest.sha256(public_.der)
            {
                secure.keys = [SecureMessage.WrappedKey(receiver: receiver.bare.text, bytes: known.wrapped)]
            } else {
                guard let wrapped = try? packing.wrap(key) else { return nil }
                secure.keys = wrapped
            }
        }
        return wire(ReliableMessage(secure: secure, signature: sealed.signature), identity, to: receiver)
    }

    /// With our meta and visa, until this peer has shown that it knows us.
    func wire(_ message: ReliableMessage, _ identity: Identity, to receiver: ID) -> [UInt8] {
        var message = message
        if book.contact(receiver.address)?.knowsUs != true {
            message.meta = .object(identity.meta.json)
            message.visa = .object(identity.visa.json)
        }
        return message.json.bytes
    }

    /// A peer that would show a repeat as another message.
    private func isOnce(_ receiver: ID) -> Bool { receiver.isBroadcast || !isCulver(receiver) }

    /// Seconds after the first try without any word of a broker in which a stock peer is sent to again: it may have
    /// the message (design section 5.4).
    private static var doubt: Double { 4 * 3600 }

    private func tryKey(_ row: Outgoing) -> String { "tried \(row.id)" }

    private func rememberTry(_ row: Outgoing, _ receiver: ID, _ now: Moment) throws(LedgerError) {
        guard isOnce(receiver), try ledger.value(key: tryKey(row)) == nil else { return }
        try ledger.apply(.value(key: tryKey(row), String(now.lived)))
    }

    /// A broker's word, or the end: there is no doubt.
    private func forgetTry(_ row: Outgoing) throws(LedgerError) {
        guard try ledger.value(key: tryKey(row)) != nil else { return }
        try ledger.apply(.value(key: tryKey(row), nil))
    }

    /// Doubles from the configured time-out up to `longestPause`.
    private func pause(after attempts: Int, _ now: Moment) -> Double {
        let factor = Double(1 << min(max(attempts - 1, 0), 16))
        return now.lived + min(policy.receiptTimeout * factor, max(policy.longestPause, policy.receiptTimeout))
    }

    private func remaining(_ row: Outgoing, _ now: Moment) -> UInt32 {
        UInt32(max(1, min(row.expires - now.lived, 14 * 86_400)))
    }

    /// Each attempt takes the next broker: nobody says on which of them a peer is.
    func freeBroker(attempt: Int = 0) -> String? {
        let free = rooms.keys.filter { (rooms[$0] ?? 0) > 0 }.sorted()
        return free.isEmpty ? nil : free[attempt % free.count]
    }

    /// Publishes on the errand's broker. Without one it is a courtesy or a receipt, which goes to every broker; where
    /// there is no room it is kept for later. Rows of the outbox are not kept: they stay due.
    mutating func dispatch(_ errand: Errand) {
        guard let broker = errand.broker else {
            for broker in rooms.keys.sorted() {
                var copy = errand
                copy.broker = broker
                dispatch(copy)
            }
            return
        }
        guard let room = rooms[broker] else { return }
        guard room > 0 else {
            if case .message = errand.purpose { return }
            if backlog.count < 256 { backlog.append(errand) }
            return
        }
        rooms[broker] = room - 1
        let number = nextParcel
        nextParcel += 1
        var errand = errand
        let payload = errand.payload
        errand.payload = []
        parcels[number] = errand
        effects.append(
            .publish(
                Parcel(number: number, broker: broker, place: errand.place, payload: payload, expiry: errand.expiry)))
    }

    // MARK: - What brokers say

    mutating func acknowledge(_ number: UInt64, _ outcome: Outcome, _ now: Moment) throws(LedgerError) {
        guard let errand = parcels.removeValue(forKey: number) else { return }
        if let broker = errand.broker { rooms[broker]? += 1 }
        switch errand.purpose {
        case .message(let id): try acknowledge(id, outcome, now)
        case .receipts(let receipted):
            // Where nobody listens the peer will repeat, and is receipted again.
            guard outcome == .taken || outcome == .nobody else { break }
            for one in receipted {
                guard var seen = try ledger.seen(owner: one.owner, sender: one.sender, digest: one.digest), seen.isOwed
                else { continue }
                seen.isOwed = false
                try ledger.apply(.seen(seen))
            }
        case .courtesy: break
        }
        try pump(now)
    }

    private mutating func acknowledge(_ id: String, _ outcome: Outcome, _ now: Moment) throws(LedgerError) {
        guard var row = try ledger.outgoing(id: id), !row.state.isEnd, let receiver = ID(row.receiver) else { return }
        switch outcome {
        case .taken:
            row.state = .published
            row.published = row.published ?? now.wall
            row.reason = nil
            // Stock peers do not de-duplicate: to them a message goes once, and published is its end.
            if isOnce(receiver) {
                row.due = nil
                row = spent(row)
                try forgetTry(row)
            }
        case .nobody:
            row.reason = "nobody-subscribed"
            try forgetTry(row)
            // Perhaps on the next broker; when all were asked, after the pause.
            if row.due != nil, row.attempts % max(1, rooms.count) != 0 { row.due = now.lived }
        case .refused(let words):
            row.reason = "broker-refused: \(words)"
            try forgetTry(row)
        }
        try ledger.apply(.outgoing(row))
        effects.append(.changed(row))
    }

    /// What was on its way there may be lost: messages are due again, owed receipts are made again.
    mutating func unlink(_ broker: String, _ now: Moment) throws(LedgerError) {
        rooms[broker] = nil
        backlog.removeAll { $0.broker == broker }
        repairs = repairs.filter { $0.key.broker != broker }
        for number in parcels.keys.sorted() where parcels[number]?.broker == broker {
            guard let errand = parcels.removeValue(forKey: number) else { continue }
            switch errand.purpose {
            case .message(let id):
                guard var row = try ledger.outgoing(id: id), !row.state.isEnd, row.due != nil else { continue }
                row.due = now.lived
                try ledger.apply(.outgoing(row))
            case .receipts(let receipted):
                for one in receipted where !rooms.isEmpty {
                    let seen = try ledger.seen(owner: one.owner, sender: one.sender, digest: one.digest)
                    if let seen, seen.isOwed { sendReceipt(seen, now) }
                }
            case .courtesy: break
            }
        }
        try pump(now)
    }

    // MARK: - Ends

    mutating func cancel(_ id: String, _ token: UInt64, _ now: Moment) throws(LedgerError) {
        guard let row = try ledger.outgoing(id: id) else {
            effects.append(.answer(token, .refused(Refusal(.noInput, "unknown-message", "there is no message \(id)"))))
            return
        }
        guard !row.state.isEnd else {
            effects.append(
                .answer(token, .refused(Refusal(.ended, "ended", "the message is \(row.state.rawValue) already"))))
            return
        }
        try end(row, .cancelled, "cancelled", now)
        effects.insert(
            .answer(token, .accepted(id: row.id, sn: row.sn, state: OutgoingState.cancelled.rawValue, isRepeat: false)),
            at: 0)
    }

    /// The digest and the signature stay, so that a late receipt finds the row; the ciphertext and its key do not.
    private func spent(_ row: Outgoing) -> Outgoing {
        var row = row
        row.content = ""
        if let sealed = row.sealed {
            row.sealed = Outgoing.Sealed(digest: sealed.digest, data: [], signature: sealed.signature, iv: [], key: "")
        }
        return row
    }

    mutating func end(_ row: Outgoing, _ state: OutgoingState, _ reason: String?, _ now: Moment) throws(LedgerError) {
        var row = row
        row.state = state
        row.reason = reason
        row.due = nil
        if state == .delivered { row.delivered = now.wall }
        row = spent(row)
        try forgetTry(row)
        try ledger.apply(.outgoing(row))
        effects.append(.changed(row))
        if state != .delivered {
            try note(
                .message, state == .cancelled ? .info : .warning,
                "message \(row.id) to \(row.receiver) \(state.rawValue)",
                did: ID(row.receiver), id: row.id, reason: reason, now)
        }
    }
}
