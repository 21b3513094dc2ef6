package import Glibc

/// An open file descriptor. It is closed with its last owner, so that its number does not become another file's while
/// somebody still uses it, and in programs that this process starts.
package final class Descriptor: Sendable {
    package let number: Int32

    /// Takes over a number that is open already.
    package init(owning number: Int32) {
        self.number = number
    }

    /// Opens a path that others may have changed: fails for a symbolic link, and is not held up by a pipe.
    package init(_ path: String, flags: Int32, mode: UInt32 = 0) throws(Errno) {
        number = try Self.checked(open(path, flags | Self.guarded, mode))
    }

    /// The same for a name in an open directory, whatever the directory's path has become.
    package init(_ name: String, in directory: Descriptor, flags: Int32) throws(Errno) {
        number = try Self.checked(openat(directory.number, name, flags | Self.guarded))
    }

    /// Opens what a path of the user's leads to: follows links, and waits for the other end of a pipe.
    package init(following path: String, flags: Int32) throws(Errno) {
        number = try Self.checked(open(path, flags | O_CLOEXEC))
    }

    /// A second number for what `number` stands for, which stays its owner's.
    package init(duplicating number: Int32) throws(Errno) {
        self.number = try Self.checked(fcntl(number, F_DUPFD_CLOEXEC, 0))
    }

    deinit {
        close(number)
    }

    private static let guarded = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK

    /// Called before `number` is set: an object without it has no `deinit`, whose `close` would change `errno`.
    private static func checked(_ number: Int32) throws(Errno) -> Int32 {
        guard number >= 0 else { throw .last }
        return number
    }

    /// Has a number that somebody else owns closed in programs that this process starts.
    @discardableResult
    package static func closeOnExec(_ number: Int32) -> Bool { fcntl(number, F_SETFD, FD_CLOEXEC) == 0 }

    package func status() throws(Errno) -> stat {
        var status = stat()
        guard fstat(number, &status) == 0 else { throw .last }
        return status
    }

    /// Up to `limit` bytes, from where it stands; fewer only at the end.
    package func read(limit: Int) throws(Errno) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: limit)
        var filled = 0
        while filled < limit {
            let count = bytes.withUnsafeMutableBytes {
                Glibc.read(number, $0.baseAddress.map { $0 + filled }, limit - filled)
            }
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw .last }
            guard count > 0 else { break }
            filled += count
        }
        bytes.removeLast(limit - filled)
        return bytes
    }

    /// Up to `limit` bytes from this place on, wherever it stands.
    package func read(at offset: Int64, limit: Int) throws(Errno) -> [UInt8] {
        guard let place = off_t(exactly: offset) else { throw Errno(EOVERFLOW) }
        guard lseek(number, place, SEEK_SET) >= 0 else { throw .last }
        return try read(limit: limit)
    }

    /// All of them.
    package func write(_ bytes: [UInt8]) throws(Errno) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(number, $0.baseAddress.map { $0 + done }, bytes.count - done)
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw count == 0 ? Errno(EIO) : .last }
            done += count
        }
    }

    /// All of them from this place on, which becomes the end where there is nothing yet.
    package func write(_ bytes: [UInt8], at offset: Int64) throws(Errno) {
        guard let place = off_t(exactly: offset) else { throw Errno(EOVERFLOW) }
        guard lseek(number, place, SEEK_SET) >= 0 else { throw .last }
        try write(bytes)
    }

    /// What was written is on the disk when this returns.
    package func sync() throws(Errno) {
        guard fsync(number) == 0 else { throw .last }
    }
}
