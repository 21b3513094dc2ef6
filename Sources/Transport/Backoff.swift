/// How long to wait before the next attempt: a ceiling that doubles, and full jitter below it, so that a hundred
/// boards do not come back at once.
struct Backoff {
    private let timing: LinkTiming
    private var ceiling: Double

    init(_ timing: LinkTiming) {
        self.timing = timing
        ceiling = timing.firstWait
    }

    /// - Parameter lasted: seconds that the connection lasted that ended; `nil` if there was none.
    mutating func wait(after lasted: Double?) -> Double {
        if let lasted, lasted >= timing.steadyAfter { ceiling = timing.firstWait }
        let wait = max(timing.shortestWait, ceiling * timing.dice())
        ceiling = min(timing.longestWait, ceiling * 2)
        return wait
    }
}
