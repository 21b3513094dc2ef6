/// So many a second, with a burst of one second's worth: a token bucket.
struct Budget: Sendable, Equatable {
    private let rate: Double
    private var tokens: Double
    private var last: Double?

    init(perSecond rate: Double) {
        self.rate = rate
        tokens = rate
    }

    /// Takes one if there is one. `lived` is in seconds lived.
    mutating func take(at lived: Double) -> Bool {
        if let last { tokens = min(rate, tokens + max(0, lived - last) * rate) }
        last = lived
        guard tokens >= 1 else { return false }
        tokens -= 1
        return true
    }
}
