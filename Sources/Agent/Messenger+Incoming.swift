import Crypto
import DIMP
import Format
import Records

/// The checks that stand between the broker and the inbox, in the order of extensions.md 4.
extension Messenger {
    /// Size, JSON, addressed to us, blocked or closed to strangers, meta, seen before, budget, signature.
    mutating func arrive(
        _ wire: [UInt8], _ address: Address, _ isRetained: Bool, _ now: Moment
    ) throws(LedgerError) {
        // Not receipted, so it is repeated to the board that goes on.
        guard twin == nil else { return }
        let arrival: Arrival
        do throws(Rejection) {
            arrival = try read(wire, address, isRetained)
        } catch {
            return try reject(error, from: nil, now)
        }
        try admit(arrival, now)
    }

    /// Nothing can be written now. What we have already is receipted all the same when it is repeated.
    mutating func receiptUnwritten(_ wire: [UInt8], _ address: Address, _ isRetained: Bool, _ now: Moment) {
        guard let arrival = try? read(wire, address, isRetained) else { return }
        let sender = arrival.message.envelope.sender
        guard refusal(of: sender) == nil, knownMeta(of: sender) != nil,
            var seen = try? ledger.accepted(
                owner: arrival.owner.text, sender: sender.address.text, digest: arrival.digest),
            seen.receipt != nil
        else { return }
        let last = max(seen.answered, unwritten[seen.digest] ?? -.infinity)
        guard now.lived >= last + 10 else { return }
        if unwritten.count >= 1024 { unwritten = [:] }
        unwritten[seen.digest] = now.lived
        seen.isOwed = true
        sendReceipt(seen, now)
    }

    private func read(_ wire: [UInt8], _ address: Address, _ isRetained: Bool) throws(Rejection) -> Arrival {
        guard !isRetained else { throw Rejection(.replay, "a retained message on an inbox topic") }
        guard wire.count <= policy.messageSize else {
            throw Rejection(.parse, "the message is larger than \(policy.messageSize) bytes")
        }
        let message = try ReliableMessage(parsing: wire, limits: policy.json)
        guard let owner = owner(of: message, at: address) else {
            throw Rejection(.receiver, "the message is for somebody else")
        }
        guard !message.envelope.sender.isBroadcast else { throw Rejection(.meta, "the sender is nobody") }
        return Arrival(
            message: message, wire: wire, digest: Digest.sha256(message.secure.data), owner: owner.id.address, depth: 0)
    }

    /// Whom of us a message on this address's topic is for.
    private func owner(of message: ReliableMessage, at address: Address) -> Identity? {
        let receiver = message.envelope.receiver
        guard let owner = book.identity(address) else { return nil }
        if receiver == owner.id { return owner }
        // A broadcast lies on our topic because somebody put it there for us, like a query for our meta.
        return receiver.isBroadcast ? owner : nil
    }

    /// From trust to the signature. Used for forwarded messages too.
    mutating func admit(_ arrival: Arrival, _ now: Moment) throws(LedgerError) {
        let sender = arrival.message.envelope.sender
        if let refusal = refusal(of: sender) { return try turnAway(arrival, refusal, now) }
        let isTrusted = isTrusted(sender)
        // A card of a sender whose meta we do not have costs a public operation of its own.
        if knownMeta(of: sender) == nil, arrival.message.meta != nil, !publicBudget.take(at: now.lived) {
            counts.overPublicBudget += 1
            return
        }
        let found: Meta?
        do throws(Rejection) {
            found = try meta(of: arrival)
        } catch {
            return try turnAway(arrival, error, now)
        }
        guard let meta = found else { return try park(arrival, isVerified: false, now) }
        if let seen = try ledger.accepted(
            owner: arrival.owner.text, sender: sender.address.text, digest: arrival.digest)
        {
            try leaveParking(arrival)
            return try receiptAgain(seen, now)
        }
        let isAlone = !busy.keys.contains { $0.sender == sender.address }
        guard begin(arrival, now) else {
            counts.overBusy += 1
            return
        }
        if !isTrusted, !publicBudget.take(at: now.lived) {
            counts.overPublicBudget += 1
            return finish(arrival)
        }
        let job = Job(lane: "in \(sender.address.text)", work: .verify(Verifying(arrival: arrival, meta: meta)))
        // A public operation is quick; only behind others of this sender it goes the way of the pool, for the order.
        guard isAlone, case .verified(let verifying, let isGood) = job.done() else { return effects.append(.work(job)) }
        try proceed(verifying, isGood, now)
    }

