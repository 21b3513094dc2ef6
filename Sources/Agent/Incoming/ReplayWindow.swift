import Format

/// Which numbers of one stream of one sender have come (extensions.md 3, Sequence). Kept in the ledger as JSON.
///
///     {"first": 1, "high": 9, "holes": [[4, 5, since, told]]}    1…3 and 6…9 came, 4 and 5 not yet
///
/// What came before `first` is unknown: a late joiner misses nothing, and a number out of a forgotten hole is no clone's.
struct ReplayWindow: Sendable, Equatable {
    private(set) var first: Int64
    private(set) var high: Int64
    private(set) var holes: [Hole] = []

    struct Hole: Sendable, Equatable {
        var from: Int64
        var through: Int64
        /// Seconds lived when it was noticed.
        var since: Double
        /// Somebody was told.
        var isTold = false
    }

    enum Verdict: Equatable {
        /// In order, or filling a hole.
        case new
        /// Numbers before it are missing: they may still come.
        case ahead
        /// This number came before, in another ciphertext.
        case again
        /// From before the first number of which this board still knows whether it came.
        case unknown
    }

    /// Holes beyond this many are forgotten, the oldest first: what they and all before them held is unknown from then on.
    private static let limit = 64

    init(first number: Int64) {
        first = number
        high = number
    }

    mutating func take(_ number: Int64, lived: Double) -> Verdict {
        if number > high {
            let isAhead = number > high + 1
            if isAhead {
                holes.append(Hole(from: high + 1, through: number - 1, since: lived))
                forgetOldest()
            }
            high = number
            return isAhead ? .ahead : .new
        }
        guard number >= first else { return .unknown }
        guard let index = holes.firstIndex(where: { $0.from <= number && number <= $0.through }) else { return .again }
        let hole = holes.remove(at: index)
        var rest: [Hole] = []
        if hole.from < number {
            rest.append(Hole(from: hole.from, through: number - 1, since: hole.since, isTold: hole.isTold))
        }
        if number < hole.through {
            rest.append(Hole(from: number + 1, through: hole.through, since: hole.since, isTold: hole.isTold))
        }
        holes.insert(contentsOf: rest, at: index)
        forgetOldest()
        return .new
    }

    private mutating func forgetOldest() {
        while holes.count > Self.limit { first = holes.removeFirst().through + 1 }
    }

    /// When the oldest hole that nobody was told of was noticed.
    var nextHole: Double? { holes.lazy.filter { !$0.isTold }.map(\.since).min() }

    /// Holes that are older than `patience` seconds and were not told before: from now on they count as told.
    mutating func overdue(lived: Double, patience: Double) -> [Hole] {
        var found: [Hole] = []
        for index in holes.indices where !holes[index].isTold && lived >= holes[index].since + patience {
            holes[index].isTold = true
            found.append(holes[index])
        }
        return found
    }
}

extension ReplayWindow {
    init?(_ text: String) {
        guard let json = try? JSON(parsing: text), let first = json["first"]?.integer,
            let high = json["high"]?.integer, first <= high
        else { return nil }
        self.first = first
        self.high = high
        holes = (json["holes"]?.array ?? []).compactMap { row in
            guard let row = row.array, row.count == 4, let from = row[0].integer, let through = row[1].integer,
                let since = row[2].double, let isTold = row[3].bool, first <= from, from <= through, through < high
            else { return nil }
            return Hole(from: from, through: through, since: since, isTold: isTold)
        }
    }

    var text: String {
        let rows = holes.map { hole -> JSON in
            [.integer(hole.from), .integer(hole.through), .number(hole.since), .bool(hole.isTold)]
        }
        let json: JSON = ["first": .integer(first), "high": .integer(high), "holes": .array(rows)]
        return json.text
    }
}
