import CLinux
import Glibc
import System

/// What the kernel says of this process, under the names that Prometheus' own clients use.
struct Process {
    var residentBytes: Int64 = 0
    var virtualBytes: Int64 = 0
    var cpuSeconds = 0.0
    /// Seconds since 1970, by the clock of now.
    var started = 0.0
    var openFiles = 0
    var mostFiles = 0

    /// What cannot be read stays 0. `stat` holds what `/proc/self/stat` does.
    init(stat: [UInt8] = Host.read("/proc/self/stat", limit: 1024) ?? []) {
        readStatus(stat)
        cpuSeconds = KernelClock.processor.now
        // Not getrlimit: Swift 6.0 does not see RLIMIT_NOFILE in the headers of trixie.
        mostFiles = max(0, sysconf(Int32(_SC_OPEN_MAX)))
        openFiles = Self.count("/proc/self/fd")
    }

    /// Fields 22 to 24: start in ticks since the boot, virtual bytes, resident pages. The name in
    /// field 2 may have blanks and brackets.
    private mutating func readStatus(_ bytes: [UInt8]) {
        guard let bracket = bytes.lastIndex(of: UInt8(ascii: ")")) else { return }
        let fields = bytes[bracket...].split(separator: UInt8(ascii: " ")).map { String(decoding: $0, as: UTF8.self) }
        guard fields.count > 22, let ticks = Double(fields[20]), let virtual = Int64(fields[21]),
            let pages = Int64(fields[22])
        else { return }
        virtualBytes = virtual
        residentBytes = pages * Int64(sysconf(Int32(_SC_PAGESIZE)))
        let age = KernelClock.boottime.now - ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
        started = KernelClock.realtime.now - age
    }

    /// Entries of a directory, but for `.`, `..` and the one that reading opens.
    private static func count(_ path: String) -> Int {
        guard let directory = opendir(path) else { return 0 }
        defer { closedir(directory) }
        var count = 0
        while readdir(directory) != nil { count += 1 }
        return max(0, count - 3)
    }
}
