import Crypto
package import DIMP
import Format
import Records

/// The checks that stand between the broker and the inbox (extensions.md 4). DIMP's own checks are `IncomingMessage` to
/// `OpenedMessage`; between them stands this board's policy: trust, what is in flight already, and what checks may cost.
///
/// Each verb takes a message as far as it can go at once and says in a `Step` what is to follow.
struct Admission {
    /// Messages between arrival and the end of their checks, with the time of their arrival in seconds lived.
    private var inFlight: [InFlightKey: Double] = [:]
    /// The same for those that are parked, by their number.
    private var parkedInFlight: [Int64: Double] = [:]
    /// Ciphertexts with their keys that could not be decrypted lately; forgotten when a key of ours changes.
    private var failed: [[UInt8]] = []
    private var budgets: StrangerBudgets
    /// Strangers' messages that wait for a budget. They are in flight.
    private var throttle = Throttle()

    /// One message of one sender to one of us: a group message for two of us is two.
    private struct InFlightKey: Hashable {
        var owner: Address
        var sender: Address
        var digest: [UInt8]

        init(_ arrival: Arrival) {
            owner = arrival.owner.address
            sender = arrival.sender.address
            digest = arrival.message.digest
        }

        init(_ record: AcceptedRecord) {
            owner = record.owner
            sender = record.sender
            digest = record.digest
        }
    }

    init(_ policy: Policy) {
        budgets = StrangerBudgets(policy)
    }

    /// How far a message came.
    indirect enum Step {
        /// Too many wait or are in flight, the same one is, or its time has not come. Not refused: the sender repeats.
        case dropped
        /// Over budget for now: the message is kept here and goes on by itself.
        case held
        /// The sender's fault, counted.
        case refused(Rejection)
        /// The sender's meta is not to be had yet.
        case unknownSender
        /// Verified, and the owner has to say whether the stranger may talk to us.
        case stranger(Meta)
        /// It was taken before.
        case repeated(AcceptedRecord)
        /// The signature is to be checked; `atOnce`: that is quick, and no other message of this sender is in flight.
        case verify(Verifying, atOnce: Bool)
        /// Verified; `meets`: its sender becomes known with its meta and visa.
        case verified(VerifiedMessage, Arrival, meets: Bool)
        /// The key is to be unwrapped.
        case unwrap(Unwrapping)
        case opened(Opened)
        /// The inbox is full: a parked message stays where it is.
        case waits
    }

    // MARK: - The road

    /// Size, JSON, addressed to us. On the topics that all share nothing but broadcasts counts, and it is for the first
    /// of this board's identities.
    func read(
        _ wire: [UInt8], at address: Address, in context: Context
    ) throws(Rejection) -> Arrival {
        let incoming = try IncomingMessage(
            parsing: wire, maximumSize: context.policy.messageSize, limits: context.policy.json)
        if address.isBroadcast { try checkShared(incoming, in: context) }
        let owner = address.isBroadcast ? context.book.identities.first : context.book.identity(address)
        let owners = owner.map { [$0.id] } ?? []
        return Arrival(
            message: try incoming.addressed(to: owners, including: .broadcasts), wire: wire,
            isForAll: address.isBroadcast, depth: 0, parked: nil)
    }

    /// Everybody writes there, so a stranger is not heard at all, not even with a question, but under `open`.
    private func checkShared(_ incoming: IncomingMessage, in context: Context) throws(Rejection) {
        guard incoming.message.envelope.isBroadcast else {
            throw Rejection(.receiver, "a message for one on a topic for all")
        }
        guard context.policy.strangers == .open || context.book.isPersonallyTrusted(incoming.sender) else {
            throw Rejection(.trust, "a broadcast of a stranger")
        }
    }

    /// Blocked, or a stranger under `closed`. Asked again after each work of the pool: the owner may have spoken meanwhile.
    func refusal(of arrival: Arrival, in context: Context) -> Rejection? {
        let sender = arrival.sender
        let isBlocked = context.book.contact(sender.address)?.isBlocked == true
        let isStranger = context.policy.strangers == .closed && !context.book.isTrusted(sender)
        guard isBlocked || isStranger, !isHandedOn(arrival, in: context) else { return nil }
        return Rejection(.trust, isBlocked ? "the sender is blocked" : "the sender is a stranger")
    }

