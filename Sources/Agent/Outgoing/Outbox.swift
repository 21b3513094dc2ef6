import Crypto
import DIMP
import Format
import Records

/// The messages that this board has accepted, from a local program's wish to the sealed row, and to their end. What is
/// done with what is sealed is `Sending`'s.
///
///  1. `submit`: known before? room? The receiver is a contact now.
///  2. no key of the receiver: saved as `waiting`, answered, looked up; `keyArrived` goes on.
///  3. given to the pool (`sealNext`), or gathered behind what the pool has for this receiver.
///  4. sealed (`sealed`): saved as `queued` rows of one shipment, answered, sent or held; those that gathered are next.
struct Outbox {
    private var sealing = SealingQueue()
    private var numbers = SequenceNumbers()
    /// For repeats.
    var wrappedKeys = WrappedKeys()
    /// Who may send next.
    var turns = PeerTurns()
    /// Receivers whose key has come while messages waited for it, with the order of the last that was taken up: later ones
    /// wait behind them, so that messages to one peer leave in their order.
    private var releases: [Address: ReleasedReceiver] = [:]
    /// Shipments of messages to groups for members whose key is not known. After a start they are tried again in time.
    private var keyless: [Address: Set<Int64>] = [:]

    private struct ReleasedReceiver {
        var receiver: ID
        var last: Int64 = 0
    }

    // MARK: - A local program wants something sent

    /// `otherBoard`: the identity with which another board goes on, for which this one stands back.
    mutating func submit(
        _ submission: Submission, standingBackFor otherBoard: ID?, lookups: inout Lookups, publishing: Publishing,
        in context: inout Context
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
        if receiver.isBroadcast, submission.wantsSignedReceipt {
            return refuse(
                submission, as: .badData, reason: "broadcast",
                text: "\(submission.receiver) is everybody, and a broadcast has no receipt", in: &context)
        }
        if receiver.hasMembers, let refusal = refusal(to: submission, by: identity, in: context) {
            return refuse(
                submission, as: refusal.kind, reason: refusal.reason, text: refusal.text, in: &context)
        }
        if let otherBoard {
            return refuse(
                submission, as: .notNow, reason: "cloned",
                text: "another board has the keys of \(otherBoard) and started earlier: this one stands back",
                in: &context)
        }
        var (row, content) = newRow(for: submission, of: identity, in: context)
        if try isKnown(row, asked: submission, in: &context) { return }
        guard try isAcceptable(row, asked: submission, in: &context) else { return }
        if !receiver.hasMembers { makeContact(receiver, in: context) }
        let isWaitedFor = releases[receiver.address] != nil
        let needsNoKey = receiver.isBroadcast || receiver.hasMembers
        if !isWaitedFor, needsNoKey || lookups.isReady(receiver, in: context) {
            sealing.insert(Draft(row: row, content: content, tokens: [submission.token]))
            return try sealNext(SealingQueue.SealingRoute(row), lookups: lookups, publishing: publishing, in: &context)
        }
        if !isWaitedFor { lookups.lookUp(receiver, isWanted: true, isWrittenTo: true, in: &context) }
        row.due = RepeatSchedule(context).nextLook(at: row, since: lookups.beginning(of: receiver))
        try context.ledger.apply(.outgoing(row))
        context.counts.accepted += 1
        context.answer(submission.token, with: accepted(row, isRepeat: false))
    }

    /// Why a message to a group cannot be taken.
    private func refusal(to submission: Submission, by identity: Identity, in context: Context) -> Refusal? {
        guard let group = context.book.group(submission.receiver.address) else {
            return Refusal(.unknownName, "unknown-group", "\(submission.receiver) is no group of this board")
        }
        guard group.membership.contains(identity.id) else {
            return Refusal(.notPermitted, "no-member", "\(identity.id) is no member of \(group.id)")
        }
        guard group.membership.members.count > 1 else {
            return Refusal(.badData, "no-members", "\(group.id) has no other member")
        }
        return nil
    }

    private func refuse(
        _ submission: Submission, as kind: Refusal.Kind, reason: String, text: String, in context: inout Context
    ) {
        context.counts.unaccepted += 1
        context.refuse(submission.token, as: kind, reason: reason, text: text)
    }

