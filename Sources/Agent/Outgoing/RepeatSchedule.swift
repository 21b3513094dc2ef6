import Records

/// Every pause of an outgoing message, in one place. All times are seconds lived; none is later than the row expires,
/// because that is when the row is looked at last.
struct RepeatSchedule {
    private let lived: Double
    private let policy: Policy

    init(_ context: Context) {
        lived = context.now.lived
        policy = context.policy
    }

    /// After the first try the configured time-out for a receipt, doubling with each further one up to the longest pause.
    func nextTry(of row: Outgoing) -> Double {
        let doublings = min(max(row.attempts - 1, 0), 16)
        let longest = max(policy.longestPause, policy.receiptTimeout)
        return bounded(min(policy.receiptTimeout * Double(Int64(1) << doublings), longest), of: row)
    }

    /// A waiting row is looked at when the patience for a visa is over, since a meta's key will do then; after that, after
    /// the longest pause. `since`: when the look-up began, if there is one.
    func nextLook(at row: Outgoing, since: Double?) -> Double {
        let patience = (since ?? lived) + policy.visaPatience
        return min(row.expires, patience > lived ? patience : lived + policy.longestPause)
    }

    /// The pool seals it now, or no key can be made of what is known: looked at again should nothing come of it.
    func afterLongestPause(_ row: Outgoing) -> Double { bounded(policy.longestPause, of: row) }

    /// Whether the pool still waits for a receiver's visa after its look-up began, though its meta's key would do.
    func isPatient(since: Double) -> Bool { lived < since + policy.visaPatience }

    /// A message to a stock peer was tried, and no broker said a word since: the peer may have it. After this it is not sent
    /// again (extensions.md 5).
    static let doubt = 4.0 * 3600

    /// For how long a broker may keep a repeat for an absent receiver, in seconds, when the next one follows after `pause`:
    /// a little longer, so that there is always one and seldom two.
    static func spareLife(until pause: Double) -> Double { pause * 1.1 + 5 }

    private func bounded(_ pause: Double, of row: Outgoing) -> Double { min(row.expires, lived + pause) }
}
