/// Now, on two clocks. The agent has none of its own: every input says when it happened.
package struct Moment: Sendable, Equatable {
    /// Seconds since 1970: the board's clock, or our best guess while that is unset.
    package var wall: Double
    /// False before the clock was set: then nothing is too old and nothing is pruned (extensions.md 6).
    package var isClockSet: Bool
    /// Seconds that this installation has lived, over all restarts. Never goes back; expiry and back-off count it.
    package var lived: Double

    package init(wall: Double, isClockSet: Bool = true, lived: Double) {
        self.wall = wall
        self.isClockSet = isClockSet
        self.lived = lived
    }
}
