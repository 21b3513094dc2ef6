import Crypto
import DIMP
import Format
import Records

/// The messages that this board has accepted, from a local program's wish to the sealed row, and to their end. What is
/// done with a sealed row is `Sending`'s.
///
///  1. `submit`: known before? room? The receiver is a contact now.
///  2. no key of the receiver: saved as `waiting`, answered, looked up; `keyArrived` goes on.
///  3. given to the pool (`seal`), and when it is sealed (`sealed`): saved as `queued`, answered, sent.
struct Outbox {
    private var sealing = SealingQueue()
    private var numbers = SequenceNumbers()
    /// For repeats.
    var wrappedKeys = WrappedKeys()
    /// Receivers whose key has come while messages waited for it, with the order of the last that was taken up: later ones
    /// wait behind them, so that messages to one peer leave in their order.
    private var releases: [Address: ReleasedReceiver] = [:]

    private struct ReleasedReceiver {
        var receiver: ID
        var last: Int64 = 0
    }

    // MARK: - A local program wants something sent

    /// `otherBoard`: the identity with which another board goes on, for which this one stands back.
    mutating func submit(
        _ submission: Submission, standingBackFor otherBoard: ID?, lookups: inout Lookups, in context: inout Context
    ) throws(LedgerError) {
        guard let identity = context.book.identity(submission.sender.address) else {
            return refuse(
                submission, as: .unknownName, reason: "unknown-identity",
                text: "\(submission.sender) is no identity of this board", in: &context)
        }
        let receiver = submission.receiver.bare
        if context.book.contact(receiver.address)?.isBlocked == true {
            return refuse(
                submission, as: .notPermitted, reason: "blocked", text: "\(submission.receiver) is blocked",
                in: &context)
        }
        if receiver.isBroadcast {
            return refuse(
                submission, as: .badData, reason: "broadcast",
                text: "\(submission.receiver) is everybody, and this version sends to one at a time", in: &context)
        }
        if receiver.isGroup {
            return refuse(
                submission, as: .unknownName, reason: "unknown-group",
                text: "\(submission.receiver) is no group of this board", in: &context)
        }
        if let otherBoard {
            return refuse(
                submission, as: .notNow, reason: "cloned",
                text: "another board has the keys of \(otherBoard) and started earlier: this one stands back",
                in: &context)
        }
        var row = newRow(for: submission, of: identity, in: context)
        if try isKnown(row, asked: submission, in: &context) { return }
        guard try isAcceptable(row, asked: submission, in: &context) else { return }
        makeContact(receiver, in: context)
        let isWaitedFor = releases[receiver.address] != nil
        if !isWaitedFor, lookups.isReady(receiver, in: context) {
            return try seal(row, of: identity, tokens: [submission.token], isReleased: false, in: &context)
        }
        if !isWaitedFor { lookups.lookUp(receiver, isWanted: true, isWrittenTo: true, in: &context) }
        row.due = RepeatSchedule(context).nextLook(at: row, since: lookups.beginning(of: receiver))
        try context.ledger.apply(.outgoing(row))
        context.counts.accepted += 1
        context.answer(submission.token, with: accepted(row, isRepeat: false))
    }

    private func refuse(
        _ submission: Submission, as kind: Refusal.Kind, reason: String, text: String, in context: inout Context
    ) {
        context.counts.unaccepted += 1
        context.refuse(submission.token, as: kind, reason: reason, text: text)
    }

    /// The row that the submission makes if it is accepted. What the agent writes itself is taken out of the content.
    private func newRow(for submission: Submission, of identity: Identity, in context: Context) -> Outgoing {
        var wish: JSONObject = ["type": .integer(submission.type.rawValue), "members": .object(submission.members)]
        var members = submission.members
        for name in ["type", "sn", "time", "seal", "seq"] { members[name] = nil }
        if submission.wantsSignedReceipt {
            wish["receipt"] = "signed"
            // `seal` adds the rest, for a culver agent alone.
            members["seq"] = ["receipt": "signed"]
        }
        let content = Content(type: submission.type, sn: context.newSN(), time: context.now.wall, members)
        return Outgoing(
            id: context.newMessageID(), sn: content.sn, sender: identity.id.bare,
            recipient: .person(submission.receiver.bare), ref: submission.ref,
            request: Digest.sha256(JSON.object(wish).bytes),
            body: .content(JSON.object(content.json).text), state: .waiting, created: context.recordedTime,
            expires: context.now.lived + (submission.expiry ?? context.policy.expiry))
    }