    /// What somebody trusted hands on about a group: its signer need not be trusted, as it counts by what it says.
    private func isHandedOn(_ arrival: Arrival, in context: Context) -> Bool {
        guard let via = arrival.via, arrival.message.envelope.isBroadcast, context.book.isTrusted(via),
            let json = try? JSON(parsing: arrival.message.message.secure.data, limits: context.policy.json),
            let content = try? Content(json)
        else { return false }
        return content.changesGroup
    }

    /// From trust to the signature. For messages of a topic, for parked and for forwarded ones.
    mutating func admit(_ arrival: Arrival, in context: inout Context) throws(LedgerError) -> Step {
        let sender = arrival.sender
        if let refusal = refusal(of: arrival, in: context) { return .refused(refusal) }
        guard arrival.message.hasMeta || context.book.knownMeta(of: sender) != nil else { return .unknownSender }
        if let record = try record(of: arrival, in: context) { return .repeated(record) }
        let isAlone = !inFlight.keys.contains { $0.sender == sender.address }
        guard begin(arrival, lived: context.now.lived) else {
            context.counts.overBusy += 1
            return .dropped
        }
        let verifying = Verifying(arrival, in: context)
        if context.book.isTrusted(sender) { return .verify(verifying, atOnce: isAlone && verifying.isQuick) }
        guard !throttle.holds(sender.address), budgets.takePublic(verifying.operations, at: context.now.lived) else {
            return hold(HeldMessage(arrival: arrival), in: &context)
        }
        return .verify(verifying, atOnce: false)
    }

    /// A message of a sender whose meta was asked for: it may be the answer, which applications send with the meta
    /// inside and nothing attached. `nil` where looking costs more than strangers may.
    mutating func lookInside(_ arrival: Arrival, in context: inout Context) -> Job? {
        guard arrival.parked == nil, arrival.depth == 0, !arrival.message.envelope.isBroadcast,
            let owner = context.book.identity(arrival.owner.address), begin(arrival, lived: context.now.lived)
        else { return nil }
        let operations = arrival.message.message.secure.wrappedKeys(for: owner.id).count * owner.decryptionKeys.count
        guard budgets.takePrivate(operations, of: arrival.sender.address, at: context.now.lived) else {
            end(arrival)
            return nil
        }
        context.counts.decryptionsOfStrangers += 1
        return Job(lane: "in \(arrival.sender.address.text)", work: .lookInside(arrival, owner: owner))
    }

    /// Signature checked. Trust.
    mutating func verified(
        _ verifying: Verifying, as result: Result<Verified, Rejection>, in context: inout Context
    ) throws(LedgerError) -> Step {
        var arrival = verifying.arrival
        let sender = arrival.sender
        let isTrusted = context.book.isTrusted(sender)
        if !isTrusted { budgets.spendPublic(seconds: verifying.seconds, at: context.now.lived) }
        let verified: Verified
        switch result {
        case .success(let success): verified = success
        case .failure(let rejection):
            end(arrival)
            return .refused(rejection)
        }
        guard context.book.isOurs(arrival.owner.address) else {
            end(arrival)
            return .refused(Rejection(.receiver, "the message is for somebody else"))
        }
        if let refusal = refusal(of: arrival, in: context) {
            end(arrival)
            return .refused(refusal)
        }
        let message = verified.message
        if asks(for: message, in: context) {
            end(arrival)
            return .stranger(message.meta)
        }
        switch verified.visa {
        case .success(let visa): arrival.visa = visa
        case .failure(let rejection): try context.reject(rejection, from: sender)
        case nil: break
        }
        return .verified(message, arrival, meets: isTrusted && !context.book.isOurs(sender.address))
    }

    /// The owner has to say whether this sender may talk to us.
    private func asks(for message: VerifiedMessage, in context: Context) -> Bool {
        context.policy.strangers == .ask && !context.book.isTrusted(message.sender) && !message.isBroadcast
    }

