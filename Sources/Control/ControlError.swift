import System

/// What goes wrong with the socket itself, at either end.
package enum ControlError: Error, Sendable, Equatable {
    /// No daemon listens at this path.
    case noDaemon(path: String)
    /// The socket is there, but not for this user.
    case notPermitted(path: String)
    /// Another daemon listens at this path.
    case inUse(path: String)
    /// The path is taken by something that is no socket, or is longer than a socket's may be.
    case badPath(path: String, why: String)
    /// The other side hung up.
    case closed
    case timedOut
    /// The other side does not speak this protocol.
    case unintelligible(String)
    /// A system call failed: what was tried, on what, and `errno`.
    case system(operation: String, path: String, errno: Int32)
}

extension ControlError {
    package var exit: ExitCode {
        switch self {
        case .noDaemon, .closed: .noDaemon
        case .notPermitted: .notPermitted
        case .timedOut: .notNow
        case .inUse, .badPath: .configuration
        case .unintelligible, .system: .io
        }
    }
}

extension ControlError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .noDaemon(let path): "no daemon listens on \(path)"
        case .notPermitted(let path): "no permission to use \(path)"
        case .inUse(let path): "another daemon listens on \(path)"
        case .badPath(let path, let why): "\(path) cannot be a socket: \(why)"
        case .closed: "the daemon closed the connection"
        case .timedOut: "the daemon did not answer in time"
        case .unintelligible(let words): "the daemon's answer is not understood: \(words)"
        case .system(let operation, let path, let errno):
            "cannot \(operation) \(path): \(Errno(errno))"
        }
    }
}
