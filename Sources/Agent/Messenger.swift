import DIMP
import Format
package import Records

/// The agent that sends and receives: the seed's Messanger. Decides, and does nothing: it reads and writes the
/// ledger and the address book of an open turn, and says in effects what is to follow once that turn is on disk.
///
/// A message out (`+Outgoing`, `+Sealed`, `+Repeating`, `+Ends`):
///  1. `.submitted`: known before? room? a contact now.
///  2. no key of the peer: saved as `waiting`, answered, looked up (`+Directory`).
///  3. sealed by the pool, `.sealed`: saved as `queued`, answered, published.
///  4. `.acknowledged`: `published`. Repeated by `.ticked` until the receipt (`+Receipts`): `delivered`.
///
/// A message in (`+Incoming`): parsed, for us, trust, meta, seen, `.verified`, key, decrypted, seal, time; then
/// (`+Accepting`) by its content: inbox and receipt, or a command that is carried out (`+Commands`).
package struct Messenger {
    let book: any AddressBook
    let ledger: any Ledger
    let random: @Sendable () -> UInt64
    package var policy: Policy
    package internal(set) var counts = Counts()

    var effects: [Effect] = []
    /// Connected brokers and how many parcels each takes now.
    var rooms: [String: Int] = [:]
    var parcels: [UInt64: PendingPublication] = [:]
    var nextParcel: UInt64 = 1
    /// Courtesies that found no room on their broker; dropped beyond a bound, because peers repeat.
    var backlog: [PendingPublication] = []
    var lookups: [Address: Lookup] = [:]
    /// What we ask, and what we answer.
    var queries: Budget
    var answers: Budget
    /// Messages between arrival and the end of their checks, with the time of their arrival, and those whose key
    /// failed lately.
    var busy: [InFlightKey: Double] = [:]
    var failed: [[UInt8]] = []
    /// Whose parked messages are to take the way in, and the numbers of those that do now, with the time of beginning.
    var unparkings: [Unparking] = []
    var underway: [Int64: Double] = [:]
    /// Receipts that wait for the one before, by sender and receiver: they go together.
    var receipting: [String: ReceiptBatch] = [:]
    /// When a repeat was receipted that could not be noted in the ledger, by digest.
    var unwritten: [[UInt8]: Double] = [:]
    /// The last number given to each sender and receiver, by the ledger's key.
    var numbers: [String: Int64] = [:]
    var pooled = Pooled()
    /// Receivers whose key has come while messages waited for it, with the last that was taken up; and the length of
    /// those that the pool seals now.
    var releases: [Address: Release] = [:]
    var released: [String: Int] = [:]
    /// Refs between submission and saving, with who else asked.
    var sealing: [String: Waiting] = [:]
    var publicBudget: Budget
    var strangerBudget: Budget
    var peerBudgets: [Address: Budget] = [:]
    var repairs: [RetainedTopic: Repair] = [:]
    var refusals: [Rejection: Refusals] = [:]

    /// This run of the daemon, newer ones of other boards with our keys, and the older one for which we stand back.
    var start: Start?
    var newcomers: [Newcomer] = []
    package internal(set) var twin: Twin?

    /// Streams of numbers with holes in them, by the ledger's key.
    var holes: [String: Missing] = [:]
    /// When the ledger was last pruned, in seconds lived.
    var tidied: Double?

    package init(
        book: any AddressBook, ledger: any Ledger, policy: Policy, random: @escaping @Sendable () -> UInt64
    ) {
        self.book = book
        self.ledger = ledger
        self.policy = policy
        self.random = random
        queries = Budget(perSecond: Double(policy.queriesPerMinute) / 60, burst: Double(policy.queriesPerMinute))
        answers = queries
        publicBudget = Budget(perSecond: policy.publicOperations)
        strangerBudget = Budget(perSecond: policy.strangersPrivateOperations)
    }

    /// Something on its way to a broker, and what to do when it was taken or lost.
    struct PendingPublication {
        var place: Topic
        var payload: [UInt8]
        var purpose: Purpose
        var expiry: UInt32?
        var broker: String?

        enum Purpose {
            case message(id: String)
            case receipts([AcceptedRecord])
            case courtesy
            /// A retained topic of an identity that is gone.
            case clearing(Address)
        }
    }

    struct Waiting {
        var request: [UInt8]
        var tokens: [UInt64]
    }

    struct ReceiptBatch {
        var seen: [AcceptedRecord] = []
        /// When the pool began with the receipts before.
        var begun: Double
        /// When these are signed; `nil` while the pool is at work.
        var due: Double?
    }

    /// One message of one sender to one of us: a group message for two of us is two.
    struct InFlightKey: Hashable {
        var owner: Address
        var sender: Address
        var digest: [UInt8]
    }

    struct Release {
        var id: ID
        var last: Int64 = 0
    }

    struct Lookup {
        var id: ID
        /// Somebody here waits for it; strangers' metas get half of the room.
        var isOurs: Bool
        var since: Double
        /// When to ask the peer, or to end it.
        var next: Double
        /// A stranger's meta was found: more is not wanted.
        var isDone = false
        /// A visa that came before its meta.
        var visa: [UInt8]?
    }

    /// A retained topic on one broker.
    struct RetainedTopic: Hashable {
        var place: Topic
        var broker: String
    }

    /// When our card was put back, when it may be put back again, and whether it is wrong now.
    struct Repair {
        var last: Double
        var pause: Double
        var isDue: Bool
    }

    struct Refusals {
        var count: Int64
        var said: Double
        var sender: String?
    }

    /// Everything that follows from one input. When it throws, the turn must be rolled back and the messenger put
    /// back to what it was.
    package mutating func handle(_ input: Input, at now: Moment) throws(LedgerError) -> [Effect] {
        effects = []
        switch input {
        case .submitted(let submission): try submit(submission, now)
        case .cancelled(let id, let token): try cancel(id, token, now)
        case .sealed(let sealing, .success(let packed)): try finish(sealing, packed, now)
        case .sealed(let sealing, .failure(let error)): try fail(sealing, "\(error)", now)
        case .verified(let verifying, let isGood): try proceed(verifying, isGood, now)
        case .unwrapped(let unwrapping, let result): try proceed(unwrapping, result, now)
        case .arrived(let wire, let address, let isRetained): try arrive(wire, address, isRetained, now)
        case .found(let place, let bytes, let broker): try find(place, bytes, broker, now)
        case .linked(let broker, let room): try link(broker, room, now)
        case .unlinked(let broker): try unlink(broker, now)
        case .acknowledged(let number, let outcome): try acknowledge(number, outcome, now)
        case .room(let broker, let room):
            // A late word about a broker that is gone does not bring it back.
            if rooms[broker] != nil { rooms[broker] = room }
            try pump(now)
        case .befriended(let id): try befriend(id, now)
        case .refusedStranger(let id):
            counts.requestsRefused += 1
            try dropParked(of: id)
        case .forgot(let id): try forget(id, now)
        case .identityGone(let id): try failMessages(of: id, now)
        case .identitiesChanged:
            failed = []
            forgetForeignShelves()
            for broker in rooms.keys.sorted() { keepDirectory(broker, now) }
        case .started(let boot, let at, let last): start = Start(boot: boot, at: at, last: last)
        case .restored: try numberAnew(now)
        case .ticked: try tick(now)
        }
        try unparkMore(now)
        sendGathered(now)
        let all = effects
        effects = []
        return all
    }

    /// What follows when the turn of this input could not be written down and nothing of it happened. Nothing is
    /// written: local programs are told, nothing waits for what will not come, and receipts that are owed still go.
    package mutating func giveUp(_ input: Input, because error: LedgerError, at now: Moment) -> [Effect] {
        effects = []
        defer { effects = [] }
        let refusal = Refusal(
            error.isFull ? .notNow : .inputOutput, error.isFull ? "disk-full" : "not-written", error.description)
        switch input {
        case .submitted(let submission): return [.answer(submission.token, .refused(refusal))]
        case .cancelled(_, let token): return [.answer(token, .refused(refusal))]
        case .sealed(let sealing, _):
            if case .receipts(let seen) = sealing.purpose { seen.first.map { receipting[lane(of: $0)] = nil } }
            guard case .message(let row, let tokens) = sealing.purpose else { return [] }
            pooled.remove(row.id)
            released[row.id] = nil
            // The numbers that were given and not saved are given again.
            if pooled.isEmpty { numbers = [:] }
            return (tokens + takeWaiting(row)).map { .answer($0, .refused(refusal)) }
        case .verified(let verifying, _): finish(verifying.arrival)
        case .unwrapped(let unwrapping, _): finish(unwrapping.arrival)
        case .arrived(let wire, let address, let isRetained): receiptUnwritten(wire, address, isRetained, now)
        case .ticked: sendGathered(now)
        default: break
        }
        return effects
    }

    /// When `.ticked` is wanted next, in seconds lived. Never for something that has to wait for a broker.
    package func nextTick(after now: Moment) throws(LedgerError) -> Double {
        var next = min(now.lived, tidied ?? now.lived) + 3600
        // Without a broker nothing is sent, but what expires says so. A row is due before it expires.
        let due = try freeBroker() == nil ? ledger.nextExpiry() : ledger.nextDue()
        next = min(next, due ?? next)
        if !rooms.isEmpty {
            for lookup in lookups.values { next = min(next, lookup.next) }
            for repair in repairs.values where repair.isDue { next = min(next, repair.last + repair.pause) }
        }
        if !releases.isEmpty, released.isEmpty { next = now.lived }
        if let unparking = nextUnparking(now) { next = min(next, unparking) }
        for missing in holes.values { next = min(next, missing.due) }
        for gathering in receipting.values { next = min(next, gathering.due ?? next) }
        for refusal in refusals.values where refusal.count > 0 { next = min(next, refusal.said + 60) }
        return max(next, now.lived + 0.01)
    }

    private mutating func tick(_ now: Moment) throws(LedgerError) {
        try askPeers(now)
        try repairCards(now)
        try releaseMore(now)
        try pump(now)
        try flushRefusals(now)
        try tellHoles(now)
        try tidy(now)
    }

    /// What is over its age goes, once an hour, in portions.
    private mutating func tidy(_ now: Moment) throws(LedgerError) {
        guard tidied.map({ now.lived >= $0 + 3600 }) ?? true else { return }
        try unparkAll(now)
        let isMore = try ledger.prune(wall: now.isClockSet ? tidyTime(now) : 0, lived: now.lived)
        tidied = isMore ? now.lived - 3600 + 0.2 : now.lived
    }

    /// Seconds since 1970 by which ages are measured. It runs at most twice as fast as we live: a clock that jumps years
    /// ahead, and perhaps back again, makes nothing old at once.
    private func tidyTime(_ now: Moment) throws(LedgerError) -> Double {
        let last = try ledger.value(key: "tidied")?.split(separator: " ").compactMap { Double($0) } ?? []
        let wall = last.count == 2 ? min(now.wall, last[0] + 2 * max(0, now.lived - last[1])) : now.wall
        try ledger.apply(.value(key: "tidied", "\(wall) \(now.lived)"))
        return wall
    }

    // MARK: - Small things that all parts share

    /// 16 characters of `[0-9a-z]`.
    mutating func newID() -> String { characters(of: random()) + characters(of: random()) }

    /// The same, half of it the time, so that one message's place in the ledger is beside the last one's.
    mutating func newMessageID(_ now: Moment) -> String {
        characters(of: UInt64(max(0, now.wall) * 1000)) + characters(of: random())
    }

    /// The last eight digits, to the base of 36.
    private func characters(of number: UInt64) -> String {
        var value = number
        var digits: [UInt8] = []
        for _ in 0..<8 {
            let digit = UInt8(value % 36)
            digits.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
            value /= 36
        }
        return String(decoding: digits.reversed(), as: UTF8.self)
    }

    /// 1 to 2^31-1, as every era takes it.
    mutating func newSN() -> Int64 { Int64(random() % 0x7FFF_FFFF) + 1 }

    mutating func note(
        _ kind: EventRecord.Kind, _ level: EventRecord.Level, _ text: String, did: ID? = nil, broker: String? = nil,
        id: String? = nil, reason: String? = nil, count: Int64 = 1, _ now: Moment
    ) throws(LedgerError) {
        try ledger.apply(
            .event(
                EventRecord(
                    time: now.isClockSet ? now.wall : 0, kind: kind, level: level, did: did?.text, broker: broker,
                    id: id, reason: reason, count: count, text: text)))
    }

    /// A peer's fault: counted, one debug line, and at most one event a minute for each reason.
    mutating func reject(_ rejection: Rejection, from sender: ID?, _ now: Moment) throws(LedgerError) {
        effects.append(.rejected(rejection, sender: sender?.text))
        counts.rejected[rejection.stage, default: 0] += 1
        if refusals[rejection] == nil, refusals.count < 64 {
            refusals[rejection] = Refusals(count: 0, said: now.lived, sender: sender?.text)
            try say(rejection, count: 1, sender: sender, now)
        } else {
            refusals[rejection]?.count += 1
        }
    }

    private mutating func flushRefusals(_ now: Moment) throws(LedgerError) {
        for (rejection, seen) in refusals where now.lived >= seen.said + 60 {
            if seen.count > 0 { try say(rejection, count: seen.count, sender: seen.sender.flatMap { ID($0) }, now) }
            refusals[rejection] = nil
        }
    }

    private mutating func say(
        _ rejection: Rejection, count: Int64, sender: ID?, _ now: Moment
    ) throws(LedgerError) {
        try note(
            .refused, .debug, "refused at \(rejection.stage.rawValue): \(rejection.reason)", did: sender,
            reason: rejection.stage.rawValue, count: count, now)
    }
}