    /// Asked again after each work of the pool: the owner may have spoken meanwhile.
    private func refusal(of sender: ID) -> Rejection? {
        if book.contact(sender.address)?.isBlocked == true { return Rejection(.trust, "the sender is blocked") }
        if policy.strangers == .closed, !isTrusted(sender) { return Rejection(.trust, "the sender is a stranger") }
        return nil
    }

    func isTrusted(_ sender: ID) -> Bool {
        book.identity(sender.address) != nil || book.contact(sender.address)?.isTrusted == true
    }

    /// False while the same message is on its way in, and while too many are. A way in that never ended, because a
    /// result was lost, is forgotten after a minute.
    private mutating func begin(_ arrival: Arrival, _ now: Moment) -> Bool {
        let passage = passage(of: arrival)
        if let since = busy[passage], now.lived < since + 60 { return false }
        if busy.count >= 4096 { busy = busy.filter { now.lived < $0.value + 60 } }
        guard busy.count < 4096 else { return false }
        busy[passage] = now.lived
        if let parked = arrival.parked { underway[parked.number] = now.lived }
        return true
    }

    /// Its checks are over, or were given up.
    mutating func finish(_ arrival: Arrival) {
        busy[passage(of: arrival)] = nil
        if let parked = arrival.parked { underway[parked.number] = nil }
    }

    private mutating func turnAway(_ arrival: Arrival, _ rejection: Rejection, _ now: Moment) throws(LedgerError) {
        try leaveParking(arrival)
        try reject(rejection, from: arrival.message.envelope.sender, now)
    }

    func passage(of arrival: Arrival) -> InFlightKey {
        InFlightKey(
            owner: arrival.owner, sender: arrival.message.envelope.sender.address, digest: arrival.digest)
    }

    func knownMeta(of sender: ID) -> Meta? {
        if let own = book.identity(sender.address), own.id == sender { return own.meta }
        return book.meta(of: sender)
    }

    /// The sender's meta: known, or attached and vouching for the sender. `nil`: not to be had yet.
    private func meta(of arrival: Arrival) throws(Rejection) -> Meta? {
        let sender = arrival.message.envelope.sender
        if let known = knownMeta(of: sender) { return known }
        guard let attached = arrival.message.meta else { return nil }
        let meta = try Meta(attached)
        guard meta.vouches(for: sender) else { throw Rejection(.meta, "the attached meta is of another ID") }
        return meta
    }

    /// Signature checked. Trust, key; then content, seal and time at once if the key is known.
    mutating func proceed(_ verifying: Verifying, _ isGood: Bool, _ now: Moment) throws(LedgerError) {
        let arrival = verifying.arrival
        let sender = arrival.message.envelope.sender
        guard isGood, let owner = book.identity(arrival.owner) else {
            finish(arrival)
            return try turnAway(arrival, Rejection(.signature, "the signature does not verify"), now)
        }
        if let refusal = refusal(of: sender) {
            finish(arrival)
            return try turnAway(arrival, refusal, now)
        }
        let isTrusted = isTrusted(sender)
        let isBroadcast = arrival.message.envelope.isBroadcast
        if policy.strangers == .ask, !isTrusted, !isBroadcast {
            finish(arrival)
            unpark(sender, isVerified: false, attaching: verifying.meta)
            return try park(arrival, isVerified: true, now)
        }
        if book.identity(sender.address) == nil, isTrusted || (policy.strangers == .open && !isBroadcast) {
            try meet(sender, verifying.meta, visa: arrival.message.visa, now)
        }
        let secure = arrival.message.secure
        if isBroadcast { return try open(arrival, .plain, wrapped: nil, now) }
        for wrapped in secure.wrappedKeys(for: owner.id) {
            let digest = Digest.sha256(wrapped)
            if let key = book.receivedKey(from: sender, to: secure.envelope.target, wrapping: digest) {
                return try open(arrival, key, wrapped: wrapped, now)
            }
        }
        guard !failed.contains(attempt(of: arrival)) else {
            finish(arrival)
            return try turnAway(arrival, Rejection(.decrypt, "failed before with the same keys"), now)
        }
        guard takePrivateBudget(sender, isTrusted, now) else {
            counts.overPrivateBudget += 1
            return finish(arrival)
        }
        if isTrusted { counts.decryptionsOfContacts += 1 } else { counts.decryptionsOfStrangers += 1 }
        effects.append(
            .work(Job(lane: "in \(sender.address.text)", work: .unwrap(Unwrapping(arrival: arrival, owner: owner)))))
    }

    private mutating func takePrivateBudget(_ sender: ID, _ isTrusted: Bool, _ now: Moment) -> Bool {
        if isTrusted { return true }
        if peerBudgets.count > 1024 { peerBudgets = [:] }
        var budget = peerBudgets[sender.address] ?? Budget(perSecond: policy.peerPrivateOperations)
        let isTaken = budget.take(at: now.lived) && strangerBudget.take(at: now.lived)
        peerBudgets[sender.address] = budget
        return isTaken
    }

