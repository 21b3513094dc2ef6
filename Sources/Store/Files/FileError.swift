import Glibc
import System

/// The disk's fault or that of whoever changed it: the operation, the thing and the cause in one line.
package struct FileError: Error, Sendable, Equatable, CustomStringConvertible {
    package var description: String
    /// The disk or its quota is full, so trying later may help.
    package var isFull: Bool
    /// Another process holds the directory's lock.
    package var isHeld: Bool

    package init(_ description: String, isFull: Bool = false, isHeld: Bool = false) {
        self.description = description
        self.isFull = isFull
        self.isHeld = isHeld
    }
}

extension Errno {
    /// What a person reads: the operation, the thing and the cause.
    func error(_ operation: String, _ name: String) -> FileError {
        let words =
            switch code {
            case ELOOP: "it is a symbolic link, which is not followed"
            case EMLINK: "it is a file of another place as well, a hard link"
            default: words
            }
        return FileError("cannot \(operation) \(name): \(words)", isFull: isFull)
    }
}
