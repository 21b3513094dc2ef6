import CLinux
import Dispatch
import Glibc
import System

/// What takes long is named on the terminal while it lasts, with the seconds: `making a 4096-bit RSA key … 12 s`.
/// One line on standard error, erased at the end; nothing when standard error is no terminal or `quiet` (`--json`).
/// Print nothing else before the end.
///
///     let key = try Progress.during("making a key", quiet: globals.json) { try make() }
///
/// `@unchecked Sendable`: what changes is touched on `queue` alone.
final class Progress: @unchecked Sendable {
    private let queue = DispatchQueue(label: "progress")
    private let timer: (any DispatchSourceTimer)?
    private let start = KernelClock.monotonic.now
    private var words: String

    /// Shown from now on until `end`.
    init(_ words: String, quiet: Bool) {
        self.words = words
        timer = quiet || !Progress.isWatched ? nil : DispatchSource.makeTimerSource(queue: queue)
        timer?.setEventHandler { [weak self] in self?.draw() }
        timer?.schedule(deadline: .now() + 1, repeating: 1)
        timer?.resume()
        queue.sync { draw() }
    }

    /// Names the next stage; the seconds go on.
    func say(_ words: String) {
        queue.sync {
            self.words = words
            draw()
        }
    }

    /// Erases the line. Nothing is drawn afterwards.
    func end() {
        queue.sync {
            guard let timer, !timer.isCancelled else { return }
            timer.cancel()
            fputs("\r\u{1B}[K", culver_stderr())
        }
    }

    static func during<Result>(_ words: String, quiet: Bool, _ work: () throws -> Result) rethrows -> Result {
        let progress = Progress(words, quiet: quiet)
        defer { progress.end() }
        return try work()
    }

    private func draw() {
        guard let timer, !timer.isCancelled else { return }
        let seconds = Int64(KernelClock.monotonic.now) - Int64(start)
        let line = words.printable + " …" + (seconds > 0 ? " \(seconds) s" : "")
        // A line that the terminal breaks could not be erased.
        fputs("\r\u{1B}[K" + line.prefix(Progress.width - 1), culver_stderr())
    }

    /// Of a terminal that can erase.
    private static var isWatched: Bool {
        guard isatty(2) == 1, let terminal = getenv("TERM") else { return false }
        return strcmp(terminal, "dumb") != 0
    }

    private static var width: Int {
        var size = winsize()
        return ioctl(2, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 1 ? Int(size.ws_col) : 80
    }
}
