import ArgumentParser
import Glibc

/// A length of time as people write it: `60s`, `5m`, `12h`, `7d`.
struct TimeSpan: Equatable {
    let seconds: Double

    /// `nil` for anything but digits, with a point if need be, and one of the four letters.
    init?(_ text: String) {
        guard let unit = text.last.flatMap({ TimeSpan.units[$0] }) else { return nil }
        let digits = text.dropLast()
        guard let first = digits.first, first.isASCII, first.isNumber,
            digits.allSatisfy({ $0.isASCII && ($0.isNumber || $0 == ".") }), digits.last != ".",
            let number = Double(digits), number * unit < 1e10
        else { return nil }
        seconds = number * unit
    }

    private static let units: [Character: Double] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400]
}

extension TimeSpan: ExpressibleByArgument {
    init?(argument: String) {
        self.init(TextArgument.unmarked(argument))
    }
}

extension TimeSpan {
    /// The same in few words, the largest two units: `3d 4h`, `12m 5s`.
    static func words(for seconds: Double) -> String {
        var left = Int64(max(0, min(seconds, 1e12)))
        var parts: [String] = []
        let units: [(String, Int64)] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)]
        for (letter, unit) in units {
            if left >= unit { parts.append("\(left / unit)\(letter)") }
            left %= unit
        }
        return parts.isEmpty ? "0s" : parts.prefix(2).joined(separator: " ")
    }
}

extension TimeSpan: CustomStringConvertible {
    /// The wait that nobody has asked to be longer or shorter.
    static let second = TimeSpan(seconds: 1)
    static let minute = TimeSpan(seconds: 60)
    static let tenSeconds = TimeSpan(seconds: 10)
    static let halfMinute = TimeSpan(seconds: 30)

    var description: String { TimeSpan.words(for: seconds).filter { $0 != " " } }

    private init(seconds: Double) {
        self.seconds = seconds
    }
}

/// Points in time for people, in their own time zone.
enum LocalTime {
    /// `2026-11-23 20:52:53`; an unset clock says so.
    static func words(for seconds: Double?) -> String {
        // 32 bits on some boards, for times until 2038.
        guard let seconds, seconds > 0, seconds < 1e11, var time = time_t(exactly: seconds.rounded(.down)) else {
            return "clock unset"
        }
        var parts = tm()
        localtime_r(&time, &parts)
        var text = [CChar](repeating: 0, count: 32)
        let count = strftime(&text, text.count, "%Y-%m-%d %H:%M:%S", &parts)
        return String(decoding: text[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// `just now`, `5m ago`, `3d ago`; the whole time where it is more than a month ago, or still to come.
    static func age(of seconds: Double?, at now: Double) -> String {
        guard let seconds, seconds > 0, now - seconds < 31 * 86_400, now - seconds > -2 else {
            return words(for: seconds)
        }
        let age = TimeSpan.words(for: now - seconds).prefix { $0 != " " }
        return now - seconds < 2 ? "just now" : "\(age) ago"
    }
}
