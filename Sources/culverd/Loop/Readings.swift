import Glibc
import System

/// Where `Clock` reads the board's clocks: seconds since 1970, and seconds since the boot that `boot` names.
struct Readings {
    var boot: String
    var boottime: () -> Double
    var realtime: () -> Double

    static var system: Self {
        Self(boot: bootID(), boottime: { KernelClock.boottime.now }, realtime: { KernelClock.realtime.now })
    }

    private static func bootID() -> String {
        guard let file = fopen("/proc/sys/kernel/random/boot_id", "r") else { return "" }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 36)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }
}