    /// Key unwrapped.
    mutating func proceed(
        _ unwrapping: Unwrapping, _ result: Result<Unwrapped, Rejection>, _ now: Moment
    ) throws(LedgerError) {
        let arrival = unwrapping.arrival
        switch result {
        case .success(let unwrapped):
            if let refusal = refusal(of: arrival.message.envelope.sender) {
                finish(arrival)
                return try turnAway(arrival, refusal, now)
            }
            try open(arrival, unwrapped.key, wrapped: unwrapped.wrapped, isByNewest: unwrapped.isByNewest, now)
        case .failure(let rejection):
            finish(arrival)
            try turnAway(arrival, rejection, now)
        }
    }

    /// Decrypts, checks seal and time, and accepts.
    private mutating func open(
        _ arrival: Arrival, _ key: SymmetricKey, wrapped: [UInt8]?, isByNewest: Bool = false, _ now: Moment
    ) throws(LedgerError) {
        finish(arrival)
        let sender = arrival.message.envelope.sender
        var opened: Opened
        do throws(Rejection) {
            opened = try check(arrival, key, wrapped, now)
            opened.isByNewest = isByNewest
        } catch {
            if error.stage == .decrypt {
                failed.append(attempt(of: arrival))
                if failed.count > 1000 { failed.removeFirst() }
            }
            return try turnAway(arrival, error, now)
        }
        // Taken meanwhile, by another way.
        if let seen = try ledger.accepted(
            owner: arrival.owner.text, sender: sender.address.text, digest: arrival.digest)
        {
            try leaveParking(arrival)
            return try receiptAgain(seen, now)
        }
        // It waits where it is: nobody may repeat it.
        if arrival.parked != nil, try !ledger.inboxHasRoom() { return }
        try leaveParking(arrival)
        try accept(opened, now)
    }

    /// A message that passed all checks.
    struct Opened {
        var arrival: Arrival
        var content: Content
        var isSealed: Bool
        var isEncrypted: Bool
        var key: SymmetricKey
        var wrapped: [UInt8]?
        /// The message's key was unwrapped, by the key of our present visa.
        var isByNewest = false

        var sender: ID { arrival.message.envelope.sender }
        var envelope: Envelope { arrival.message.envelope }
    }

    private func check(
        _ arrival: Arrival, _ key: SymmetricKey, _ wrapped: [UInt8]?, _ now: Moment
    ) throws(Rejection) -> Opened {
        let secure = arrival.message.secure
        if key == .plain, !secure.keys.isEmpty { throw Rejection(.key, "a broadcast has no key") }
        let instant = try secure.decrypted(with: key)
        let isSealed = try Seal.check(instant, iv: secure.iv)
        if key == .plain { try checkBroadcast(instant.content, of: secure.envelope.sender) }
        if !isSealed, key != .plain, isCulver(secure.envelope.sender) {
            throw Rejection(.seal, "a message without seal of a peer that seals")
        }
        if let time = instant.content.time, time >= Self.year2024, now.isClockSet {
            guard time <= now.wall + 600 else { throw Rejection(.time, "the content is from the future") }
            guard time >= now.wall - 31 * 86_400 else { throw Rejection(.time, "the content is older than 31 days") }
        }
        return Opened(
            arrival: arrival, content: instant.content, isSealed: isSealed, isEncrypted: key != .plain, key: key,
            wrapped: wrapped)
    }

    /// A broadcast is a signature over text, as documents are: it must be able to be nothing else
    /// (extensions.md 3). Of a stranger only questions are heard.
    private func checkBroadcast(_ content: Content, of sender: ID) throws(Rejection) {
        guard content.json["type"]?.double != nil, content.json["sn"]?.double != nil, content.json["signed"] == nil
        else {
            throw Rejection(.content, "a broadcast has a numeric type and serial number")
        }
        guard policy.strangers != .open, !isTrusted(sender) else { return }
        switch content.body {
        case .command(.meta), .command(.documents), .command(.handshake): return
        default: throw Rejection(.trust, "a broadcast of a stranger")
        }
    }

    /// 2024-01-01: a content time before it is as good as none (extensions.md 6).
    static var year2024: Double { 1_704_067_200 }

    /// What exactly failed: the ciphertext, its IV and its wrapped keys.
    private func attempt(of arrival: Arrival) -> [UInt8] {
        let secure = arrival.message.secure
        return Digest.sha256(arrival.digest + (secure.iv ?? []) + secure.keys.flatMap { Digest.sha256($0.bytes) })
    }
}
