/// The clockwork of a link. The daemon uses it as it is; tests make it quick.
package struct LinkTiming: Sendable {
    /// The first and the longest ceiling of the wait before another attempt, in seconds; it doubles in between.
    package var firstWait = 1.0
    package var longestWait = 120.0
    /// No wait is shorter, whatever the dice say.
    package var shortestWait = 0.1
    /// A connection that lasted so long starts the waits anew.
    package var steadyAfter = 10.0
    /// How long an address of the broker may take to answer at all, before the next one is tried. It doubles after an
    /// attempt that came to nothing by it, up to `answerWithin`, for lines that are slow.
    package var addressWithin = 5.0
    /// How long the broker may take over the TLS handshake and the CONNACK.
    package var answerWithin = 30.0
    /// After how long a broker that refused MQTT 5 is offered it again (at the next connection).
    package var offerAgainAfter = 86_400.0
    /// How long a clean end may take.
    package var farewellWithin = 3.0
    /// A number from 0 up to 1, for the jitter.
    package var dice: @Sendable () -> Double = { Double.random(in: 0..<1) }

    package init() {}
}

/// How long to wait before the next attempt: a ceiling that doubles, and full jitter below it, so that a hundred
/// boards do not come back at once.
package struct Backoff {
    private let timing: LinkTiming
    private var ceiling: Double

    package init(_ timing: LinkTiming) {
        self.timing = timing
        ceiling = timing.firstWait
    }

    /// - Parameter lasted: seconds that the connection lasted that ended; `nil` if there was none.
    package mutating func wait(after lasted: Double?) -> Double {
        if let lasted, lasted >= timing.steadyAfter { ceiling = timing.firstWait }
        let wait = max(timing.shortestWait, ceiling * timing.dice())
        ceiling = min(timing.longestWait, ceiling * 2)
        return wait
    }
}
