package import Glibc

/// The names in a directory, in no order, without `.` and `..`.
package func names(in path: String) throws(Errno) -> [String] {
    guard let directory = opendir(path) else { throw .last }
    return names(reading: directory)
}

/// The same of a directory that is open.
package func names(in directory: Descriptor) throws(Errno) -> [String] {
    let copy = fcntl(directory.number, F_DUPFD_CLOEXEC, 0)
    guard copy >= 0 else { throw .last }
    guard let stream = fdopendir(copy) else {
        let error = Errno.last
        close(copy)
        throw error
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
package func status(of path: String) throws(Errno) -> stat {
    var status = stat()
    guard lstat(path, &status) == 0 else { throw .last }
    return status
}

extension stat {
    package var isDirectory: Bool { st_mode & S_IFMT == S_IFDIR }
    package var isLink: Bool { st_mode & S_IFMT == S_IFLNK }
    package var isRegular: Bool { st_mode & S_IFMT == S_IFREG }
    /// What group and others may do.
    package var openness: UInt32 { st_mode & 0o077 }
}