    /// A key that costs no private key, or the private-key budget. `isPaid`: that was charged already.
    mutating func findKey(
        of message: VerifiedMessage, for arrival: Arrival, isPaid: Bool = false, in context: inout Context
    ) throws(LedgerError) -> Step {
        let known: MessageKey?
        do throws(Rejection) {
            known = try message.broadcastKey() ?? message.keptKey(in: context.book)
        } catch {
            end(arrival)
            return .refused(error)
        }
        if let known { return try open(message, with: known, for: arrival, in: &context) }
        guard !failed.contains(attempt(of: arrival)) else {
            end(arrival)
            return .refused(Rejection(.decrypt, "failed before with the same keys"))
        }
        guard let owner = context.book.identity(arrival.owner.address) else {
            end(arrival)
            return .refused(Rejection(.receiver, "the message is for somebody else"))
        }
        let unwrapping = Unwrapping(arrival: arrival, message: message, owner: owner)
        let sender = arrival.sender
        if context.book.isTrusted(sender) {
            context.counts.decryptionsOfContacts += 1
            return .unwrap(unwrapping)
        }
        let isFree =
            isPaid
            || (!throttle.holds(sender.address)
                && budgets.takePrivate(unwrapping.operations, of: sender.address, at: context.now.lived))
        guard isFree else { return hold(HeldMessage(arrival: arrival, message: message), in: &context) }
        context.counts.decryptionsOfStrangers += 1
        return .unwrap(unwrapping)
    }

    /// Key unwrapped.
    mutating func unwrapped(
        _ unwrapping: Unwrapping, as result: Result<MessageKey, Rejection>, in context: inout Context
    ) throws(LedgerError) -> Step {
        let arrival = unwrapping.arrival
        if !context.book.isTrusted(arrival.sender) {
            budgets.spendPrivate(seconds: unwrapping.seconds, at: context.now.lived)
        }
        switch result {
        case .success(let key):
            if let refusal = refusal(of: arrival, in: context) {
                end(arrival)
                return .refused(refusal)
            }
            return try open(unwrapping.message, with: key, for: arrival, in: &context)
        case .failure(let rejection):
            end(arrival)
            return .refused(rejection)
        }
    }

    /// Decrypted; seal and time. The end of the checks.
    private mutating func open(
        _ message: VerifiedMessage, with key: MessageKey, for arrival: Arrival, in context: inout Context
    ) throws(LedgerError) -> Step {
        end(arrival)
        let forgottenUntil = try context.ledger.value(.forgottenUntil).flatMap(Double.init)
        let opened: Opened
        do throws(Rejection) {
            opened = try checked(message, with: key, for: arrival, forgottenUntil: forgottenUntil, in: context)
        } catch {
            if error.stage == .decrypt {
                failed.append(attempt(of: arrival))
                if failed.count > Tuning.rememberedFailures { failed.removeFirst() }
            }
            return .refused(error)
        }
        // It would count for ever, and nobody can say now whether its time has come. What is around it comes again.
        if !context.now.isClockSet, opened.content.changesGroup { return .dropped }
        if let rejection = early(opened, in: context) {
            guard let time = opened.content.usableTime, time <= context.now.wall + Tuning.groupPatience else {
                return .refused(rejection)
            }
            // The forward around it comes again.
            try context.reject(rejection, from: arrival.sender)
            return .dropped
        }
        if speaksAside(opened, in: context) {
            guard context.policy.strangers == .ask else {
                return .refused(Rejection(.trust, "the sender is a stranger"))
            }
            return .stranger(message.meta)
        }
        // Taken meanwhile, by another way.
        if let record = try record(of: arrival, in: context) { return .repeated(record) }
        if arrival.parked != nil, try !context.ledger.inboxHasRoom(rows: 1, bytes: 1) { return .waits }
        return .opened(opened)
    }

    /// A member of a group of ours that is no contact speaks in that group; to us alone it is a stranger.
    private func speaksAside(_ opened: Opened, in context: Context) -> Bool {
        let sender = opened.sender
        guard context.policy.strangers != .open, opened.isEncrypted, !context.book.isPersonallyTrusted(sender),
            !opened.content.isForAgents
        else { return false }
        // What members hand on has signers of its own.
        if case .forward = opened.content.body { return false }
        guard let membership = opened.content.group.flatMap({ context.book.group($0.address) })?.membership else {
            return true
        }
        return !membership.contains(sender) || !membership.contains(opened.owner)
    }

