import Glibc

/// How much a file system can still take.
package struct DiskSpace: Sendable, Equatable {
    /// Bytes for a user without privileges.
    package var free: Int64
    package var total: Int64
    /// Files that may still be made; `nil` where the file system does not count them.
    package var freeFiles: Int64?
    package var isReadOnly: Bool

    package init(free: Int64, total: Int64, freeFiles: Int64? = nil, isReadOnly: Bool = false) {
        self.free = free
        self.total = total
        self.freeFiles = freeFiles
        self.isReadOnly = isReadOnly
    }

    /// Of the file system that `path` is on.
    package init(at path: String) throws(Errno) {
        var found = statvfs()
        guard statvfs(path, &found) == 0 else { throw .last }
        free = Self.bytes(UInt64(found.f_bavail), UInt64(found.f_frsize))
        total = Self.bytes(UInt64(found.f_blocks), UInt64(found.f_frsize))
        freeFiles = found.f_files > 0 ? Int64(clamping: found.f_favail) : nil
        isReadOnly = found.f_flag & UInt(ST_RDONLY) != 0
    }

    /// Blocks in bytes. Some network file systems name more than there can be.
    static func bytes(_ blocks: UInt64, _ size: UInt64) -> Int64 {
        let (bytes, isTooLarge) = blocks.multipliedReportingOverflow(by: size)
        return isTooLarge ? .max : Int64(clamping: bytes)
    }
}
