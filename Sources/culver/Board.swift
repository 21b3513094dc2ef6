import CLinux
import Control
import Diagnostics
import Glibc

/// What the tool itself sees of the board that it runs on.
enum Board {
    static var user: String { getpwuid(geteuid()).map { String(cString: $0.pointee.pw_name) } ?? "\(geteuid())" }

    // MARK: - Clock

    /// Not the daemon's: its unit takes all calls about clocks from it. `nil` when the kernel does not tell.
    static func synchronisation() -> Check? {
        switch culver_clock_is_synchronised() {
        case 1: Check("clock-sync", .ok, "the clock is kept in step")
        case 0:
            Check(
                "clock-sync", .warn, "nothing keeps the clock in step: messages are refused when it is far off",
                hint: "timedatectl set-ntp true; timedatectl timesync-status")
        default: nil
        }
    }

    // MARK: - Socket

    /// Who may use it; `nil` where there is none, which the daemon's line says.
    static func socket(_ path: String) -> Check? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            return Check("socket", .fail, "\(path) is no socket", hint: "rm \(path); systemctl restart culver")
        }
        let group = getgrgid(status.st_gid).map { String(cString: $0.pointee.gr_name) } ?? "\(status.st_gid)"
        let mode = String(status.st_mode & 0o777, radix: 8)
        if status.st_mode & 0o006 != 0 {
            return Check(
                "socket", .warn, "\(path) has mode \(mode): every user of this machine may connect",
                hint: "chmod 660 \(path)")
        }
        if path == SocketPath.system, let ours = getgrnam("culver"), ours.pointee.gr_gid != status.st_gid {
            return Check(
                "socket", .warn, "\(path) belongs to the group \(group): members of culver may not connect",
                hint: "chgrp culver \(path)")
        }
        return Check("socket", .ok, "\(path) has mode \(mode) and group \(group)")
    }

    static func cure(_ error: ControlError, _ path: String) -> String {
        switch error {
        case .notPermitted: "sudo usermod -aG culver \(user), and log in again"
        default:
            path == SocketPath.system
                ? "systemctl start culver; journalctl -u culver -n 50"
                : "start culverd; --socket PATH names another socket"
        }
    }

    // MARK: - State

    /// Where the files lie when no daemon says so: what the configuration names, the user's own, or the system's.
    static func state(config: String?) throws -> String {
        if let config {
            let text = String(decoding: try CommandInput.bytes(of: config), as: UTF8.self)
            if let path = SocketPath.named("state", in: text) { return path }
        }
        let own = SocketPath.ownState(Globals.variable)
        return access(own, F_OK) == 0 ? own : "/var/lib/culver"
    }

    // MARK: - Unit

    /// How far the installed unit locks the daemon in, by systemd's own count; `nil` where either is missing.
    static func unit() -> Check? {
        let places = ["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"]
        let files: [String] = places.map { "\($0)/culver.service" }
        guard let file = files.first(where: { access($0, R_OK) == 0 }),
            let text = output("systemd-analyze security --offline=true --no-pager \(file) 2>/dev/null"),
            let score = score(in: text)
        else { return nil }
        let words = "systemd counts an exposure of \(score) of 10 for \(file)"
        return score <= 1.2
            ? Check("unit", .ok, words)
            : Check("unit", .warn, "\(words), where it comes with 1.2", hint: "apt-get install --reinstall culver")
    }

    /// `→ Overall exposure level for culver.service: 1.1 OK :-)`
    static func score(in text: String) -> Double? {
        guard let line = text.split(separator: "\n").last(where: { $0.hasPrefix("→ Overall exposure level") }),
            let colon = line.firstIndex(of: ":")
        else { return nil }
        return line[line.index(after: colon)...].split(separator: " ").first.flatMap { Double($0) }
    }

    private static func output(_ command: String) -> String? {
        guard let stream = popen(command, "r") else { return nil }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4096)
        while case let count = fread(&piece, 1, piece.count, stream), count > 0 { bytes += piece.prefix(count) }
        return pclose(stream) == 0 ? String(decoding: bytes, as: UTF8.self) : nil
    }
}
