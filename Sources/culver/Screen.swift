import CLinux
import Control
import Format
import Glibc

/// Results on standard output, words on standard error.
enum Screen {
    /// A line for people: whatever stands in it cannot drive their terminal.
    static func line(_ text: String) {
        raw(text.printable)
    }

    /// A line for programs. JSON escapes the lower control characters itself; the upper ones drive terminals as well.
    static func line(_ json: JSON) {
        raw(safe(json.text))
    }

    /// As it is, and the end of the line.
    static func raw(_ text: String) {
        let bytes = Array(text.utf8) + [UInt8(ascii: "\n")]
        _ = fwrite(bytes, 1, bytes.count, culver_stdout())
    }

    /// What another board's program printed: as it is for programs, and for people without what could drive their terminal.
    static func output(_ text: String) {
        let isWatched = isatty(STDOUT_FILENO) == 1
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let bytes = Array((isWatched ? lines.map { String($0).printable }.joined(separator: "\n") : text).utf8)
        _ = fwrite(bytes, 1, bytes.count, culver_stdout())
    }

    static func complain(_ words: String) {
        fputs("culver: \(words.printable)\n", culver_stderr())
    }

    /// For somebody who looks, and for nobody else.
    static func note(_ words: String) {
        if isatty(STDERR_FILENO) == 1 { fputs("\(words.printable)\n", culver_stderr()) }
    }

    static func hint(_ words: String) {
        fputs("hint: \(words.printable)\n", culver_stderr())
    }

    /// What was printed is out, or an error: an acknowledgement must not go before it.
    static func flush() throws {
        guard isWritten else { throw unwritten }
    }

    /// Everything that was printed so far is out.
    static var isWritten: Bool { fflush(culver_stdout()) == 0 && ferror(culver_stdout()) == 0 }

    static let unwritten = ToolFailure(.io, "io-error", "cannot write to standard output")

    static func show(_ table: Table) {
        for line in table.lines(on: .output) { raw(line) }
    }

    /// What there is to know of one thing, each with its word in front.
    static func facts(_ rows: [[String]]) {
        var table = Table()
        for row in rows { table.add(row.map { .text($0) }) }
        show(table)
    }

    static func safe(_ json: String) -> String {
        guard json.unicodeScalars.contains(where: { (0x80...0x9F).contains($0.value) }) else { return json }
        var out = ""
        for scalar in json.unicodeScalars {
            if (0x80...0x9F).contains(scalar.value) {
                out += "\\u00\(String(scalar.value, radix: 16))"
            } else {
                out.unicodeScalars.append(scalar)
            }
        }
        return out
    }
}
