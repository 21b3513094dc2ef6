/// How much is kept, and for how long (culver.conf(5)). Ages are seconds.
package struct StoreLimits: Sendable, Equatable {
    package var inboxRows = 100_000
    package var inboxBytes: Int64 = 256 << 20
    /// How long the inbox keeps what everybody has read.
    package var keep = 30 * day
    /// Parked messages, for verified and unverified ones separately.
    package var parkedPerSender = 64
    package var parkedRows = 1_000
    package var parkedBytes: Int64 = 64 << 20
    package var parkedAge = 7 * day
    /// By the content's time. Contents are refused a day earlier.
    package var digestAge = 32 * day
    /// Digests of contents without usable time, per sender: no age ends them.
    package var timelessDigests = 10_000
    /// After the end of an outgoing message; its `ref` is remembered as long.
    package var endedAge = 30 * day
    package var events = 20_000
    /// After the deadline of a call, in both directions.
    package var callAge = 3_600.0
    /// Like events within so many seconds share a row.
    package var likeness = 60.0

    package init() {}
}

private let day = 86_400.0
