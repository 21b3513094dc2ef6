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
        guard hasRoom(at: lived) else { return false }
        spend(count)
        return true
    }

    mutating func hasRoom(at lived: Double) -> Bool {
        if let last { tokens = min(burst, tokens + max(0, lived - last) * rate) }
        last = lived
        return tokens >= 1
    }

    /// Takes what was used already.
    mutating func spend(_ count: Double) {
        tokens -= count
    }
}
