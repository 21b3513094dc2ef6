import Glibc

/// Lines on stderr with journald's priority prefixes. Control characters are shown, not sent: names and reasons come
/// from outside.
struct Log: Sendable {
    enum Level: Int, Sendable, CaseIterable {
        case error = 3
        case warning = 4
        case info = 6
        case debug = 7
    }

    var level: Level

    func callAsFunction(_ level: Level, _ text: @autoclosure () -> String) {
        guard level.rawValue <= self.level.rawValue else { return }
        var line = "<\(level.rawValue)>"
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
