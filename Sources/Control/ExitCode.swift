/// How a command of the tool ends (culver(1)). The socket's own errors carry the same numbers.
package enum ExitCode: Int32, Sendable, CaseIterable {
    case usage = 64
    case badData = 65
    /// No such file or message.
    case noInput = 66
    /// An unknown name, contact or identity.
    case unknownName = 67
    case noDaemon = 69
    case exists = 73
    case io = 74
    /// Timed out, outbox or disk full, locked.
    case notNow = 75
    case undelivered = 76
    case notPermitted = 77
    case configuration = 78
}