    /// The row that the submission makes if it is accepted. What the agent writes itself is taken out of the content.
    private func newRow(
        for submission: Submission, of identity: Identity, in context: Context
    ) -> (Outgoing, Content) {
        var members = submission.members
        for (name, value) in submission.extra.members { members[name] = value }
        for name in ["type", "sn", "time", "seal", "seq"] { members[name] = nil }
        if submission.type == .array { members["batch"] = nil }
        if let group = context.book.group(submission.receiver.address) {
            members["group"] = .string(group.id.text)
            members["roll"] = .string(group.roll)
        }
        // The pool adds the rest, for a culver agent alone.
        var carried = JSONObject()
        if submission.wantsSignedReceipt { carried["receipt"] = "signed" }
        if let expiry = submission.expiry, context.now.isClockSet {
            carried["expires"] = .integer(Int64(wholeSeconds: (context.now.wall + expiry).rounded(.up)))
        }
        if !carried.isEmpty { members["seq"] = .object(carried) }
        let content = Content(type: submission.type, sn: context.newSN(), time: context.now.wall, members)
        let row = Outgoing(
            id: context.newMessageID(), sn: content.sn, sender: identity.id.bare,
            recipient: .person(submission.receiver.bare), ref: submission.ref,
            request: submission.ref == nil ? [] : request(of: submission),
            body: .content(JSON.object(content.json).text), state: .waiting, created: context.recordedTime,
            expires: context.now.lived + (submission.expiry ?? context.policy.expiry), priority: submission.priority)
        return (row, content)
    }

    /// By which a repeat under the same `ref` is told from another message.
    private func request(of submission: Submission) -> [UInt8] {
        var wish: JSONObject = ["type": .integer(submission.type.rawValue), "members": .object(submission.members)]
        if submission.wantsSignedReceipt { wish["receipt"] = "signed" }
        return Digest.sha256(JSON.object(wish).bytes)
    }

