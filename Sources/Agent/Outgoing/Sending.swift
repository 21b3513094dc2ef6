import Crypto
import DIMP
import Format
import Records

/// What is done with a sealed row: sent when it is due, and again until the receipt; and what a broker says of it. Keeps
/// nothing of its own: every row is read, moved on and written.
enum Sending {
    /// Sends what is due, as far as the brokers take it. Without room it only ends what has expired.
    static func sendDue(
        outbox: inout Outbox, lookups: inout Lookups, publishing: inout Publishing, in context: inout Context
    ) throws(LedgerError) {
        publishing.publishBacklog(in: &context)
        let lived = context.now.lived
        var (room, idle) = (publishing.room, 0)
        if room == 0 {
            for row in try context.ledger.expiredOutgoing(at: lived, limit: Tuning.expiredInOneTurn) {
                try expire(row, in: &context)
            }
        }
        while room > 0 {
            let rows = try context.ledger.dueOutgoing(at: lived, limit: room)
            for row in rows {
                try attempt(row, outbox: &outbox, lookups: &lookups, publishing: &publishing, in: &context)
            }
            if rows.count < room { return }
            // As many as were asked for, and all of them went without using up room: there may be more.
            if publishing.room == room { idle += 1 }
            if idle > Tuning.idlePortions { return }
            room = publishing.room
        }
    }

    private static func attempt(
        _ row: Outgoing, outbox: inout Outbox, lookups: inout Lookups, publishing: inout Publishing,
        in context: inout Context
    ) throws(LedgerError) {
        if context.now.lived >= row.expires { return try expire(row, in: &context) }
        guard let identity = context.book.identity(row.sender.address) else {
            try Outbox.end(row, by: .failed, reason: "unknown-identity", in: &context)
            return
        }
        let receiver = row.receiver
        guard row.state != .waiting else {
            return try outbox.resume(row, of: identity, lookups: &lookups, in: &context)
        }
        let takesOnce = context.book.takesOnce(receiver)
        if row.state == .published, takesOnce {
            lookups.lookUp(receiver, isWanted: true, in: &context)
            return try rest(row, in: context)
        }
        guard publishing.freeBroker() != nil else { return }
        if takesOnce, try FirstTry.isDoubtful(row, in: context) {
            try Outbox.end(row, by: .failed, reason: "unacknowledged", in: &context)
            return
        }
        guard let wire = wireForRepeat(of: row, from: identity, wrappedKeys: &outbox.wrappedKeys, in: context) else {
            // The contact is gone, and its keys with it.
            lookups.lookUp(receiver, isWanted: true, in: &context)
            let until = RepeatSchedule(context).afterLongestPause(row)
            if let row = row.after(.postponed(until: until)) { try context.ledger.apply(.outgoing(row)) }
            return
        }
        if let limit = context.book.abilities(of: receiver).size, Int64(wire.count) > limit {
            // What the receiver's visa has said since the row was accepted.
            try context.note(
                .message, level: .warning,
                text: "message \(row.id) has \(wire.count) bytes, and \(receiver) takes at most \(limit)",
                did: receiver,
                id: row.id, reason: "too-large")
            try Outbox.end(row, by: .failed, reason: "too-large", in: &context)
            return
        }
        let sent = try send(row, wire: wire, publishing: &publishing, in: &context)
        if row.attempts > 0, sent.attempts > row.attempts { context.counts.repeats += 1 }
        try context.ledger.apply(.outgoing(sent))
        if sent.reason != row.reason { context.perform(.changed(sent)) }
        // The peer may have other keys by now.
        if sent.attempts > 2 { lookups.lookUp(receiver, isWanted: true, in: &context) }
    }

