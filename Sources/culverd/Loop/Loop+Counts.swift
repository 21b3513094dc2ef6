extension Loop {
    /// Since the start of the daemon.
    struct Counts {
        var turns = 0
        var commits = 0
        /// What the main queue waited for commits.
        var commitSeconds = 0.0
        /// Turns that could not be written down, each attempt.
        var failures = 0
        /// What the disk did not let in: calls that were refused, and messages and results that were dropped.
        var givenUp = 0
        /// Times at which the disk began to fail.
        var faults = 0
    }
}
