import Glibc

/// How much a file system can still take.
package struct Room: Sendable, Equatable {
    /// Bytes for a user without privileges.
    package var free: UInt64
    package var total: UInt64
    /// Files that may still be made; `nil` where the file system does not count them.
    package var freeFiles: UInt64?
    package var isReadOnly: Bool

    package init(free: UInt64, total: UInt64, freeFiles: UInt64? = nil, isReadOnly: Bool = false) {
        self.free = free
        self.total = total
        self.freeFiles = freeFiles
        self.isReadOnly = isReadOnly
    }

    /// Of the file system that `path` is on.
    package init(at path: String) throws(FileError) {
        var found = statvfs()
        guard statvfs(path, &found) == 0 else { throw Failure.last.error("measure the file system of", path) }
        let block = UInt64(found.f_frsize)
        free = UInt64(found.f_bavail) * block
        total = UInt64(found.f_blocks) * block
        freeFiles = found.f_files > 0 ? UInt64(found.f_favail) : nil
        isReadOnly = found.f_flag & UInt(ST_RDONLY) != 0
    }
}
