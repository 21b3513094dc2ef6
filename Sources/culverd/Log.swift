import Glibc
import Records

/// Lines on stderr with journald's priority prefixes. Control characters are shown, not sent: names and reasons come
/// from outside.
struct Log: Sendable {
    /// What is less grave is not written.
    var level: EventRecord.Level

    func callAsFunction(_ level: EventRecord.Level, _ text: @autoclosure () -> String) {
        guard level.priority <= self.level.priority else { return }
        var line = "<\(level.priority)>"
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
