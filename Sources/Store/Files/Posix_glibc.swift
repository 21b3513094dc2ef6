import Glibc

/// A call of the system that failed.
struct Failure: Error, Equatable {
    var code: Int32

    /// Of the call just made.
    static var last: Failure { Failure(code: errno) }

    var isAbsent: Bool { code == ENOENT || code == ENOTDIR }

    /// The system's words in our style: lower case.
    var words: String {
        let words = String(cString: strerror(code))
        return words.prefix(1).lowercased() + words.dropFirst()
    }

    func error(_ operation: String, _ name: String) -> FileError {
        FileError("cannot \(operation) \(name): \(words)", isFull: code == ENOSPC || code == EDQUOT)
    }
}

/// An open file, closed with its last owner. A pipe under its name does not hold up whoever opens it.
final class Descriptor: Sendable {
    let number: Int32

    init(_ path: String, _ flags: Int32, mode: UInt32 = 0) throws(Failure) {
        // Not into `number` yet: an object without one has no `deinit`, whose `close` would change `errno`.
        let opened = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, mode)
        guard opened >= 0 else { throw .last }
        number = opened
    }

    /// A name in an open directory, whatever its path has become.
    init(_ name: String, in directory: Descriptor, _ flags: Int32) throws(Failure) {
        let opened = openat(directory.number, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard opened >= 0 else { throw .last }
        number = opened
    }

    deinit {
        close(number)
    }

    func status() throws(Failure) -> stat {
        var status = stat()
        guard fstat(number, &status) == 0 else { throw .last }
        return status
    }

    /// Up to `limit` bytes, from where it stands.
    func read(limit: Int) throws(Failure) -> [UInt8] {
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
    func read(at offset: Int, limit: Int) throws(Failure) -> [UInt8] {
        guard lseek(number, off_t(offset), SEEK_SET) >= 0 else { throw .last }
        return try read(limit: limit)
    }

    func write(_ bytes: [UInt8]) throws(Failure) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(number, $0.baseAddress.map { $0 + done }, bytes.count - done)
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw count == 0 ? Failure(code: EIO) : .last }
            done += count
        }
    }

    func sync() throws(Failure) {
        guard fsync(number) == 0 else { throw .last }
    }
}

/// Bytes that may still be written to the file system of a path.
func room(at path: String) throws(Failure) -> Int {
    var found = statvfs()
    guard statvfs(path, &found) == 0 else { throw .last }
    return Int(clamping: UInt64(found.f_bavail)) * Int(found.f_frsize)
}

/// The names in a directory, in no order, without `.` and `..`.
func names(in path: String) throws(Failure) -> [String] {
    guard let directory = opendir(path) else { throw .last }
    return names(reading: directory)
}

/// The same of a directory that is open.
func names(in directory: Descriptor) throws(Failure) -> [String] {
    let copy = fcntl(directory.number, F_DUPFD_CLOEXEC, 0)
    guard copy >= 0 else { throw .last }
    guard let stream = fdopendir(copy) else {
        close(copy)
        throw .last
    }
    rewinddir(stream)
    return names(reading: stream)
}

/// Closes it.
private func names(reading directory: OpaquePointer) -> [String] {
    defer { closedir(directory) }
    var found: [String] = []
    while let entry = readdir(directory) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
            $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name != "." && name != ".." { found.append(name) }
    }
    return found
}

/// Of the name itself, not of what a symbolic link points to.
func status(of path: String) throws(Failure) -> stat {
    var status = stat()
    guard lstat(path, &status) == 0 else { throw .last }
    return status
}

extension stat {
    var isDirectory: Bool { st_mode & S_IFMT == S_IFDIR }
    var isRegular: Bool { st_mode & S_IFMT == S_IFREG }
    /// What group and others may do.
    var openness: UInt32 { st_mode & 0o077 }
}
