import CLinux
import Glibc

/// The whole terminal, on its second screen, until `leave`: keys come as they are pressed, and what stood there before stands
/// there again afterwards.
final class WholeTerminal {
    private var before = termios()
    private let hasKeys: Bool

    /// `nil` where standard output is none.
    init?() {
        guard isatty(STDOUT_FILENO) == 1 else { return nil }
        hasKeys = isatty(STDIN_FILENO) == 1 && tcgetattr(STDIN_FILENO, &before) == 0
        if hasKeys {
            var raw = before
            raw.c_lflag &= ~tcflag_t(ICANON | ECHO | ISIG)
            tcsetattr(STDIN_FILENO, TCSANOW, &raw)
        }
        for number in [SIGTERM, SIGHUP, SIGINT] { signal(number) { _ in WholeTerminal.isEnded = true } }
        signal(SIGWINCH) { _ in }
        Self.write("\u{1B}[?1049h\u{1B}[?25l")
    }

    func leave() {
        Self.write("\u{1B}[?25h\u{1B}[?1049l")
        if hasKeys { tcsetattr(STDIN_FILENO, TCSANOW, &before) }
    }

    /// Instead of what is there.
    func show(_ lines: [String]) {
        Self.write("\u{1B}[H" + lines.map { $0 + "\u{1B}[K" }.joined(separator: "\r\n") + "\u{1B}[J")
    }

    /// Whether somebody wants no more: q, Ctrl-C, Ctrl-D, or a signal. A change of the terminal's size ends the wait.
    func isDone(within seconds: Double) -> Bool {
        var input = pollfd(fd: hasKeys ? STDIN_FILENO : -1, events: Int16(POLLIN), revents: 0)
        guard poll(&input, 1, Int32(seconds * 1000)) > 0, !Self.isEnded else { return Self.isEnded }
        var key: UInt8 = 0
        return read(STDIN_FILENO, &key, 1) <= 0 || [UInt8(ascii: "q"), 3, 4].contains(key)
    }

    /// Set by a signal, read between two looks.
    nonisolated(unsafe) private static var isEnded = false

    private static func write(_ text: String) {
        let bytes = Array(text.utf8)
        _ = fwrite(bytes, 1, bytes.count, culver_stdout())
        fflush(culver_stdout())
    }
}