    /// `forgottenUntil`: the digests of contents of this time and before were dropped, so that a repeat of one is not known.
    private func checked(
        _ message: VerifiedMessage, with key: MessageKey, for arrival: Arrival, forgottenUntil: Double?,
        in context: Context
    ) throws(Rejection) -> Opened {
        let opened = try message.opened(with: key)
        let isCulver = context.book.isCulver(opened.sender) || arrival.visa?.isOfCulver == true
        let isSealed = try opened.checkSeal(isRequired: isCulver && !opened.isOfOwnDevice)
        if !opened.isEncrypted { try checkStranger(opened, in: context) }
        // What a group consists of is as old as the group, and may come any number of times.
        if opened.content.isAboutGroup, !opened.isEncrypted {
            return Opened(arrival: arrival, message: opened, isSealed: isSealed)
        }
        if context.now.isClockSet { try opened.checkTime(at: context.now.wall) }
        if let forgottenUntil, let time = opened.content.usableTime, time <= forgottenUntil {
            throw Rejection(.time, "the content is older than what this board remembers")
        }
        return Opened(arrival: arrival, message: opened, isSealed: isSealed)
    }

    /// Of what a group consists of, what a clock that is ahead has dated; `nil` for everything else.
    private func early(_ opened: Opened, in context: Context) -> Rejection? {
        guard context.now.isClockSet, opened.content.isAboutGroup, !opened.isEncrypted else { return nil }
        do throws(Rejection) {
            try opened.content.checkIsPast(at: context.now.wall)
            return nil
        } catch {
            return error
        }
    }

    /// Of a stranger's broadcasts only questions are heard.
    private func checkStranger(_ opened: OpenedMessage, in context: Context) throws(Rejection) {
        guard context.policy.strangers != .open, !context.book.isPersonallyTrusted(opened.sender) else { return }
        switch opened.content.body {
        case .command(.meta), .command(.documents), .command(.handshake): return
        // It counts by what it says, and came from somebody who is no stranger.
        case _ where opened.content.isAboutGroup: return
        default: throw Rejection(.trust, "a broadcast of a stranger")
        }
    }

    /// That this message was taken before; `nil` when it was not.
    /// A broadcast comes once to a board, whichever of its identities it came to.
    func record(of arrival: Arrival, in context: Context) throws(LedgerError) -> AcceptedRecord? {
        let owners = arrival.message.envelope.isBroadcast ? context.book.identities.map(\.id) : [arrival.owner]
        for owner in owners {
            let record = try context.ledger.accepted(
                owner: owner.address, sender: arrival.sender.address, digest: arrival.message.digest)
            if let record { return record }
        }
        return nil
    }

    // MARK: - In flight

    /// False while the same message is in flight, and while too many are.
    private mutating func begin(_ arrival: Arrival, lived: Double) -> Bool {
        let key = InFlightKey(arrival)
        if let since = inFlight[key], lived < since + Tuning.lostAfter { return false }
        if inFlight.count >= Tuning.inFlight { inFlight = inFlight.filter { lived < $0.value + Tuning.lostAfter } }
        guard inFlight.count < Tuning.inFlight else { return false }
        inFlight[key] = lived
        if let parked = arrival.parked { parkedInFlight[parked.number] = lived }
        return true
    }

    /// The checks are over, or were given up.
    mutating func end(_ arrival: Arrival) {
        inFlight[InFlightKey(arrival)] = nil
        if let parked = arrival.parked { parkedInFlight[parked.number] = nil }
    }

    /// A forward whose checks are over stays in flight until the messages inside have ended.
    mutating func keepInFlight(_ forward: AcceptedRecord, lived: Double) {
        inFlight[InFlightKey(forward)] = lived
    }

    /// The messages inside have ended.
    mutating func end(_ forward: AcceptedRecord) {
        inFlight[InFlightKey(forward)] = nil
    }

    /// A parked message in flight whose result was lost is forgotten after a while.
    mutating func forgetLost(in context: Context) {
        if parkedInFlight.isEmpty { return }
        parkedInFlight = parkedInFlight.filter { context.now.lived < $0.value + Tuning.lostAfter }
    }

    var hasRoomForParked: Bool { parkedInFlight.count < Tuning.unparkedAtOnce }

    func isInFlight(parked number: Int64) -> Bool { parkedInFlight[number] != nil }

