/// Results of key work that began while its turn was being committed: they count only if the turn does.
///
/// One turn at a time is `open`. Until `release` its results are held in order; after `drop` those that are held are
/// forgotten, and those that are still to come are recognised by the number of their turn.
struct EarlyResults {
    private var open: (turn: Int64, jobs: Int)?
    private var held: [Input] = []
    /// Failed turns and how many of their jobs are still at work.
    private var dropped: [Int64: Int] = [:]

    mutating func open(turn: Int64, jobs: Int) {
        open = (turn, jobs)
    }

    /// The result, if it counts now.
    mutating func take(_ result: Input, ofTurn turn: Int64) -> Input? {
        if turn == open?.turn {
            held.append(result)
            return nil
        }
        guard let jobs = dropped[turn] else { return result }
        dropped[turn] = jobs > 1 ? jobs - 1 : nil
        return nil
    }

    /// The turn is on disk: what was held counts, and what comes later counts at once.
    mutating func release() -> [Input] {
        defer { (open, held) = (nil, []) }
        return held
    }

    /// The turn has failed.
    mutating func drop() {
        if let open, open.jobs > held.count { dropped[open.turn] = open.jobs - held.count }
        (open, held) = (nil, [])
    }
}
