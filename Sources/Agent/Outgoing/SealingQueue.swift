import Records

/// Messages that the pool seals now: they are in no ledger's sums yet, and their refs in no table.
struct SealingQueue {
    private var sizes: [String: Int64] = [:]
    /// The bytes of their contents.
    private(set) var bytes: Int64 = 0
    /// Those that had waited for a key, with their bytes: only so many are given to the pool at a time.
    private var released: [String: Int] = [:]
    /// What each ref was asked for, and the callers that asked again meanwhile.
    private var refs: [Ref: (request: [UInt8], tokens: [UInt64])] = [:]

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
    mutating func insert(_ row: Outgoing, isReleased: Bool) {
        let size = row.content?.utf8.count ?? 0
        bytes += Int64(size) - (sizes.updateValue(Int64(size), forKey: row.id) ?? 0)
        if isReleased { released[row.id] = size }
        if row.order == 0, let ref = Ref(row) { refs[ref] = (row.request, []) }
    }

    /// The pool is done with it. True when it had waited for a key.
    mutating func remove(_ row: Outgoing) -> Bool {
        bytes -= sizes.removeValue(forKey: row.id) ?? 0
        return released.removeValue(forKey: row.id) != nil
    }

    /// How many that wait for a key may be given to the pool: none while what it has is long.
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
