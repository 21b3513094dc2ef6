import Control
import Glibc
import System

/// Standard input line by line, as many lines at a time as are at hand.
struct LineInput {
    private var bytes: [UInt8] = []
    /// Where the next line begins, and up to where no end of it was found.
    private var start = 0
    private var searched = 0
    private var isAtEnd = false

    /// Waits for one line and takes those that came with it: at most `count`, and of more than `size` bytes the first alone.
    /// Without their ends; empty at the end of the input. Never waits for more than one line, because a program that
    /// writes now and then wants each to go at once.
    mutating func next(upTo count: Int, size: Int) throws -> [String] {
        var lines: [String] = []
        var taken = 0
        while lines.count < count, let end = try endOfLine(mayWait: lines.isEmpty, within: size) {
            taken += end - start
            guard lines.isEmpty || taken <= size else { break }
            guard let line = String(validating: bytes[start..<end], as: UTF8.self) else {
                // What was good before it goes first.
                guard lines.isEmpty else { break }
                throw ToolFailure(.badData, "not-utf8", "standard input is not UTF-8")
            }
            lines.append(line)
            start = min(end + 1, bytes.count)
            searched = start
        }
        bytes.removeFirst(start)
        searched -= start
        start = 0
        return lines
    }

    /// `nil` at the end of the input, or when the line is not there yet and nobody may wait.
    private mutating func endOfLine(mayWait: Bool, within size: Int) throws -> Int? {
        while true {
            if let end = bytes[searched...].firstIndex(of: UInt8(ascii: "\n")) { return end }
            searched = bytes.count
            if isAtEnd { return start < bytes.count ? bytes.count : nil }
            guard mayWait || (bytes.count - start <= size && isReady) else { return nil }
            guard bytes.count - start <= CommandInput.limit else {
                throw ToolFailure(.badData, "too-large", "a line of standard input is longer than 2 MiB")
            }
            try read()
        }
    }

    /// Something can be read, be it the end.
    private var isReady: Bool {
        var entry = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, 0) > 0
    }

    private mutating func read() throws {
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        var count = -1
        repeat { count = Glibc.read(STDIN_FILENO, &piece, piece.count) } while count < 0 && errno == EINTR
        guard count >= 0 else {
            throw ToolFailure(.io, "cannot-read", "cannot read standard input: \(Errno.last)")
        }
        isAtEnd = count == 0
        bytes += piece[..<count]
    }
}