    /// Whether this `ref` was used before: then the first message is answered again, or the misuse refused.
    private mutating func isKnown(
        _ row: Outgoing, asked submission: Submission, in context: inout Context
    ) throws(LedgerError) -> Bool {
        guard let ref = row.ref else { return false }
        if let first = try context.ledger.outgoing(sender: row.sender, receiver: row.receiver, ref: ref) {
            if first.request == row.request {
                context.answer(submission.token, with: accepted(first, isRepeat: true))
            } else {
                refuse(
                    submission, as: .exists, reason: "ref-reused",
                    text: "the ref was used for another message, \(first.id)", in: &context)
            }
            return true
        }
        switch sealing.join(row, token: submission.token) {
        case nil: return false
        case .joined: return true
        case .otherMessage:
            refuse(
                submission, as: .exists, reason: "ref-reused", text: "the ref is being used for another message",
                in: &context)
            return true
        }
    }

    /// Expiry, size and room; what is not acceptable is refused.
    private func isAcceptable(
        _ row: Outgoing, asked submission: Submission, in context: inout Context
    ) throws(LedgerError) -> Bool {
        let lifetime = submission.expiry ?? context.policy.expiry
        guard lifetime > 0, lifetime <= Policy.longestExpiry else {
            refuse(
                submission, as: .badData, reason: "bad-expiry", text: "an expiry is more than 0 s and at most 14 days",
                in: &context)
            return false
        }
        let bytes = Int64(row.content?.utf8.count ?? 0)
        // The ciphertext becomes a third longer in Base64, and keys, meta and visa need some room.
        guard bytes / 3 * 4 + Tuning.wireOverhead <= Int64(context.policy.messageSize) else {
            refuse(
                submission, as: .badData, reason: "too-large",
                text: "the message is larger than \(context.policy.messageSize) bytes on the wire", in: &context)
            return false
        }
        if let limit = context.book.abilities(of: row.receiver).size, bytes / 3 * 4 + Tuning.wireOverhead > limit {
            refuse(
                submission, as: .badData, reason: "too-large",
                text: "\(row.receiver) takes messages of at most \(limit) bytes on the wire", in: &context)
            return false
        }
        let size = try context.ledger.outboxSize()
        guard size.count + Int64(sealing.count) < Int64(context.policy.outboxCount),
            size.bytes + sealing.bytes + bytes <= context.policy.outboxBytes
        else {
            context.counts.outboxFull += 1
            context.refuse(
                submission.token, as: .notNow, reason: "outbox-full",
                text: "the outbox is full: \(size.count) messages wait")
            return false
        }
        return true
    }

    /// Sending to an ID makes it a contact.
    private func makeContact(_ id: ID, in context: Context) {
        guard !id.isBroadcast, !context.book.isOurs(id.address) else { return }
        let known = context.book.contact(id.address)
        guard known == nil || known?.trust == .stranger else { return }
        var contact = known ?? Contact(id: id, trust: .contact)
        contact.trust = .contact
        context.book.apply(.contact(contact))
    }

    private func accepted(_ row: Outgoing, isRepeat: Bool) -> Answer {
        .accepted(id: row.id, sn: row.sn, state: row.state.rawValue, isRepeat: isRepeat)
    }

    // MARK: - The pool seals

    /// Gives a row to the pool. Towards culver peers a key is reused, so that they open without a private key.
    private mutating func seal(
        _ row: Outgoing, of identity: Identity, tokens: [UInt64], isReleased: Bool, in context: inout Context
    ) throws(LedgerError) {
        guard let json = row.content.flatMap({ try? JSON(parsing: $0) }), var content = try? Content(json) else {
            return try fail(
                row, tokens: tokens, reason: "unreadable-content", text: "the content cannot be read again",
                in: &context)
        }
        sealing.insert(row, isReleased: isReleased)
        let receiver = row.receiver
        var packing = Packing(identity: identity, receiver: receiver, recipients: [])
        let asked = content.json["seq"]?["receipt"]
        content.json["seq"] = nil
        if !receiver.isBroadcast, let key = context.book.encryptionKey(of: receiver)?.encryption {
            packing.recipients = context.book.recipients(of: receiver)
            if context.book.isCulver(receiver) {
                var sequence = try numbers.next(
                    from: identity.id, to: receiver, isPoolIdle: sealing.count <= 1, in: context)
                // On disk since before it was sealed: a backup of then will seal it once more, as another ciphertext.
                if row.order > 0 { sequence["waited"] = true }
                if let asked { sequence["receipt"] = asked }
                content.json["seq"] = .object(sequence)
                packing.reused = context.book.keyInUse(for: packing, wrappedFor: key, lived: context.now.lived)
                if let reused = packing.reused { wrappedKeys.remember(reused) }
            }
        }
        context.counts.signatures += 1
        context.perform(
            .work(
                Job(
                    lane: "out \(receiver.text)",
                    work: .seal(Sealing(packing: packing, content: content, purpose: .message(row, tokens: tokens))))))
    }

