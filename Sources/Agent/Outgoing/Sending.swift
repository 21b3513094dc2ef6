import Crypto
import DIMP
import Format
import Records

/// What is done with a shipment: sent when it is due, and again until the receipt; and what a broker says of it. Keeps
/// nothing of its own: shipments and rows are read, moved on and written.
///
/// The living rows of a shipment have one state and one time when it is due, because whatever happens to it happens to
/// all of them. Their ends are their own: each may be cancelled or expire, and the others go on.
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
                try look(at: row, outbox: &outbox, lookups: &lookups, publishing: publishing, in: &context)
            }
            let shipments = try context.ledger.dueShipments(at: lived, limit: room)
            for shipment in shipments {
                try attempt(shipment, outbox: &outbox, lookups: &lookups, publishing: &publishing, in: &context)
            }
            if rows.count < room, shipments.count < room { break }
            // As many as were asked for, and all of them went without using up room: there may be more.
            if publishing.room == room { idle += 1 }
            if idle > Tuning.idlePortions { break }
            room = publishing.room
        }
        try takeTurns(outbox: &outbox, lookups: &lookups, publishing: &publishing, in: &context)
    }

    /// Sends what waits for its receiver's turn. The receivers share the room that there is.
    private static func takeTurns(
        outbox: inout Outbox, lookups: inout Lookups, publishing: inout Publishing, in context: inout Context
    ) throws(LedgerError) {
        var idle = 0
        while idle < Tuning.idleTurns, publishing.room > 0, let (receiver, portion) = outbox.turns.next() {
            let room = publishing.room
            let share = max(1, room / (outbox.turns.count + 1))
            let shipments: [Shipment]
            switch portion {
            case .unsent(let limit):
                shipments = try context.ledger.heldShipments(
                    receiver: receiver, wasSent: false, limit: min(limit, share))
                outbox.turns.update(receiver) { $0.found(unsent: shipments.first?.priority) }
                // Others may have been found than were hoped for, which do not go yet.
                guard case .unsent = outbox.turns[receiver].next else {
                    idle += 1
                    continue
                }
            case .resting(let limit):
                shipments = try context.ledger.heldShipments(
                    receiver: receiver, wasSent: true, limit: min(limit, share))
            }
            var takenUp = 0
            for shipment in shipments where publishing.room > 0 {
                try attempt(
                    shipment, hasTurn: true, outbox: &outbox, lookups: &lookups, publishing: &publishing, in: &context)
                takenUp += 1
            }
            if case .resting = portion {
                outbox.turns.update(receiver) { $0.found(resting: shipments.count, takenUp: takenUp) }
            }
            if publishing.room == room { idle += 1 }
        }
    }

    /// A row that waits for a key.
    private static func look(
        at row: Outgoing, outbox: inout Outbox, lookups: inout Lookups, publishing: Publishing,
        in context: inout Context
    ) throws(LedgerError) {
        if context.now.lived >= row.expires { return try expire(row, in: &context) }
        guard context.book.identity(row.sender.address) != nil else {
            try Outbox.end(row, by: .failed, reason: "unknown-identity", in: &context)
            return
        }
        guard row.state == .waiting else {
            try Outbox.end(row, by: .failed, reason: "damaged", in: &context)
            return
        }
        try outbox.resume(row, lookups: &lookups, publishing: publishing, in: &context)
    }

    /// - Parameter hasTurn: the shipment waited for its receiver's turn, which has come.
    private static func attempt(
        _ due: Shipment, hasTurn: Bool = false, outbox: inout Outbox, lookups: inout Lookups,
        publishing: inout Publishing, in context: inout Context
    ) throws(LedgerError) {
        var shipment = due
        let receiver = shipment.receiver
        let takesOnce = context.book.takesOnce(receiver)
        let all = try context.ledger.outgoing(shipment: shipment.number)
        var rows = all.filter(\.isLiving)
        // One that goes once has done so when it expires.
        if !(takesOnce && rows.first?.state == .published) {
            for row in rows where context.now.lived >= row.expires { try expire(row, in: &context) }
            rows = rows.filter { context.now.lived < $0.expires }
        }
        guard let first = all.first, let lead = Self.lead(of: rows) else {
            shipment.due = nil
            outbox.turns.updateKnown(receiver) { $0.ended(due.number) }
            return try context.ledger.apply(.attempted(shipment))
        }
        guard let identity = context.book.identity(shipment.sender.address) else {
            for row in rows { try Outbox.end(row, by: .failed, reason: "unknown-identity", in: &context) }
            return
        }
        if lead.state == .published, takesOnce {
            lookups.lookUp(receiver, isWanted: true, in: &context)
            return try rest(shipment, with: rows, in: &context)
        }
        guard publishing.freeBroker() != nil else { return }
        let (pause, lived) = (context.policy.receiptTimeout, context.now.lived)
        let admits = { (flow: inout PeerFlow) in
            flow.admits(due: due.number, priority: due.priority, pause: pause, at: lived)
        }
        // Of one that is held already a row has expired, and the others wait on.
        if !hasTurn, shipment.isHeld || !outbox.turns.update(receiver, by: admits) {
            outbox.turns.hold(&shipment, until: lead.expires)
            return try context.ledger.apply(.attempted(shipment))
        }
        if takesOnce, try FirstTry.isDoubtful(first, in: context) {
            for row in rows { try Outbox.end(row, by: .failed, reason: "unacknowledged", in: &context) }
            return
        }
        let wire = try wireForRepeat(of: shipment, from: identity, wrappedKeys: &outbox.wrappedKeys, in: context)
        guard let wire else {
            // The contact is gone, and its keys with it.
            lookups.lookUp(receiver, isWanted: true, in: &context)
            shipment.postpone(until: RepeatSchedule(context).afterLongestPause(lead))
            return try context.ledger.apply(.attempted(shipment))
        }
        if let limit = context.book.abilities(of: receiver).size, Int64(wire.count) > limit {
            // What the receiver's visa has said since the rows were accepted.
            for row in rows {
                try context.note(
                    .message, level: .warning,
                    text: "message \(row.id) travels in \(wire.count) bytes, and \(receiver) takes at most \(limit)",
                    did: receiver, id: row.id, reason: "too-large")
                try Outbox.end(row, by: .failed, reason: "too-large", in: &context)
            }
            return
        }
        let before = lead.reason
        try send(
            &shipment, with: &rows, name: first.id, wire: wire, turns: &outbox.turns, publishing: &publishing,
            in: &context)
        if due.attempts > 0, shipment.attempts > due.attempts { context.counts.repeats += 1 }
        try context.ledger.apply(.attempted(shipment))
        if let changed = rows.first, changed.reason != before { try write(reasonOf: rows, before: lead, in: &context) }
        // The peer may have other keys by now.
        if shipment.attempts > 2 { lookups.lookUp(receiver, isWanted: true, in: &context) }
    }

    /// What stands for all living rows of a shipment: the first of them, which expires when the first of them does.
    static func lead(of rows: [Outgoing]) -> Outgoing? {
        guard var lead = rows.first else { return nil }
        for row in rows { lead.expires = min(lead.expires, row.expires) }
        return lead
    }

    /// One attempt, on a broker that has room for it and takes it. `rows` are those that live; what changes is to be written
    /// by the caller. `name` is the id of the first row that the shipment ever had.
    static func send(
        _ shipment: inout Shipment, with rows: inout [Outgoing], name: String, wire: [UInt8], turns: inout PeerTurns,
        publishing: inout Publishing, in context: inout Context
    ) throws(LedgerError) {
        guard let lead = Self.lead(of: rows), let expires = rows.map(\.expires).max() else { return }
        let (number, lived) = (shipment.number, context.now.lived)
        var publication = PendingPublication(
            topic: .inbox(lead.receiver.address), payload: wire, purpose: .message(id: name))
        func postpone(until due: Double) {
            shipment.postpone(until: lead.after(.postponed(until: due))?.due ?? shipment.due)
            for index in rows.indices { rows[index].due = shipment.due }
        }
        switch publishing.outlet(for: publication, attempt: shipment.attempts, at: lived) {
        case .none:
            // The brokers that take it have no room; those behind it may have another way.
            guard publishing.freeBroker() != nil else { return }
            turns.update(lead.receiver) { $0.setAside(number) }
            postpone(until: lived + 1)
        case .barred(let until, let reason):
            postpone(until: min(until, lead.expires))
            if lead.reason != reason { try tell(reason, of: lead, in: context) }
            for index in rows.indices { rows[index].reason = reason }
            turns.update(lead.receiver) { $0.setAside(number) }
        case .broker(let broker):
            let takesOnce = context.book.takesOnce(lead.receiver)
            // The first copy that a broker took waits there for the receiver; repeats would pile up behind it.
            let isSpare = !takesOnce && lead.state == .published && shipment.attempts >= publishing.brokers.count
            shipment.attempts += 1
            var tried = lead
            tried.attempts = shipment.attempts
            for index in rows.indices { rows[index].attempts = shipment.attempts }
            let next = RepeatSchedule(context).nextTry(of: tried)
            postpone(until: next)
            if takesOnce { try FirstTry.remember(name, in: context) }
            let life = isSpare ? RepeatSchedule.spareLife(until: next - lived) : expires - lived
            publication.expiry = UInt32(max(1, min(life, expires - lived, Policy.longestExpiry)))
            publication.broker = broker
            publishing.publish(publication, in: &context)
            if lead.receiver.isBroadcast, shipment.attempts == 1 {
                copy(publication, beside: broker, publishing: &publishing, in: &context)
            }
            turns.update(lead.receiver) { $0.sent(number) }
        }
    }

    /// A broadcast is for those on every broker. One word ends it, so the others get theirs as a courtesy.
    private static func copy(
        _ publication: PendingPublication, beside broker: String, publishing: inout Publishing,
        in context: inout Context
    ) {
        for other in publishing.brokers where other != broker {
            var copy = publication
            (copy.broker, copy.purpose) = (other, .courtesy)
            publishing.publish(copy, in: &context)
        }
    }

    /// All of these rows have another reason, and nothing else of them has changed.
    private static func write(
        reasonOf rows: [Outgoing], before: Outgoing, in context: inout Context
    ) throws(LedgerError) {
        guard let first = rows.first else { return }
        try context.ledger.apply(.moved(from: before, to: first))
        for row in rows { context.perform(.changed(row)) }
    }

    /// The same ciphertext and signature; keys, meta and visa as they are today. `nil` when no key of the receiver is known.
    private static func wireForRepeat(
        of shipment: Shipment, from identity: Identity, wrappedKeys: inout WrappedKeys, in context: Context
    ) throws(LedgerError) -> [UInt8]? {
        guard let body = try context.ledger.ciphertext(of: shipment.number) else { return nil }
        let receiver = shipment.receiver
        let envelope = Envelope(
            sender: identity.id, receiver: receiver, time: shipment.time, group: shipment.group, type: shipment.type)
        var secure = SecureMessage(envelope: envelope, data: body.data, iv: body.iv, keys: [])
        if let key = body.key {
            guard let keys = wrapped(key, for: receiver, from: identity, wrappedKeys: &wrappedKeys, in: context) else {
                return nil
            }
            secure.keys = keys
        }
        return context.book.wire(
            ReliableMessage(secure: secure, signature: shipment.signature), of: identity, to: receiver)
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

    /// `name`: the id of the shipment's first row.
    static func acknowledged(
        _ name: String, as outcome: Outcome, brokers: Int, turns: inout PeerTurns, in context: inout Context
    ) throws(LedgerError) {
        guard let (known, all) = try shipment(of: name, in: context), let first = all.first else { return }
        var shipment = known
        let rows = all.filter { !$0.state.isEnd }
        guard let lead = Self.lead(of: rows) else { return }
        switch outcome {
        // A broadcast is for those that listen now.
        case .taken,
            .nobody where shipment.receiver.isBroadcast:
            let takesOnce = context.book.takesOnce(shipment.receiver)
            let event: Delivery.Event = takesOnce ? restingEvent(lead, in: context) : .taken
            if lead.published == nil { context.counts.published += Int64(rows.count) }
            let now = context.now.wall
            let reason = outcome == .nobody && brokers < 2 ? "nobody-subscribed" : nil
            let moved = try Outbox.move(rows, by: event, in: &context) { row in
                (row.published, row.reason) = (row.published ?? now, reason)
            }
            if takesOnce {
                turns.updateKnown(known.receiver) { $0.receipted(known.number, at: context.now.lived) }
                shipment.postpone(until: moved.first?.due)
                if moved.first?.isLiving == true { try context.ledger.apply(.attempted(shipment)) }
                try FirstTry.forget(first, in: context)
            }
        case .nobody:
            // Perhaps a peer is on the next broker; when all were asked, after the pause.
            if shipment.attempts % Int64(max(1, brokers)) != 0 {
                turns.updateKnown(known.receiver) { $0.lost(known.number) }
                try postpone(&shipment, as: lead, until: context.now.lived, in: context)
            }
            try set("nobody-subscribed", of: rows, in: &context)
            try FirstTry.forget(first, in: context)
        case .refused(let words):
            let reason = "broker-refused: \(words)"
            if lead.reason != reason { try tell(reason, of: lead, in: context) }
            try set(reason, of: rows, in: &context)
            try FirstTry.forget(first, in: context)
        case .notNow:
            // It never left. With the broker's loss it would be due at once.
            turns.updateKnown(known.receiver) { $0.lost(known.number) }
            try postpone(&shipment, as: lead, until: context.now.lived + 1, in: context)
        }
    }

    /// By the name of its first row, with all of its rows.
    private static func shipment(
        of name: String, in context: Context
    ) throws(LedgerError) -> (Shipment, [Outgoing])? {
        guard let number = try context.ledger.outgoing(id: name)?.shipment,
            let shipment = try context.ledger.shipment(number)
        else { return nil }
        return (shipment, try context.ledger.outgoing(shipment: number))
    }

    private static func postpone(
        _ shipment: inout Shipment, as lead: Outgoing, until due: Double, in context: Context
    ) throws(LedgerError) {
        guard let moved = lead.after(.postponed(until: due)) else { return }
        shipment.postpone(until: moved.due)
        try context.ledger.apply(.attempted(shipment))
    }

    private static func set(
        _ reason: String, of rows: [Outgoing], in context: inout Context
    ) throws(LedgerError) {
        guard let before = rows.first else { return }
        let changed = rows.map { row in
            var row = row
            row.reason = reason
            return row
        }
        try write(reasonOf: changed, before: before, in: &context)
    }

    /// Brokers take what they refused for the others' sake no more than for ours: the owner is told.
    private static func tell(_ reason: String, of row: Outgoing, in context: Context) throws(LedgerError) {
        let words = reason.dropFirst("broker-refused: ".count)
        try context.note(
            .message, level: .warning, text: "message \(row.id) to \(row.receiver) is not taken: \(words)",
            did: row.receiver, id: row.id, reason: "broker-refused")
    }

    /// It was on its way to a broker that is gone: due before all others, because it was to go before them.
    static func lost(_ name: String, turns: inout PeerTurns, in context: Context) throws(LedgerError) {
        guard let (known, all) = try shipment(of: name, in: context), known.due != nil,
            let lead = all.first(where: \.isLiving)
        else { return }
        var shipment = known
        turns.updateKnown(known.receiver) { $0.lost(known.number) }
        try postpone(&shipment, as: lead, until: 0, in: context)
    }

    // MARK: - Messages that go once

    private static func expire(_ row: Outgoing, in context: inout Context) throws(LedgerError) {
        if row.state == .published, context.book.takesOnce(row.receiver), let number = row.shipment,
            let shipment = try context.ledger.shipment(number)
        {
            let rows = try context.ledger.outgoing(shipment: number).filter(\.isLiving)
            return try rest(shipment, with: rows, in: &context)
        }
        try Outbox.end(row, by: .expired, reason: "expired", in: &context)
    }

    /// A receiver that has shown no visa yet may turn out to be a culver agent, which gets repeats: until then the row lies
    /// still.
    private static func restingEvent(_ row: Outgoing, in context: Context) -> Delivery.Event {
        let isUndecided =
            !row.receiver.isBroadcast && context.book.visa(of: row.receiver) == nil && context.now.lived < row.expires
        return .takenOnce(restUntil: isUndecided ? RepeatSchedule(context).afterLongestPause(row) : nil)
    }

    private static func rest(
        _ shipment: Shipment, with rows: [Outgoing], in context: inout Context
    ) throws(LedgerError) {
        guard let lead = Self.lead(of: rows) else { return }
        let event = restingEvent(lead, in: context)
        guard let next = lead.after(event) else { return }
        var shipment = shipment
        shipment.postpone(until: next.due)
        if next.isLiving { return try context.ledger.apply(.attempted(shipment)) }
        for row in rows {
            if let settled = row.after(event) { try context.ledger.apply(.outgoing(settled)) }
        }
        context.end(lead)
    }
}

extension Shipment {
    /// Something was tried, or put off: it waits for that time, and for no turn.
    fileprivate mutating func postpone(until due: Double?) { (self.due, isHeld) = (due, false) }
}

/// When a shipment to a peer that takes it once was first tried, by its first row, while no broker has said a word of it:
/// the peer may have it, so it is not sent again for ever.
enum FirstTry {
    static func remember(_ name: String, in context: Context) throws(LedgerError) {
        let key = LedgerKey.tried(name)
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
