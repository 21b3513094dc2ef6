/// So many a second, with a burst: a token bucket.
struct Budget: Sendable, Equatable {
    private let rate: Double
    private let burst: Double
    private var tokens: Double
    private var last: Double?

    /// The burst is one second's worth where nothing else is said, and never less than one.
    init(perSecond rate: Double, burst: Double? = nil) {
        self.rate = rate
        self.burst = max(1, burst ?? rate)
        tokens = self.burst
    }

    /// Takes so many if there is one: what is taken beyond is owed, and nothing is given until the debt is paid. So what costs
    /// more than a burst is possible, and the rate holds all the same. `lived` is in seconds lived.
    mutating func take(_ count: Double = 1, at lived: Double) -> Bool {
        tokens = tokens(at: lived)
        last = lived
        guard tokens >= 1 else { return false }
        tokens -= count
        return true
    }

    /// Whether nothing is owed and all of the burst is there.
    func isFull(at lived: Double) -> Bool { tokens(at: lived) >= burst }

    func hasRoom(at lived: Double) -> Bool { tokens(at: lived) >= 1 }

    /// Takes what was used already.
    mutating func spend(_ count: Double, at lived: Double) {
        tokens = tokens(at: lived) - count
        last = lived
    }

    private func tokens(at lived: Double) -> Double {
        guard let last else { return tokens }
        return min(burst, tokens + max(0, lived - last) * rate)
    }
}
