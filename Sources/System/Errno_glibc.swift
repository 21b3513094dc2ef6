import Glibc

/// A system call that failed, as `errno` tells it.
package struct Errno: Error, Sendable, Equatable, CustomStringConvertible {
    package let code: Int32

    package init(_ code: Int32) {
        self.code = code
    }

    /// Of the call just made. The next call of any kind may change it, so it is read first of all.
    package static var last: Errno { Errno(errno) }

    /// There is no such file.
    package var isAbsent: Bool { code == ENOENT || code == ENOTDIR }

    /// The disk, or the user's part of it, is full.
    package var isFull: Bool { code == ENOSPC || code == EDQUOT }

    /// The system's words in our style: `no space left on device`.
    package var words: String {
        let words = String(cString: strerror(code))
        return words.prefix(1).lowercased() + words.dropFirst()
    }

    package var description: String { words }
}