    /// When the first parked message in flight counts as lost.
    var nextParkedLost: Double? { parkedInFlight.values.min().map { $0 + Tuning.lostAfter } }

    // MARK: - What checks may cost

    /// A key of ours has changed: what failed may work now.
    mutating func forgetFailed() {
        failed = []
    }

    /// Waits for its budget, unless too many do.
    private mutating func hold(_ held: HeldMessage, in context: inout Context) -> Step {
        if throttle.add(held, lived: context.now.lived) { return .held }
        if held.message == nil { context.counts.overPublicBudget += 1 } else { context.counts.overPrivateBudget += 1 }
        end(held.arrival)
        return .dropped
    }

    /// Messages whose budget has come, charged for.
    mutating func release(in context: Context) -> [HeldMessage] {
        if throttle.isEmpty { return [] }
        let lived = context.now.lived
        var budgets = budgets
        let released = throttle.release(lived: lived) { held in
            let sender = held.arrival.sender
            if context.book.isTrusted(sender) { return true }
            guard let message = held.message else {
                return budgets.takePublic(Verifying(held.arrival, in: context).operations, at: lived)
            }
            guard message.keptKey(in: context.book) == nil,
                let owner = context.book.identity(held.arrival.owner.address)
            else { return true }
            let unwrapping = Unwrapping(arrival: held.arrival, message: message, owner: owner)
            return budgets.takePrivate(unwrapping.operations, of: sender.address, at: lived)
        }
        self.budgets = budgets
        return released
    }

    /// From where it was held. The owner may have spoken meanwhile, and another copy may have been taken.
    mutating func goOn(with held: HeldMessage, in context: inout Context) throws(LedgerError) -> Step {
        let arrival = held.arrival
        inFlight[InFlightKey(arrival)] = context.now.lived
        if let refusal = refusal(of: arrival, in: context) {
            end(arrival)
            return .refused(refusal)
        }
        if let record = try record(of: arrival, in: context) {
            end(arrival)
            return .repeated(record)
        }
        guard let message = held.message else { return .verify(Verifying(arrival, in: context), atOnce: false) }
        if asks(for: message, in: context) {
            end(arrival)
            return .stranger(message.meta)
        }
        return try findKey(of: message, for: arrival, isPaid: true, in: &context)
    }

    /// What waits for a budget, as far as the brokers are held back for it.
    var heldBack: (count: Int, bytes: Int) { throttle.heldBack }

    var nextDue: Double? { throttle.nextDue }

    /// What exactly failed: the ciphertext, its IV and the wrapped keys that were tried.
    private func attempt(of arrival: Arrival) -> [UInt8] {
        let secure = arrival.message.message.secure
        let wrapped = secure.wrappedKeys(for: arrival.owner)
        return Digest.sha256(arrival.message.digest + (secure.iv ?? []) + wrapped.flatMap { Digest.sha256($0) })
    }
}

/// A message on its way in.
package struct Arrival: Sendable {
    package var message: AddressedMessage
    /// As it came, for parking.
    package var wire: [UInt8]
    /// It came on a topic that all share.
    package var isForAll = false
    /// How many forwards it came in, and the number of the innermost.
    package var depth: Int
    package var forward: Int64?
    /// Who sent that one, verified.
    package var via: ID?
    /// Where it is parked, if it was: there it stays until it is taken or refused.
    package var parked: ParkedAt?
    /// The attached visa, once it was found to be the sender's.
    var visa: Document?

    package struct ParkedAt: Sendable {
        package var number: Int64
        package var isVerified: Bool
    }

    /// The identity that it is for.
    var owner: ID { message.owner }
    var sender: ID { message.sender }

    /// With the meta of its sender, which was found inside.
    func attaching(_ meta: Meta) -> Arrival {
        var arrival = self
        arrival.message = message.attaching(meta)
        arrival.wire = arrival.message.message.json.bytes
        return arrival
    }
}

/// A message that passed all checks.
struct Opened {
    var arrival: Arrival
    var message: OpenedMessage
    var isSealed: Bool

    var sender: ID { arrival.sender }
    var owner: ID { arrival.owner }
    var content: Content { message.content }
    var envelope: Envelope { message.envelope }
    var isEncrypted: Bool { message.isEncrypted }
}
