/// Tells from the way in which connections end whether another client may have our client id, where the broker does not
/// say so (MQTT 3.1.1, and some of MQTT 5).
///
/// Such connections are lost soon, each is made again at once, the session is always there, and nothing of ours was under
/// way that could be the cause. A network that comes and goes has attempts that fail in between, a broker that restarts
/// has such attempts or no session.
struct QuickLosses {
    /// So many in a row.
    static let suspicious = 5
    /// Seconds that a connection lasts at most that counts as soon lost.
    static let soon = 60.0

    private var count = 0
    private var began = 0.0

    mutating func connected(sessionPresent: Bool, at now: Double) {
        began = now
        if !sessionPresent { count = 0 }
    }

    /// An attempt failed.
    mutating func failed() { count = 0 }

    /// A connection ended. True once, when the ends make another client likely. `isIdle`: the broker owed no answer.
    mutating func lost(isIdle: Bool, at now: Double) -> Bool {
        count = isIdle && now - began < Self.soon ? count + 1 : 0
        guard count >= Self.suspicious else { return false }
        count = 0
        return true
    }
}
