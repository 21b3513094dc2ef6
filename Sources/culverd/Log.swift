import Glibc
import Records

/// Lines on stderr with journald's priority prefixes; on a terminal with the time, and the level where it is grave.
/// Control characters are shown, not sent: names and reasons come from outside.
struct Log: Sendable {
    /// What is less grave is not written.
    var level: EventRecord.Level

    private static let isWatched = isatty(STDERR_FILENO) == 1

    func callAsFunction(_ level: EventRecord.Level, _ text: @autoclosure () -> String) {
        guard level.priority <= self.level.priority else { return }
        var line = Self.isWatched ? Self.head(of: level) : "<\(level.priority)>"
        for scalar in text().unicodeScalars {
            if scalar.properties.generalCategory == .control {
                line += "\\u{\(String(scalar.value, radix: 16))}"
            } else {
                line.unicodeScalars.append(scalar)
            }
        }
        line += "\n"
        line.withUTF8 { bytes in _ = write(STDERR_FILENO, bytes.baseAddress, bytes.count) }
    }
}

extension Log {
    /// `20:52:53 warning: `, in the time zone of whoever looks.
    private static func head(of level: EventRecord.Level) -> String {
        var (now, parts) = (time(nil), tm())
        localtime_r(&now, &parts)
        let clock = [parts.tm_hour, parts.tm_min, parts.tm_sec].map { $0 < 10 ? "0\($0)" : "\($0)" }
        let isGrave = level == .error || level == .warning
        return clock.joined(separator: ":") + (isGrave ? " \(level.rawValue): " : " ")
    }
}

extension EventRecord.Level {
    /// As syslog(3) numbers them.
    fileprivate var priority: Int {
        switch self {
        case .error: 3
        case .warning: 4
        case .info: 6
        case .debug: 7
        }
    }
}
