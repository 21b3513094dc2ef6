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

    /// Takes one if there is one. `lived` is in seconds lived.
    mutating func take(at lived: Double) -> Bool {
        if let last { tokens = min(burst, tokens + max(0, lived - last) * rate) }
        last = lived
        guard tokens >= 1 else { return false }
        tokens -= 1
        return true
    }
}
