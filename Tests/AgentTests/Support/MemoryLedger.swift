import Records
import TestSupport

/// A ledger that is forgotten with the test. `state` is a value, so that a turn can be rolled back.
final class MemoryLedger: Ledger {
    struct State {
        var outgoing: [Outgoing] = []
        var incoming: [Incoming] = []
        var seen: [AcceptedRecord] = []
        var parked: [Parked] = []
        var happenings: [EventRecord] = []
        var values: [String: String] = [:]
        var last: Int64 = 0
        /// Wall and lived time of every pruning.
        var prunes: [[Double]] = []
    }

    var state = State()
    var inboxLimit = Int.max
    /// The consumer that is behind.
    var slowest: String?
    var parkedPerSender = 64
    /// Pruning says that there is more, so many times.
    var morePrunes = 0
    /// The disk takes nothing more.
    var isFull = false
    /// The disk fails once in so many writes.
    var failures: (dice: Dice, times: Int)?

    func apply(_ change: Change) throws(LedgerError) {
        if let failures, failures.dice.once(in: failures.times) {
            throw LedgerError("cannot write: input/output error")
        }
        if isFull { throw LedgerError("cannot write: no space left on device", isFull: true) }
        state.last += 1
        switch change {
        case .outgoing(var row):
            if let index = state.outgoing.firstIndex(where: { $0.id == row.id }) {
                row.order = state.outgoing[index].order
                state.outgoing[index] = row
            } else {
                row.order = state.last
                state.outgoing.append(row)
            }
        case .incoming(var row):
            row.seq = state.last
            state.incoming.append(row)
        case .accepted(let row):
            if let index = state.seen.firstIndex(where: {
                $0.owner == row.owner && $0.sender == row.sender && $0.digest == row.digest
            }) {
                state.seen[index] = row
            } else {
                state.seen.append(row)
            }
        case .forgetAccepted(let owner, let sender):
            state.seen.removeAll { $0.owner == owner && $0.sender == sender && $0.time == nil }
        case .park(let row): park(row)
        case .unpark(let number): state.parked.removeAll { $0.number == number }
        case .unparkAll(let sender): state.parked.removeAll { address(of: $0.sender) == sender }
        case .event(let happening): state.happenings.append(happening)
        case .value(let key, let value): state.values[key] = value
        case .forgetValues(let prefix): state.values = state.values.filter { !$0.key.hasPrefix(prefix) }
        }
    }

    private func park(_ row: Parked) {
        var row = row
        let isVerified = row.isVerified
        let sender = address(of: row.sender)
        let isSame = { (other: Parked) in
            other.isVerified == isVerified && address(of: other.sender) == sender
        }
        if state.parked.contains(where: { isSame($0) && $0.digest == row.digest && $0.receiver == row.receiver }) {
            return
        }
        row.number = state.last
        state.parked.append(row)
        if state.parked.count(where: isSame) > parkedPerSender, let oldest = state.parked.firstIndex(where: isSame) {
            state.parked.remove(at: oldest)
        }
    }

    // MARK: - Outbox

    func outgoing(id: String) -> Outgoing? { state.outgoing.first { $0.id == id } }

    func outgoing(sender: String, receiver: String, ref: String) -> Outgoing? {
        state.outgoing.first { $0.sender == sender && $0.receiver == receiver && $0.ref == ref }
    }

    func outgoing(digest: [UInt8]) -> Outgoing? { state.outgoing.first { $0.sealed?.digest == digest } }

    func outgoing(sn: Int64) -> [Outgoing] { Array(state.outgoing.reversed().filter { $0.sn == sn }.prefix(8)) }

    func dueOutgoing(at lived: Double, limit: Int) -> [Outgoing] {
        let due = living.filter { row in row.due.map { $0 <= lived } ?? false }
        let longest = due.sorted { ($0.due ?? 0, $0.order) < ($1.due ?? 0, $1.order) }.prefix(limit)
        return longest.sorted { $0.order < $1.order }
    }

    func waitingOutgoing(receiver: String, after order: Int64, limit: Int) -> [Outgoing] {
        Array(
            state.outgoing.filter { $0.state == .waiting && $0.receiver == receiver && $0.order > order }.prefix(limit))
    }

    func expiredOutgoing(at lived: Double, limit: Int) -> [Outgoing] {
        Array(living.filter { $0.expires <= lived }.prefix(limit))
    }

    func nextExpiry() -> Double? { living.map(\.expires).min() }

    func awaitedReceivers(limit: Int) -> [String] {
        Array(Set(state.outgoing.filter { $0.state == .waiting }.map(\.receiver)).sorted().prefix(limit))
    }

    func nextDue() -> Double? { living.compactMap(\.due).min() }

    func outboxSize() -> (count: Int, bytes: Int) {
        (living.count, living.reduce(0) { $0 + $1.content.utf8.count + ($1.sealed?.data.count ?? 0) })
    }

    private var living: [Outgoing] { state.outgoing.filter(\.isLiving) }

    // MARK: - The rest

    func inboxHasRoom() -> Bool { state.incoming.count < inboxLimit }

    func laggard() -> String? { slowest }

    func accepted(owner: String, sender: String, digest: [UInt8]) -> AcceptedRecord? {
        state.seen.first { $0.owner == owner && $0.sender == sender && $0.digest == digest }
    }

    func livingOutgoing(sender: String, limit: Int) -> [Outgoing] {
        Array(state.outgoing.filter { $0.isLiving && $0.sender == sender }.prefix(limit))
    }

    func values(prefix: String) -> [(key: String, value: String)] {
        state.values.filter { $0.key.hasPrefix(prefix) }.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    func accepted(owner: String, sender: String, contentDigest: [UInt8]) -> AcceptedRecord? {
        state.seen.first { $0.owner == owner && $0.sender == sender && $0.contentDigest == contentDigest }
    }

    func owedReceipts(limit: Int) -> [AcceptedRecord] { Array(state.seen.filter(\.isOwed).prefix(limit)) }

    func parked(sender: String, isVerified: Bool, after: Int64, limit: Int) -> [Parked] {
        Array(
            state.parked.filter {
                $0.isVerified == isVerified && address(of: $0.sender) == sender && $0.number > after
            }.prefix(limit))
    }

    func parkedSenders(isVerified: Bool, limit: Int) -> [String] {
        var senders: [String] = []
        for row in state.parked where row.isVerified == isVerified && !senders.contains(row.sender) {
            senders.append(row.sender)
        }
        return Array(senders.prefix(limit))
    }

    func value(key: String) -> String? { state.values[key] }

    func prune(wall: Double, lived: Double) -> Bool {
        state.prunes.append([wall, lived])
        return state.prunes.count < morePrunes
    }
}

private func address(of id: String) -> String {
    let rest = id.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false).last ?? ""
    return String(rest.prefix { $0 != "/" })
}