    /// One attempt, on a broker that has room for it and takes it. Returns the row as it is to be written.
    static func send(
        _ row: Outgoing, wire: [UInt8], publishing: inout Publishing, in context: inout Context
    ) throws(LedgerError) -> Outgoing {
        let lived = context.now.lived
        var publication = PendingPublication(
            topic: .inbox(row.receiver.address), payload: wire, purpose: .message(id: row.id))
        switch publishing.outlet(for: publication, attempt: row.attempts, at: lived) {
        case .none:
            // The brokers that take it have no room; those behind it may have another way.
            return publishing.freeBroker() == nil ? row : row.after(.postponed(until: lived + 1)) ?? row
        case .barred(let until, let reason):
            var row = row.after(.postponed(until: min(until, row.expires))) ?? row
            if row.reason != reason { try tell(reason, of: row, in: context) }
            row.reason = reason
            return row
        case .broker(let broker):
            var sent = row
            sent.attempts += 1
            let next = RepeatSchedule(context).nextTry(of: sent)
            sent = sent.after(.postponed(until: next)) ?? sent
            let takesOnce = context.book.takesOnce(row.receiver)
            if takesOnce { try FirstTry.remember(sent, in: context) }
            // The first copy that a broker took waits there for the receiver; repeats would pile up behind it.
            let isSpare = !takesOnce && row.state == .published && row.attempts >= publishing.brokers.count
            let life = isSpare ? RepeatSchedule.spareLife(until: next - lived) : row.expires - lived
            publication.expiry = UInt32(max(1, min(life, row.expires - lived, Policy.longestExpiry)))
            publication.broker = broker
            publishing.publish(publication, in: &context)
            return sent
        }
    }

    /// The same ciphertext and signature; keys, meta and visa as they are today. `nil` when no key of the receiver is known.
    private static func wireForRepeat(
        of row: Outgoing, from identity: Identity, wrappedKeys: inout WrappedKeys, in context: Context
    ) -> [UInt8]? {
        guard case .sealed(let text, let sealed) = row.body, let json = try? JSON(parsing: text),
            let content = try? Content(json)
        else { return nil }
        let receiver = row.receiver
        let envelope = Envelope(
            sender: identity.id, receiver: receiver, time: content.time, group: content.group, type: content.type)
        var secure = SecureMessage(envelope: envelope, data: sealed.data, iv: sealed.iv, keys: [])
        if let key = sealed.key {
            guard let keys = wrapped(key, for: receiver, from: identity, wrappedKeys: &wrappedKeys, in: context) else {
                return nil
            }
            secure.keys = keys
        }
        return context.book.wire(
            ReliableMessage(secure: secure, signature: sealed.signature), of: identity, to: receiver)
    }

    /// The bytes that other messages carry already where the key is still in use, else those that its messages carry since
    /// the receiver has its present keys.
    private static func wrapped(
        _ key: String, for receiver: ID, from identity: Identity, wrappedKeys: inout WrappedKeys, in context: Context
    ) -> [SecureMessage.WrappedKey]? {
        guard let publicKey = context.book.encryptionKey(of: receiver)?.encryption, let json = try? JSON(parsing: key),
            let key = try? SymmetricKey(json)
        else { return nil }
        if let known = context.book.sendingKey(from: identity.id, to: receiver), known.key == key,
            known.wrappedFor == publicKey.fingerprint
        {
            return [SecureMessage.WrappedKey(receiver: receiver.bare.text, bytes: known.wrapped)]
        }
        var keys: [SecureMessage.WrappedKey] = []
        for (device, publicKey) in context.book.recipients(of: receiver) {
            let packing = Packing(identity: identity, receiver: receiver, recipients: [(device, publicKey)])
            let bytes = wrappedKeys.bytes(of: key, for: publicKey) { try? packing.wrap(key).first?.bytes }
            guard let bytes else { return nil }
            keys.append(SecureMessage.WrappedKey(receiver: device.text, bytes: bytes))
        }
        return keys.isEmpty ? nil : keys
    }

    // MARK: - What brokers say

