import Transport

/// What passed between this daemon and one broker since the start of the daemon.
struct Traffic {
    var connections = 0
    /// Connections that ended without our wish, and attempts that failed.
    var losses = 0
    var failures = 0
    var takeOvers = 0
    /// Publications by what the broker said of them.
    var taken = 0
    var nobody = 0
    var refused = 0
    /// Publications without any word when the connection ended.
    var lost = 0
    /// Publications that came, and their bytes.
    var received = 0
    var receivedBytes = 0
    /// Publications that came and were longer than this board takes.
    var tooLong = 0

    mutating func count(_ outcome: PublishOutcome) {
        switch outcome {
        case .accepted: taken += 1
        case .nobody: nobody += 1
        case .refused: refused += 1
        }
    }
}