    /// The pool has sealed a row: saved, answered, sent where a broker has room.
    mutating func sealed(
        _ row: Outgoing, as packed: Packing.Packed, from sealing: Sealing, tokens: [UInt64], lookups: Lookups,
        publishing: inout Publishing, in context: inout Context
    ) throws(LedgerError) {
        try leaveSealing(row, lookups: lookups, in: &context)
        // Cancelled or expired while the pool worked.
        let stored = try context.ledger.outgoing(id: row.id)
        if let stored, stored.state != .waiting { return }
        context.counts.sealed += 1
        if stored == nil { context.counts.accepted += 1 }
        guard var queued = row.after(.sealed(due: context.now.lived)) else { return }
        let secure = packed.message.secure
        queued.body = .sealed(
            content: JSON.object(sealing.content.json).text,
            Outgoing.Sealed(
                digest: packed.digest, data: secure.data, signature: packed.message.signature,
                iv: secure.iv, key: packed.key == .plain ? nil : packed.key.json().text))
        let receiver = queued.receiver
        if publishing.freeBroker() != nil {
            let wire = context.book.wire(packed.message, of: sealing.packing.identity, to: receiver)
            queued = try Sending.send(queued, wire: wire, publishing: &publishing, in: &context)
        }
        try context.ledger.apply(.outgoing(queued))
        try SequenceNumbers.save(sealing.content, from: sealing.packing.identity.id, to: receiver, in: context)
        for token in tokens { context.answer(token, with: accepted(queued, isRepeat: false)) }
        for token in self.sealing.takeJoined(row) { context.answer(token, with: accepted(queued, isRepeat: true)) }
        context.perform(.changed(queued))
    }

    /// The pool could not seal a row.
    mutating func notSealed(
        _ row: Outgoing, because text: String, tokens: [UInt64], lookups: Lookups, in context: inout Context
    ) throws(LedgerError) {
        try leaveSealing(row, lookups: lookups, in: &context)
        try fail(row, tokens: tokens, reason: "cannot-seal", text: text, in: &context)
    }

    /// When half of those that had waited for a key are sealed, the next ones begin.
    private mutating func leaveSealing(
        _ row: Outgoing, lookups: Lookups, in context: inout Context
    ) throws(LedgerError) {
        guard sealing.remove(row), sealing.roomForReleased >= Tuning.releasedAtOnce / 2 else { return }
        try releaseMore(lookups: lookups, in: &context)
    }

    private mutating func fail(
        _ row: Outgoing, tokens: [UInt64], reason: String, text: String, in context: inout Context
    ) throws(LedgerError) {
        for token in tokens + sealing.takeJoined(row) {
            context.refuse(token, as: .inputOutput, reason: reason, text: text)
        }
        if let stored = try context.ledger.outgoing(id: row.id) {
            try Self.end(stored, by: .failed, reason: reason, in: &context)
        }
    }

    /// What was sealed could not be written down and is forgotten. Returns the callers that wait for it.
    mutating func giveUp(_ row: Outgoing, tokens: [UInt64]) -> [UInt64] {
        _ = sealing.remove(row)
        if sealing.isEmpty { numbers.forgetUnsaved() }
        return tokens + sealing.takeJoined(row)
    }

    // MARK: - Waiting for a key

    /// The name that belongs to an address is known: what waits for the address alone is for this ID. What waits for another
    /// name before it was mistyped, and whom it was meant for is not guessed.
    func named(_ id: ID, in context: inout Context) throws(LedgerError) {
        for receiver in try context.ledger.awaitedReceivers(limit: context.policy.directorySubscriptions)
        where receiver.address == id.address && receiver != id {
            var rows: [Outgoing]
            repeat {
                rows = try context.ledger.waitingOutgoing(
                    receiver: receiver, after: 0, limit: Tuning.failedInOneTurn)
                for var row in rows {
                    if receiver.name == nil {
                        row.recipient = .person(id)
                        try context.ledger.apply(.outgoing(row))
                    } else {
                        try Self.end(row, by: .failed, reason: "wrong-name", in: &context)
                    }
                }
            } while !rows.isEmpty
        }
    }

    /// Everything that waited for this receiver's key goes on, in order, and only so much at a time as the pool has at hand.
    mutating func keyArrived(of receiver: ID, lookups: Lookups, in context: inout Context) throws(LedgerError) {
        guard context.book.visa(of: receiver) != nil, context.book.encryptionKey(of: receiver) != nil else { return }
        if releases[receiver.address] == nil { releases[receiver.address] = ReleasedReceiver(receiver: receiver) }
        try releaseMore(lookups: lookups, in: &context)
    }

