/// How the exchange with one peer stands.
package struct PeerCount: Sendable, Equatable {
    /// Full ID.
    package var did: String
    /// Messages accepted for this peer, and those of them whose receipt was verified, ever.
    package var sent: Int64
    package var receipted: Int64
    /// Messages that have not ended, and when the oldest of them was accepted: seconds since 1970, 0 when that is not
    /// known; `nil` without any.
    package var pending: Int64
    package var oldest: Double?
    /// Holes in this peer's numbers that nobody filled.
    package var gaps: Int64
}
