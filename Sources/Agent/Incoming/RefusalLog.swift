import DIMP

/// Rejections by their reason, so that a flood of one kind is one event a minute and not one each.
struct RefusalLog {
    private struct Entry {
        var count: Int64
        /// When the reason was last told, in seconds lived.
        var told: Double
        var sender: ID?
    }

    private var entries: [Rejection: Entry] = [:]

    /// Counts one. True if it is to be told at once, because its reason is new.
    mutating func count(_ rejection: Rejection, of sender: ID?, lived: Double) -> Bool {
        if entries[rejection] == nil, entries.count < Tuning.refusalReasons {
            entries[rejection] = Entry(count: 0, told: lived, sender: sender)
            return true
        }
        entries[rejection]?.count += 1
        return false
    }

    /// Those whose minute is over, with how many came in it. They are forgotten.
    mutating func takeOverdue(lived: Double) -> [(rejection: Rejection, sender: ID?, count: Int64)] {
        let overdue = entries.filter { lived >= $0.value.told + Tuning.refusalPause }
        for rejection in overdue.keys { entries[rejection] = nil }
        return overdue.map { ($0.key, $0.value.sender, $0.value.count) }
    }

    var nextDue: Double? {
        entries.values.lazy.filter { $0.count > 0 }.map { $0.told + Tuning.refusalPause }.min()
    }
}
