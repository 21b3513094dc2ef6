import CLinux
import Glibc
import System

/// systemd, as it started this daemon and watches over it, without its library. What it hands over in the environment is
/// taken out there, so that programs that the daemon starts do not take it for theirs (sd_notify(3), sd_watchdog_enabled(3),
/// sd_listen_fds(3)).
struct Supervisor: Sendable {
    /// Seconds within which systemd wants to hear from the daemon; `nil` when it does not.
    let patience: Double?
    /// Descriptors that systemd listens on for the daemon. They are closed in programs that the daemon starts.
    let listeners: [Int32]
    private let socket: Int32?
    private let address: sockaddr_un
    private let length: socklen_t

    /// To be called once, before there are threads.
    init() {
        let pid = String(getpid())
        patience = Self.take("WATCHDOG_USEC", for: pid, "WATCHDOG_PID").flatMap(UInt64.init)
            .flatMap { $0 > 0 ? Double($0) / 1e6 : nil }
        let count = Self.take("LISTEN_FDS", for: pid, "LISTEN_PID").flatMap(Int32.init) ?? 0
        listeners = Array(3..<3 + min(max(count, 0), 64))
        unsetenv("LISTEN_FDNAMES")
        for number in listeners { Descriptor.closeOnExec(number) }
        (socket, address, length) = Self.open(Self.take("NOTIFY_SOCKET"))
    }

    /// Sends lines such as `READY=1`. `false`: there is no listener, or it does not hear.
    @discardableResult
    func tell(_ lines: String...) -> Bool {
        guard let socket else { return false }
        var text = lines.joined(separator: "\n")
        var address = address
        let sent = withUnsafeBytes(of: &address) { raw in
            raw.baseAddress.map { target in
                text.withUTF8 {
                    let flags = Int32(MSG_NOSIGNAL)
                    return sendto(
                        socket, $0.baseAddress, $0.count, flags, target.assumingMemoryBound(to: sockaddr.self), length)
                }
            }
        }
        return (sent ?? -1) >= 0
    }

    var isListening: Bool { socket != nil }

    /// In microseconds, as RELOADING wants it.
    static var monotonic: UInt64 {
        UInt64(KernelClock.monotonic.now * 1_000_000)
    }

    /// A variable, unless it is meant for another process.
    private static func take(_ name: String, for pid: String, _ addressee: String) -> String? {
        let (value, whom) = (take(name), take(addressee))
        return whom == nil || whom == pid ? value : nil
    }

    private static func take(_ name: String) -> String? {
        guard let value = getenv(name).map({ String(cString: $0) }) else { return nil }
        unsetenv(name)
        return value
    }

    /// A path, or `@` and an abstract name. A listener that does not hear within a second is not waited for.
    private static func open(_ name: String?) -> (Int32?, sockaddr_un, socklen_t) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let room = MemoryLayout.size(ofValue: address.sun_path)
        var bytes = Array((name ?? "").utf8)
        guard let first = bytes.first, bytes.count < room, [UInt8(ascii: "/"), UInt8(ascii: "@")].contains(first) else {
            return (nil, address, 0)
        }
        if first == UInt8(ascii: "@") { bytes[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(MemoryLayout<sockaddr_un>.size - room + bytes.count)
        let number = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard number >= 0 else { return (nil, address, 0) }
        _ = culver_limit_sending(number, 1)
        return (number, address, length)
    }
}
