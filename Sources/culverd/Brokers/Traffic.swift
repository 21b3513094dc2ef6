import Transport

/// What passed between this daemon and one broker since the start of the daemon.
struct Traffic {
    var connections: Int64 = 0
    /// Connections that ended without our wish, and attempts that failed.
    var losses: Int64 = 0
    var failures: Int64 = 0
    var takeOvers: Int64 = 0
    /// Publications by what the broker said of them.
    var taken: Int64 = 0
    var nobody: Int64 = 0
    var refused: Int64 = 0
    /// Publications without any word when the connection ended.
    var lost: Int64 = 0
    /// Publications that came, and their bytes.
    var received: Int64 = 0
    var receivedBytes: Int64 = 0
    /// Publications that came and were longer than this board takes.
    var tooLong: Int64 = 0

    mutating func count(_ outcome: PublishOutcome) {
        switch outcome {
        case .accepted: taken += 1
        case .nobody: nobody += 1
        case .refused: refused += 1
        }
    }
}
