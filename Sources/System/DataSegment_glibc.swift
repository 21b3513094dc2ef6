import Glibc

/// What `RLIMIT_DATA` counts of this process: the heap, and private memory that can be written.
package enum DataSegment {
    /// Bytes, by the sixth number of `/proc/self/statm` (proc(5)); `nil` where that cannot be read.
    package static var bytes: Int64? {
        guard file >= 0 else { return nil }
        var pages: Int64 = 0
        var (field, isNumber) = (0, false)
        let isRead = withUnsafeTemporaryAllocation(byteCount: 256, alignment: 1) { buffer in
            let count = pread(file, buffer.baseAddress, buffer.count, 0)
            guard count > 0 else { return false }
            for byte in buffer.prefix(count) {
                isNumber = byte >= 0x30 && byte <= 0x39
                if !isNumber { field += 1 } else if field == 5 { pages = pages * 10 + Int64(byte - 0x30) }
            }
            return field >= 6
        }
        return isRead ? pages * Int64(sysconf(Int32(_SC_PAGESIZE))) : nil
    }

    /// Kept open for the life of the process.
    private static let file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
}