    mutating func releaseMore(lookups: Lookups, in context: inout Context) throws(LedgerError) {
        for (address, entry) in releases {
            guard sealing.roomForReleased > 0 else { return }
            let rows = try context.ledger.waitingOutgoing(
                receiver: entry.receiver.bare, after: entry.last, limit: sealing.roomForReleased)
            for row in rows {
                releases[address]?.last = row.order
                try begin(row, lookups: lookups, in: &context)
            }
            if rows.isEmpty || !lookups.isReady(entry.receiver, in: context) { releases[address] = nil }
        }
    }

    private mutating func begin(_ row: Outgoing, lookups: Lookups, in context: inout Context) throws(LedgerError) {
        if context.now.lived >= row.expires {
            try Self.end(row, by: .expired, reason: "expired", in: &context)
            return
        }
        guard !sealing.contains(row), let identity = context.book.identity(row.sender.address),
            lookups.isReady(row.receiver, in: context)
        else { return }
        let until = RepeatSchedule(context).afterLongestPause(row)
        guard let row = row.after(.postponed(until: until)) else { return }
        try context.ledger.apply(.outgoing(row))
        try seal(row, of: identity, tokens: [], isReleased: true, in: &context)
    }

    /// A waiting row whose time has come: sealed if a key is there, looked up again if not.
    mutating func resume(
        _ row: Outgoing, of identity: Identity, lookups: inout Lookups, in context: inout Context
    ) throws(LedgerError) {
        let receiver = row.receiver
        let schedule = RepeatSchedule(context)
        let isReady = receiver.isBroadcast || lookups.isReady(receiver, in: context)
        if !isReady { lookups.lookUp(receiver, isWanted: true, isWrittenTo: true, in: &context) }
        let until =
            isReady
            ? schedule.afterLongestPause(row) : schedule.nextLook(at: row, since: lookups.beginning(of: receiver))
        guard let row = row.after(.postponed(until: until)) else { return }
        try context.ledger.apply(.outgoing(row))
        guard isReady, !sealing.contains(row), releases[receiver.address] == nil else { return }
        guard sealing.roomForReleased > 0 else {
            releases[receiver.address] = ReleasedReceiver(receiver: receiver)
            return
        }
        try seal(row, of: identity, tokens: [], isReleased: true, in: &context)
    }

    /// When more of those whose key has come can be given to the pool. While the pool has some, their end wakes the rest.
    func nextDue(_ now: Moment) -> Double? {
        releases.isEmpty || sealing.isReleasing ? nil : now.lived
    }

    // MARK: - Ends

    func cancel(_ id: String, token: UInt64, in context: inout Context) throws(LedgerError) {
        guard let row = try context.ledger.outgoing(id: id) else {
            return context.refuse(token, as: .noInput, reason: "unknown-message", text: "there is no message \(id)")
        }
        if row.state == .delivered {
            return context.refuse(
                token, as: .exists, reason: "ended", text: "the message is delivered: it cannot be called back")
        }
        guard try Self.end(row, by: .cancelled, reason: "cancelled", in: &context) else {
            return context.refuse(
                token, as: .ended, reason: "ended", text: "the message is \(row.state.rawValue) already")
        }
        let answer = Answer.accepted(
            id: row.id, sn: row.sn, state: DeliveryState.cancelled.rawValue, isRepeat: false)
        context.answer(token, with: answer)
    }

    /// An identity is gone: its messages fail, a portion at a time.
    func failAll(of sender: ID, in context: inout Context) throws(LedgerError) {
        for row in try context.ledger.livingOutgoing(sender: sender.bare, limit: Tuning.failedInOneTurn) {
            try Self.end(row, by: .failed, reason: "identity-removed", in: &context)
        }
    }

    /// Ends a message and keeps of it what a late receipt can name. False when it has ended already.
    @discardableResult
    static func end(
        _ row: Outgoing, by event: Delivery.Event, reason: String?, in context: inout Context
    ) throws(LedgerError) -> Bool {
        guard var next = row.after(event) else { return false }
        // A late acknowledgement must find what was asked for.
        if next.state != .expired || !ReceiptMatcher.wantsSignedReceipt(row) { next = next.spent }
        var row = next
        row.reason = reason
        switch row.state {
        case .delivered:
            context.counts.delivered += 1
            row.delivered = context.now.wall
        case .expired: context.counts.expired += 1
        case .failed: context.counts.failed += 1
        case .cancelled: context.counts.cancelled += 1
        case .waiting, .queued, .published: break
        }
        try FirstTry.forget(row, in: context)
        try context.ledger.apply(.outgoing(row))
        context.perform(.changed(row))
        if row.state != .delivered {
            try context.note(
                .message, level: row.state == .cancelled ? .info : .warning,
                text: "message \(row.id) to \(row.receiver) \(row.state.rawValue)", did: row.receiver, id: row.id,
                reason: reason)
        }
        return true
    }
}
