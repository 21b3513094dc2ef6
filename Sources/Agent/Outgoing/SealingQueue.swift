import DIMP
import Records

/// Messages on their way through the pool: those that it seals now, and those that gather behind them. They are in no
/// ledger's sums yet, and their refs in no table.
///
/// A line is what goes from one sender to one receiver with one priority. While the pool has a message of a line whose receiver takes several
/// contents in one, the next ones gather; else each is given to the pool at once. A line exists while it holds something.
struct SealingQueue {
    private var lines: [SealingRoute: SealingLine] = [:]
    private var sizes: [String: Int64] = [:]
    /// The bytes of their contents.
    private(set) var bytes: Int64 = 0
    /// Those that had waited for a key, with their bytes: only so many are taken up at a time.
    private var released: [String: Int] = [:]
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
        /// The pool has one that may hold several contents, so others gather.
        var isGathering = false
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

    var count: Int { sizes.count }
    var isEmpty: Bool { sizes.isEmpty }
    var isReleasing: Bool { !released.isEmpty }

    func contains(_ row: Outgoing) -> Bool { sizes[row.id] != nil }

    /// `isReleased`: it had waited for a key.
    mutating func insert(_ draft: Draft, isReleased: Bool) {
        let row = draft.row
        let size = row.content?.utf8.count ?? 0
        bytes += Int64(size) - (sizes.updateValue(Int64(size), forKey: row.id) ?? 0)
        if isReleased { released[row.id] = size }
        if row.order == 0, let ref = Ref(row) { refs[ref] = (row.request, []) }
        lines[SealingRoute(row), default: SealingLine()].gathered.append(draft)
    }

    /// To whom the next message of a line goes; `nil` while nothing of it can be given to the pool.
    func receiverOfNext(_ route: SealingRoute) -> ID? {
        guard let line = lines[route], !line.isGathering else { return nil }
        return line.gathered.first?.row.receiver
    }

    /// The contents of the next message, in order. To be asked only when there is one.
    mutating func next(_ route: SealingRoute, within limits: BatchLimits) -> [Draft] {
        guard var line = lines[route] else { return [] }
        // Messages of one content each may be with the pool already, which keeps their order.
        let count = limits.fitting(line.gathered)
        let drafts = Array(line.gathered.prefix(count))
        line.gathered.removeFirst(count)
        line.underway += 1
        line.isGathering = limits.count > 1
        lines[route] = line
        return drafts
    }

    /// The pool is done with a message of this line.
    mutating func leave(_ route: SealingRoute) {
        lines[route]?.underway -= 1
        guard let line = lines[route], line.underway <= 0 else { return }
        lines[route]?.isGathering = false
        if line.gathered.isEmpty { lines[route] = nil }
    }

    /// Takes out what gathers in a line.
    mutating func takeGathered(_ route: SealingRoute) -> [Draft] {
        defer { lines[route]?.gathered = [] }
        return lines[route]?.gathered ?? []
    }

    /// The row is on its way no more. True when it had waited for a key.
    mutating func remove(_ row: Outgoing) -> Bool {
        bytes -= sizes.removeValue(forKey: row.id) ?? 0
        return released.removeValue(forKey: row.id) != nil
    }

    /// How many that wait for a key may be taken up: none while what is on its way is long.
    var roomForReleased: Int {
        released.values.reduce(0, +) < Tuning.releasedBytes ? Tuning.releasedAtOnce - released.count : 0
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