    /// Whether this `ref` was used before: then the first message is answered again, or the misuse refused.
    private mutating func isKnown(
        _ row: Outgoing, asked submission: Submission, in context: inout Context
    ) throws(LedgerError) -> Bool {
        guard let ref = row.ref else { return false }
        if let first = try earlier(row, ref: ref, in: context) {
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

    /// A message to a group has its ref in the row of each member: one that is still a member knows it.
    private func earlier(_ row: Outgoing, ref: String, in context: Context) throws(LedgerError) -> Outgoing? {
        guard let group = context.book.group(row.receiver.address) else {
            return try context.ledger.outgoing(sender: row.sender, receiver: row.receiver, group: nil, ref: ref)
        }
        for member in audience(of: group, from: row.sender, in: context) {
            let found = try context.ledger.outgoing(sender: row.sender, receiver: member, group: group.id, ref: ref)
            if let found { return Outgoing.message(of: try context.ledger.outgoing(message: found.messageID)) }
        }
        return nil
    }

    /// Who gets a message to a group, under the IDs that are known to be theirs.
    private func audience(of group: KnownGroup, from sender: ID, in context: Context) -> [ID] {
        group.membership.members.filter { $0.address != sender.address }
            .map { context.book.contact($0.address)?.id.bare ?? context.book.identity($0.address)?.id.bare ?? $0 }
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
        let copies = Int64(context.book.group(row.receiver.address).map { $0.membership.members.count - 1 } ?? 1)
        guard size.count + Int64(sealing.count) + copies <= Int64(context.policy.outboxCount),
            size.bytes + sealing.bytes + bytes * copies <= context.policy.outboxBytes
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

    /// Puts a row that lay on disk into its line.
    private mutating func seal(
        _ row: Outgoing, lookups: Lookups, publishing: Publishing, in context: inout Context
    ) throws(LedgerError) {
        guard let json = row.content.flatMap({ try? JSON(parsing: $0) }), let content = try? Content(json) else {
            let draft = Draft(row: row, content: Content(type: .any, sn: row.sn, time: 0, [:]), tokens: [])
            return try fail(
                [draft], reason: "unreadable-content", text: "the content cannot be read again", in: &context)
        }
        sealing.insert(Draft(row: row, content: content, tokens: []))
        try sealNext(SealingQueue.SealingRoute(row), lookups: lookups, publishing: publishing, in: &context)
    }

    /// Gives the next message of a line to the pool, if it is its turn: contents that gathered go in one message to a
    /// peer whose visa says that it takes several, else each goes in one of its own.
    private mutating func sealNext(
        _ route: SealingQueue.SealingRoute, lookups: Lookups, publishing: Publishing, in context: inout Context
    ) throws(LedgerError) {
        while let receiver = sealing.receiverOfNext(route) {
            let abilities = context.book.abilities(of: receiver)
            // What a broker takes is known when it is connected, and what is sealed together stays so.
            let brokers =
                publishing.payloadLimit(at: context.now.lived)
                ?? (publishing.isConnected ? .max : ProtocolLimits.leastMessageSize)
            let limits = BatchLimits(
                count: abilities.batch,
                bytes: min(Tuning.batchBytes, Int64(context.policy.messageSize), abilities.size ?? .max, brokers))
            try give(sealing.next(route, within: limits), lookups: lookups, in: &context)
        }
    }

    /// Gives a message to the pool. Towards culver peers a key is reused, so that they open without a private key.
    private mutating func give(
        _ drafts: [Draft], lookups: Lookups, in context: inout Context
    ) throws(LedgerError) {
        guard let first = drafts.first else { return }
        var drafts = drafts
        let receiver = first.row.receiver
        guard let identity = context.book.identity(first.row.sender.address) else {
            try fail(drafts, reason: "unknown-identity", text: "the identity is gone", in: &context)
            leave(drafts)
            return
        }
        guard receiver.isBroadcast || receiver.hasMembers || lookups.isReady(receiver, in: context) else {
            return try wait(drafts, in: &context)
        }
        var packing = Packing(identity: identity, receiver: receiver, recipients: [])
        var stream: String?
        if let group = context.book.group(receiver.address) {
            stream = try address(&drafts, to: group, packing: &packing, in: context)
        } else if !receiver.isBroadcast, let key = context.book.encryptionKey(of: receiver)?.encryption {
            packing.recipients = context.book.recipients(of: receiver)
            // A content for a group that goes to one member alone has no place in a sequence of either.
            if context.book.isCulver(receiver), !first.namesGroup {
                stream = try numbers.number(
                    &drafts, from: identity.id, to: receiver, priority: first.row.priority,
                    isPoolIdle: sealing.count <= drafts.count, in: context)
                packing.reused = context.book.keyInUse(for: packing, wrappedFor: key, lived: context.now.lived)
                if let reused = packing.reused { wrappedKeys.remember(reused) }
            }
        }
        if stream == nil { drafts = drafts.map { $0.number == nil ? $0 : $0.numbered(nil) } }
        context.counts.signatures += 1
        // Order is kept among messages of one priority alone.
        let lane = "out \(receiver.text)"
        context.perform(
            .work(
                Job(
                    lane: first.row.priority == .normal ? lane : "\(first.row.priority) \(lane)",
                    work: .seal(
                        // Of the time of the latest, not of now: the clock may be another than it was.
                        Sealing(
                            packing: packing,
                            content: .ofDrafts(
                                stream: stream, sn: drafts.count == 1 ? first.row.sn : context.newSN(),
                                time: drafts.lazy.compactMap(\.time).max() ?? context.now.wall),
                            purpose: .message(drafts))))))
    }

    /// For whom a message to a group is made: its members of now. Its key is made for it alone, so that nobody who comes
    /// or goes later has it. The numbers of a sequence count for all, and begin a stream with every change of members.
    private mutating func address(
        _ drafts: inout [Draft], to group: KnownGroup, packing: inout Packing, in context: Context
    ) throws(LedgerError) -> String? {
        let audience = audience(of: group, from: packing.identity.id, in: context)
        packing.recipients = audience.flatMap { member in
            let own = context.book.identity(member.address)?.visa.key?.encryption
            return own.map { [(member, $0)] } ?? context.book.recipients(of: member)
        }
        let stream = try numbers.number(
            &drafts, from: packing.identity.id, to: group.id, priority: drafts.first?.row.priority ?? .normal,
            isPoolIdle: sealing.count <= drafts.count, in: context)
        drafts = drafts.map { $0.addressed(to: audience) }
        return "\(stream)-\(group.edition)"
    }

    /// The receiver's key went while they gathered.
    private mutating func wait(_ drafts: [Draft], in context: inout Context) throws(LedgerError) {
        for draft in drafts where draft.row.order == 0 {
            var row = draft.row
            row.due = context.now.lived
            try context.ledger.apply(.outgoing(row))
            context.counts.accepted += 1
            for token in draft.tokens { context.answer(token, with: accepted(row, isRepeat: false)) }
            for token in sealing.takeJoined(row) { context.answer(token, with: accepted(row, isRepeat: true)) }
        }
        leave(drafts)
    }

    /// The pool has sealed a message: saved, answered, sent where a broker has room and its receiver's window too.
    mutating func sealed(
        _ drafts: [Draft], as packed: Packing.Packed, from sealing: Sealing, lookups: inout Lookups,
        publishing: inout Publishing, in context: inout Context
    ) throws(LedgerError) {
        let wanted = try stillWanted(drafts, in: context)
        if let first = wanted.first, wanted.count < drafts.count {
            try give(wanted, lookups: lookups, in: &context)
            // Where that was not possible the next ones gathered for nothing.
            let route = SealingQueue.SealingRoute(first.row)
            return try sealNext(route, lookups: lookups, publishing: publishing, in: &context)
        }
        if let draft = wanted.first, draft.row.receiver.hasMembers {
            try saveCopies(draft, as: packed, from: sealing, lookups: &lookups, publishing: &publishing, in: &context)
        } else if !wanted.isEmpty {
            try save(wanted, as: packed, from: sealing, publishing: &publishing, in: &context)
        }
        try leaveSealing(drafts, lookups: lookups, publishing: publishing, in: &context)
    }

    /// Without those that were cancelled or have expired while the pool worked: they are in no ciphertext that leaves.
    private mutating func stillWanted(_ drafts: [Draft], in context: Context) throws(LedgerError) -> [Draft] {
        var wanted: [Draft] = []
        for draft in drafts {
            // A row without an order was never on disk, so nobody can have ended it.
            var isWanted = draft.row.order == 0
            if !isWanted { isWanted = try context.ledger.outgoing(id: draft.row.id)?.state == .waiting }
            if isWanted { wanted.append(draft) } else { _ = sealing.remove(draft) }
        }
        return wanted
    }

    private mutating func save(
        _ drafts: [Draft], as packed: Packing.Packed, from sealing: Sealing, publishing: inout Publishing,
        in context: inout Context
    ) throws(LedgerError) {
        let secure = packed.message.secure
        let envelope = secure.envelope
        let number = try context.ledger.nextShipment()
        var rows = drafts.compactMap { $0.row.after(.sealed(due: context.now.lived)) }
        for index in rows.indices { rows[index].body = .sealed(shipment: number) }
        guard let lead = Sending.lead(of: rows) else { return }
        var shipment = Shipment(
            number: number, sender: lead.sender, receiver: lead.receiver, sn: rows.count == 1 ? lead.sn : nil,
            digest: packed.digest, signature: packed.message.signature, type: envelope.type,
            time: envelope.time, group: envelope.group,
            wantsSignedReceipt: drafts.contains { $0.number != nil && $0.wantsSignedReceipt }, due: context.now.lived,
            priority: lead.priority)
        if publishing.freeBroker() != nil, turns[lead.receiver].admits(new: lead.priority) {
            let wire = context.book.wire(packed.message, of: sealing.packing.identity, to: lead.receiver)
            try Sending.send(
                &shipment, with: &rows, name: lead.id, wire: wire, turns: &turns, publishing: &publishing, in: &context)
        } else {
            turns.hold(&shipment, until: lead.expires)
        }
        try context.ledger.apply(
            .sealed(
                shipment,
                Shipment.Ciphertext(
                    data: secure.data, iv: secure.iv, key: packed.key == .plain ? nil : packed.key.json().text), rows))
        if let last = drafts.last {
            try SequenceNumbers.save(
                last.number, from: lead.sender, to: lead.receiver, priority: lead.priority, in: context)
        }
        context.counts.sealed += Int64(rows.count)
        for (draft, row) in zip(drafts, rows) {
            if row.order == 0 { context.counts.accepted += 1 }
            for token in draft.tokens { context.answer(token, with: accepted(row, isRepeat: false)) }
            for token in self.sealing.takeJoined(row) { context.answer(token, with: accepted(row, isRepeat: true)) }
            context.perform(.changed(row))
        }
    }

    /// A message to a group: a row and a shipment for each member, all with one ciphertext and one signature. Members that
    /// left meanwhile get none; one whose key is not known gets the message key wrapped when it is.
    private mutating func saveCopies(
        _ draft: Draft, as packed: Packing.Packed, from sealing: Sealing, lookups: inout Lookups,
        publishing: inout Publishing, in context: inout Context
    ) throws(LedgerError) {
        let secure = packed.message.secure
        let members = draft.audience.filter { member in
            context.book.group(draft.row.receiver.address)?.membership.contains(member) == true
        }
        let body = Shipment.Ciphertext(data: secure.data, iv: secure.iv, key: packed.key.json().text)
        var rows: [Outgoing] = []
        for (number, copy) in packed.message.split(for: members).enumerated() {
            let member = copy.envelope.receiver
            guard var row = draft.row.after(.sealed(due: context.now.lived)) else { continue }
            row.id = Outgoing.id(ofMember: number, of: draft.row.id)
            row.recipient = .member(member, of: draft.row.receiver.bare)
            let shipmentNumber = try context.ledger.nextShipment()
            row.body = .sealed(shipment: shipmentNumber)
            var shipment = Shipment(
                number: shipmentNumber, sender: row.sender, receiver: member, sn: row.sn, digest: packed.digest,
                signature: packed.message.signature, type: copy.envelope.type, time: copy.envelope.time,
                group: copy.envelope.group, wantsSignedReceipt: draft.wantsSignedReceipt,
                due: context.now.lived, priority: row.priority)
            var own = [row]
            let isKnown = !copy.secure.keys.isEmpty
            if isKnown, publishing.freeBroker() != nil, turns[member].admits(new: row.priority) {
                let wire = context.book.wire(copy, of: sealing.packing.identity, to: member)
                try Sending.send(
                    &shipment, with: &own, name: row.id, wire: wire, turns: &turns, publishing: &publishing,
                    in: &context)
            } else if isKnown {
                turns.hold(&shipment, until: row.expires)
            } else {
                lookUp(member, for: &shipment, lookups: &lookups, in: &context)
            }
            for key in copy.secure.keys { remember(key, as: packed.key, in: context) }
            try context.ledger.apply(.sealed(shipment, body, own))
            rows += own
        }
        try SequenceNumbers.save(
            draft.number, from: draft.row.sender, to: draft.row.receiver, priority: draft.row.priority, in: context)
        context.counts.sealed += 1
        context.counts.accepted += 1
        for token in draft.tokens + self.sealing.takeJoined(draft.row) {
            guard let message = Outgoing.message(of: rows) else {
                context.refuse(
                    token, as: .badData, reason: "no-members", text: "\(draft.row.receiver) has no other member")
                continue
            }
            context.answer(token, with: accepted(message, isRepeat: !draft.tokens.contains(token)))
        }
        if let last = rows.last { context.perform(.changed(last)) }
    }

    /// Repeats carry the same bytes, and what waits for its turn is not wrapped again.
    private mutating func remember(_ wrapped: SecureMessage.WrappedKey, as key: SymmetricKey, in context: Context) {
        guard let member = ID(wrapped.receiver) else { return }
        for (device, publicKey) in context.book.recipients(of: member.bare) where device.text == wrapped.receiver {
            _ = wrappedKeys.bytes(of: key, for: publicKey) { wrapped.bytes }
        }
    }

    /// A member whose key is not known: its cards are looked for, and it is tried again when they are there.
    private mutating func lookUp(
        _ member: ID, for shipment: inout Shipment, lookups: inout Lookups, in context: inout Context
    ) {
        if context.book.contact(member.address) == nil {
            context.book.apply(.contact(Contact(id: member, trust: .stranger)))
        }
        lookups.lookUp(member, isWanted: true, isWrittenTo: true, in: &context)
        keyless[member.address, default: []].insert(shipment.number)
        shipment.due = context.now.lived + context.policy.longestPause
    }

    /// Members' copies that waited for a key are due.
    private mutating func keyCame(to member: Address, in context: Context) throws(LedgerError) {
        for number in keyless.removeValue(forKey: member) ?? [] {
            guard var shipment = try context.ledger.shipment(number), shipment.due != nil else { continue }
            shipment.due = context.now.lived
            try context.ledger.apply(.attempted(shipment))
        }
    }

    /// The pool could not seal a message.
    mutating func notSealed(
        _ drafts: [Draft], because text: String, lookups: Lookups, publishing: Publishing, in context: inout Context
    ) throws(LedgerError) {
        try fail(drafts, reason: "cannot-seal", text: text, in: &context)
        try leaveSealing(drafts, lookups: lookups, publishing: publishing, in: &context)
    }

    /// A message is with the pool no more. True when some of it had waited for a key.
    @discardableResult
    private mutating func leave(_ drafts: [Draft]) -> Bool {
        var isReleased = false
        for draft in drafts where sealing.remove(draft) { isReleased = true }
        if let first = drafts.first { sealing.leave(SealingQueue.SealingRoute(first.row)) }
        return isReleased
    }

    /// What gathered behind a message is next. When half of those that had waited for a key are sealed, more begin.
    private mutating func leaveSealing(
        _ drafts: [Draft], lookups: Lookups, publishing: Publishing, in context: inout Context
    ) throws(LedgerError) {
        guard let route = drafts.first.map({ SealingQueue.SealingRoute($0.row) }) else { return }
        let isReleased = leave(drafts)
        try sealNext(route, lookups: lookups, publishing: publishing, in: &context)
        guard isReleased, sealing.roomForReleased >= Tuning.releasedAtOnce / 2 else { return }
        try releaseMore(lookups: lookups, publishing: publishing, in: &context)
    }

    private mutating func fail(
        _ drafts: [Draft], reason: String, text: String, in context: inout Context
    ) throws(LedgerError) {
        for draft in drafts {
            for token in draft.tokens + sealing.takeJoined(draft.row) {
                context.refuse(token, as: .inputOutput, reason: reason, text: text)
            }
            if let stored = try context.ledger.outgoing(id: draft.row.id) {
                try Self.end(stored, by: .failed, reason: reason, in: &context)
            }
        }
    }

    /// What was sealed could not be written down and is forgotten, and so is what gathered behind it: the disk would not
    /// take that either. Returns the callers that wait for it. Rows that had waited for a key are still on disk.
    mutating func giveUp(_ drafts: [Draft]) -> [UInt64] {
        guard let route = drafts.first.map({ SealingQueue.SealingRoute($0.row) }) else { return [] }
        var tokens: [UInt64] = []
        for draft in drafts + sealing.takeGathered(route) {
            _ = sealing.remove(draft)
            if draft.row.order > 0 { releaseAgain(draft.row) }
            tokens += draft.tokens + sealing.takeJoined(draft.row)
        }
        sealing.leave(route)
        if sealing.isEmpty { numbers.forgetUnsaved() }
        return tokens
    }

    /// In its place, before those of its receiver that are behind it.
    private mutating func releaseAgain(_ row: Outgoing) {
        let address = row.receiver.address
        let last = min(releases[address]?.last ?? .max, row.order - 1)
        releases[address] = ReleasedReceiver(receiver: row.receiver, last: last)
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
    mutating func keyArrived(
        of receiver: ID, lookups: Lookups, publishing: Publishing, in context: inout Context
    ) throws(LedgerError) {
        guard context.book.visa(of: receiver) != nil, context.book.encryptionKey(of: receiver) != nil else { return }
        try keyCame(to: receiver.address, in: context)
        if releases[receiver.address] == nil { releases[receiver.address] = ReleasedReceiver(receiver: receiver) }
        try releaseMore(lookups: lookups, publishing: publishing, in: &context)
    }

    mutating func releaseMore(
        lookups: Lookups, publishing: Publishing, in context: inout Context
    ) throws(LedgerError) {
        for (address, entry) in releases {
            guard sealing.roomForReleased > 0 else { return }
            let rows = try context.ledger.waitingOutgoing(
                receiver: entry.receiver.bare, after: entry.last, limit: sealing.roomForReleased)
            for row in rows {
                releases[address]?.last = row.order
                try begin(row, lookups: lookups, publishing: publishing, in: &context)
            }
            if rows.isEmpty || !lookups.isReady(entry.receiver, in: context) { releases[address] = nil }
        }
    }

    private mutating func begin(
        _ row: Outgoing, lookups: Lookups, publishing: Publishing, in context: inout Context
    ) throws(LedgerError) {
        if context.now.lived >= row.expires {
            try Self.end(row, by: .expired, reason: "expired", in: &context)
            return
        }
        guard !sealing.contains(row), lookups.isReady(row.receiver, in: context) else { return }
        let until = RepeatSchedule(context).afterLongestPause(row)
        guard let row = row.after(.postponed(until: until)) else { return }
        try context.ledger.apply(.outgoing(row))
        try seal(row, lookups: lookups, publishing: publishing, in: &context)
    }

    /// A waiting row whose time has come: sealed if a key is there, looked up again if not.
    mutating func resume(
        _ row: Outgoing, lookups: inout Lookups, publishing: Publishing, in context: inout Context
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
        try seal(row, lookups: lookups, publishing: publishing, in: &context)
    }

    /// When more of those whose key has come can be given to the pool. While the pool has some, their end wakes the rest.
    func nextDue(_ now: Moment) -> Double? {
        releases.isEmpty || sealing.isReleasing ? nil : now.lived
    }
}