    static func acknowledged(
        _ id: String, as outcome: Outcome, brokers: Int, in context: inout Context
    ) throws(LedgerError) {
        guard let row = try context.ledger.outgoing(id: id), !row.state.isEnd, row.state != .waiting else { return }
        var moved = row
        switch outcome {
        case .taken:
            let takesOnce = context.book.takesOnce(row.receiver)
            if row.published == nil { context.counts.published += 1 }
            moved = row.after(takesOnce ? restingEvent(row, in: context) : .taken) ?? row
            if takesOnce {
                if moved.delivery == .settled { moved = moved.spent }
                try FirstTry.forget(row, in: context)
            }
            moved.published = row.published ?? context.now.wall
            moved.reason = nil
        case .nobody:
            // Perhaps a peer is on the next broker; when all were asked, after the pause.
            if row.attempts % Int64(max(1, brokers)) != 0 {
                moved = row.after(.postponed(until: context.now.lived)) ?? row
            }
            moved.reason = "nobody-subscribed"
            try FirstTry.forget(row, in: context)
        case .refused(let words):
            let reason = "broker-refused: \(words)"
            if row.reason != reason { try tell(reason, of: row, in: context) }
            moved.reason = reason
            try FirstTry.forget(row, in: context)
        case .notNow:
            // It never left. With the broker's loss it would be due at once.
            moved = row.after(.postponed(until: context.now.lived + 1)) ?? row
        }
        try context.ledger.apply(.outgoing(moved))
        context.perform(.changed(moved))
    }

    /// Brokers take what they refused for the others' sake no more than for ours: the owner is told.
    private static func tell(_ reason: String, of row: Outgoing, in context: Context) throws(LedgerError) {
        let words = reason.dropFirst("broker-refused: ".count)
        try context.note(
            .message, level: .warning, text: "message \(row.id) to \(row.receiver) is not taken: \(words)",
            did: row.receiver, id: row.id, reason: "broker-refused")
    }

    /// It was on its way to a broker that is gone: due before all others, because it was to go before them.
    static func lost(_ id: String, in context: Context) throws(LedgerError) {
        guard let row = try context.ledger.outgoing(id: id), row.due != nil, row.state != .waiting,
            let moved = row.after(.postponed(until: 0))
        else { return }
        try context.ledger.apply(.outgoing(moved))
    }

    // MARK: - Messages that go once

    private static func expire(_ row: Outgoing, in context: inout Context) throws(LedgerError) {
        if row.state == .published, context.book.takesOnce(row.receiver) { return try rest(row, in: context) }
        try Outbox.end(row, by: .expired, reason: "expired", in: &context)
    }

    /// A receiver that has shown no visa yet may turn out to be a culver agent, which gets repeats: until then the row lies
    /// still.
    private static func restingEvent(_ row: Outgoing, in context: Context) -> Delivery.Event {
        let isUndecided =
            !row.receiver.isBroadcast && context.book.visa(of: row.receiver) == nil && context.now.lived < row.expires
        return .takenOnce(restUntil: isUndecided ? RepeatSchedule(context).afterLongestPause(row) : nil)
    }

    private static func rest(_ row: Outgoing, in context: Context) throws(LedgerError) {
        guard let moved = row.after(restingEvent(row, in: context)) else { return }
        try context.ledger.apply(.outgoing(moved.delivery == .settled ? moved.spent : moved))
    }
}

/// When a message to a peer that takes it once was first tried, while no broker has said a word of it: the peer may have
/// it, so it is not sent again for ever.
enum FirstTry {
    static func remember(_ row: Outgoing, in context: Context) throws(LedgerError) {
        let key = LedgerKey.tried(row.id)
        guard try context.ledger.value(key) == nil else { return }
        try context.ledger.apply(.value(key, String(context.now.lived)))
    }

    /// A broker's word, or the end: there is no doubt.
    static func forget(_ row: Outgoing, in context: Context) throws(LedgerError) {
        let key = LedgerKey.tried(row.id)
        guard try context.ledger.value(key) != nil else { return }
        try context.ledger.apply(.value(key, nil))
    }

    static func isDoubtful(_ row: Outgoing, in context: Context) throws(LedgerError) -> Bool {
        guard let tried = try context.ledger.value(.tried(row.id)).flatMap(Double.init) else { return false }
        return context.now.lived >= tried + RepeatSchedule.doubt
    }
}
