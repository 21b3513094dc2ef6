import DIMP
import Records

/// Messages on their way through the pool: those that it seals now, and those that gather behind them. They are in no
/// ledger's sums yet, and their refs in no table.
///
/// A line is what goes from one sender to one receiver with one priority. While the pool has a message of a line whose
/// receiver takes several contents in one, the next ones gather, until they fill a message and the pool has but one; else
/// each is given to the pool at once. A line exists while it holds something.
struct SealingQueue {
    private var lines: [SealingRoute: SealingLine] = [:]
    /// How many they are, and the bytes of their contents.
    private(set) var count = 0
    private(set) var bytes: Int64 = 0
    /// Those that had waited for a key, with their bytes: only so many are taken up at a time.
    private var released: [String: Int64] = [:]
    /// What each ref was asked for, and the callers that asked again meanwhile.
    private var refs: [Ref: (request: [UInt8], tokens: [UInt64])] = [:]

    struct SealingRoute: Hashable {
        var sender: ID
        var receiver: ID
        var priority: Priority

        init(_ row: Outgoing) {
            sender = row.sender
            receiver = row.receiver
            priority = row.priority
        }
    }

    private struct SealingLine {
        /// Messages that the pool has.
        var underway = 0
        /// The pool has one that may hold so many contents, more than one, so others gather.
        var gathers: Int?
        /// What the pool has is sealed as it is: nothing of it was on disk, where it could have ended meanwhile. Else it may
        /// have to be given to the pool once more, and nothing may be behind it.
        var isCertain = true
        var gathered: [Draft] = []
    }

    /// A caller's own name for a message is the caller's, for one sender and one receiver.
    private struct Ref: Hashable {
        var sender: String
        var receiver: String
        var ref: String

        init?(_ row: Outgoing) {
            guard let ref = row.ref else { return nil }
            sender = row.sender.text
            receiver = row.receiver.text
            self.ref = ref
        }
    }

    var isEmpty: Bool { count == 0 }
    var isReleasing: Bool { !released.isEmpty }

    /// Of a row that is on disk, because it had waited for a key.
    func contains(_ row: Outgoing) -> Bool { released[row.id] != nil }

    /// One with an order is on disk and is inserted once, until it is removed.
    mutating func insert(_ draft: Draft) {
        let row = draft.row
        count += 1
        bytes += draft.size
        if row.order > 0 { released[row.id] = draft.size }
        if row.order == 0, let ref = Ref(row) { refs[ref] = (row.request, []) }
        lines[SealingRoute(row), default: SealingLine()].gathered.append(draft)
    }

    /// To whom the next message of a line goes; `nil` while nothing of it can be given to the pool.
    func receiverOfNext(_ route: SealingRoute) -> ID? {
        guard let line = lines[route] else { return nil }
        if let full = line.gathers {
            guard line.isCertain, line.underway == 1, line.gathered.count >= full else { return nil }
        }
        return line.gathered.first?.row.receiver
    }

    /// The contents of the next message, in order. To be asked only when there is one.
    mutating func next(_ route: SealingRoute, within limits: BatchLimits) -> [Draft] {
        guard let gathered = lines[route]?.gathered else { return [] }
        // Messages of one content each may be with the pool already, which keeps their order.
        let count = limits.fitting(gathered)
        lines[route]?.gathered = Array(gathered.dropFirst(count))
        lines[route]?.underway += 1
        lines[route]?.gathers = limits.count > 1 ? limits.count : nil
        let drafts = Array(gathered.prefix(count))
        if drafts.contains(where: { $0.row.order > 0 }) { lines[route]?.isCertain = false }
        return drafts
    }

    /// The pool is done with a message of this line.
    mutating func leave(_ route: SealingRoute) {
        lines[route]?.underway -= 1
        guard let line = lines[route], line.underway <= 0 else { return }
        lines[route]?.gathers = nil
        lines[route]?.isCertain = true
        if line.gathered.isEmpty { lines[route] = nil }
    }

    /// Takes out what gathers in a line.
    mutating func takeGathered(_ route: SealingRoute) -> [Draft] {
        defer { lines[route]?.gathered = [] }
        return lines[route]?.gathered ?? []
    }

    /// It is on its way no more. True when it had waited for a key, and was not removed before.
    mutating func remove(_ draft: Draft) -> Bool {
        let wasReleased = released.removeValue(forKey: draft.row.id) != nil
        if wasReleased || draft.row.order == 0 {
            count -= 1
            bytes -= draft.size
        }
        return wasReleased
    }

    /// How many that wait for a key may be taken up: none while what is on its way is long.
    var roomForReleased: Int {
        released.values.reduce(0, +) < Int64(Tuning.releasedBytes) ? Tuning.releasedAtOnce - released.count : 0
    }

    enum Known {
        /// The same message is being sealed under this ref: its caller is answered with it.
        case joined
        case otherMessage
    }

    /// Whether a message with the row's ref is being sealed.
    mutating func join(_ row: Outgoing, token: UInt64) -> Known? {
        guard let ref = Ref(row), let first = refs[ref] else { return nil }
        guard first.request == row.request else { return .otherMessage }
        refs[ref]?.tokens.append(token)
        return .joined
    }

    /// The callers that asked with the same ref while the pool worked.
    mutating func takeJoined(_ row: Outgoing) -> [UInt64] {
        Ref(row).flatMap { refs.removeValue(forKey: $0)?.tokens } ?? []
    }
}
