/// A restore into this directory was interrupted: a reason not to start, for half of it may be missing.
package struct Unfinished: Error, Sendable, Equatable, CustomStringConvertible {
    package var path: String

    package init(path: String) { self.path = path }

    package var description: String {
        "a restore into \(path) was interrupted: run culver restore FILE --state \(path) again"
    }
}

extension StateDirectory {
    /// Throws `Retired` or `Unfinished` for a directory that nobody goes on with as it is.
    package func checkIsLive() throws {
        if try exists(StatePath.restoring) { throw Unfinished(path: path) }
        if let retired = try retirement() { throw retired }
    }
}
