import Control
import Format
import Glibc
import System

/// One program's side of a pipe: standard input goes to the daemon in pieces, what comes goes to standard output, and none of
/// the three is waited for alone.
///
/// A piece that was written stays here until the daemon has it on disk, and one that came is acknowledged when it is out. So
/// nothing is lost or doubled when the daemon begins anew: the pipe is opened once more, and what has no answer goes again.
struct PipeSession {
    private let globals: Globals
    private let wish: JSONObject
    private var client: Client
    /// The daemon's name for the pipe.
    private var pipe = ""
    /// Bytes of a piece, and pieces beyond what the peer's program has taken.
    private var size = 0
    private var window: Int64 = 0
    private var taken: Int64 = 0

    /// The number of the next piece that is read.
    private var next: Int64 = 0
    /// What the daemon does not have on disk yet: the bytes, or nothing for the end; and which call asked for it.
    private var unwritten: [Int64: [UInt8]] = [:]
    private var asked: [Int64: Int64] = [:]
    private var isInputOver = false
    /// When what was refused for now is asked once more, on the clock of `KernelClock.monotonic.now`.
    private var pause: Double?

    /// The number of the next piece that comes, what is to be printed of those that came, and up to where it is to be
    /// acknowledged when it is printed.
    private var expected: Int64 = 0
    private var output: [UInt8] = []
    private var printed = 0
    private var owed: Int64?
    /// The last that was printed.
    private var done: Int64 = -1
    private var isOver = false

    private static let restart = 110.0
    /// Calls without an answer: enough that the daemon writes several at once, and that an acknowledgement is soon read.
    private static let unanswered = 6
    /// A pipe takes so much at once when it says that it takes something.
    private static let portion = 4_096

    init(_ wish: JSONObject, globals: Globals) throws {
        self.wish = wish
        self.globals = globals
        client = try globals.daemon().client
    }

    mutating func run() throws {
        PipeSignals.watch()
        try open()
        while !isOver {
            do {
                try pass()
            } catch  where DaemonBackend.hasGone(error) {
                try reopen()
            } catch {
                if !isOver { giveUp("closed") }
                throw error
            }
        }
    }

    // MARK: - The daemon

    private mutating func open() throws {
        var params = wish
        if !pipe.isEmpty { params["pipe"] = .string(pipe) }
        let isFirst = pipe.isEmpty
        let answer: JSON
        do {
            answer = try client.call("pipe.open", params, timeout: 60)
        } catch let error as RPCError where !isFirst && error.reason == "unknown-pipe" {
            isOver = true
            throw ToolFailure(.undelivered, "pipe-ended", "the pipe ended while the daemon was away")
        }
        pipe = answer.text("pipe")
        size = max(1, Int(clamping: answer.count("size")))
        window = answer.count("window")
        taken = answer.count("taken")
        asked = [:]
        pause = nil
        if isFirst {
            next = answer.count("next")
            // Pieces that come begin where the last program ended.
            expected = -1
            isInputOver = answer.says("closed")
        }
        // What has no answer and is on disk all the same.
        unwritten = unwritten.filter { $0.key >= answer.count("next") }
    }

    private mutating func reopen() throws {
        let end = KernelClock.monotonic.now + Self.restart
        while true {
            do {
                client = try globals.daemon(patience: max(0, end - KernelClock.monotonic.now)).client
                return try open()
            } catch  where DaemonBackend.hasGone(error) && KernelClock.monotonic.now < end {
                usleep(200_000)
            }
        }
    }

    /// Waits until there is something to do, and does it.
    private mutating func pass() throws {
        try write()
        let events = wait()
        if PipeSignals.isRaised { try cancel() }
        if events.output != 0 { try print() }
        if events.input != 0 { try read() }
        while !isOver, let word = try client.hear() { try take(word) }
    }

    private func wait() -> (input: Int16, output: Int16) {
        let isRead = !isInputOver && unwritten.count < Self.unanswered && next < taken + window
        var entries = [
            pollfd(fd: client.number, events: Int16(POLLIN), revents: 0),
            pollfd(fd: printed < output.count ? STDOUT_FILENO : -1, events: Int16(POLLOUT), revents: 0),
            pollfd(fd: isRead ? STDIN_FILENO : -1, events: Int16(POLLIN), revents: 0),
        ]
        // A signal just before it begins is seen a second later.
        let seconds = min(1, max(0, (pause ?? .infinity) - KernelClock.monotonic.now))
        guard poll(&entries, 3, Int32((seconds * 1000).rounded(.up))) > 0 else { return (0, 0) }
        return (entries[2].revents, entries[1].revents)
    }

    private mutating func take(_ word: Client.Word) throws {
        switch word {
        case .answer(let call, let result):
            guard let number = asked.first(where: { $0.value == call })?.key else {
                if case .failure(let error) = result, DaemonBackend.hasGone(error) { throw error }
                return
            }
            asked[number] = nil
            switch result {
            case .success: unwritten[number] = nil
            case .failure(let error):
                // The pipe is over, and what is told next says why.
                if error.reason == "pipe-ended" || error.reason == "unknown-pipe" { return }
                guard error.exit == .notNow else { throw error }
                if DaemonBackend.hasGone(error) { throw error }
                pause = KernelClock.monotonic.now + 0.5
            }
        case .notice(let notice) where notice.params.text("pipe") == pipe: try take(notice)
        case .notice: break
        }
    }

    private mutating func take(_ notice: Client.Notice) throws {
        let number = notice.params.count("n")
        switch notice.method {
        case "pipe.taken":
            taken = max(taken, number)
            pause = nil
        case "pipe.data":
            if expected < 0 { expected = number }
            guard number == expected, let data = Base64.decode(notice.params.text("data")) else {
                return try acknowledgeAgain(number)
            }
            expected += 1
            output += data
            owed = number
        case "pipe.end":
            if expected < 0 { expected = number }
            guard number == expected else { return try acknowledgeAgain(number) }
            expected += 1
            owed = number
            if printed == output.count { try acknowledge(number) }
        case "pipe.closed":
            isOver = true
            guard let error = notice.params["error"]?.string else { return }
            throw ToolFailure(.undelivered, "pipe-ended", "the pipe ended: \(error)")
        default: break
        }
    }

    // MARK: - In and out

    /// All that is there, up to one piece.
    private mutating func read() throws {
        var piece: [UInt8] = []
        var entry = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        repeat {
            var bytes = [UInt8](repeating: 0, count: size - piece.count)
            let count = Glibc.read(STDIN_FILENO, &bytes, bytes.count)
            guard count >= 0 else {
                if errno == EINTR || errno == EAGAIN { break }
                throw ToolFailure(.io, "cannot-read", "cannot read standard input: \(Errno.last)")
            }
            isInputOver = count == 0
            piece += bytes[..<count]
        } while !isInputOver && piece.count < size && poll(&entry, 1, 0) > 0
        if !piece.isEmpty { put(piece) }
        if isInputOver { put([]) }
    }

    private mutating func put(_ piece: [UInt8]) {
        unwritten[next] = piece
        next += 1
    }

    /// Asks for all that was not asked for, in its order.
    private mutating func write() throws {
        if let pause, KernelClock.monotonic.now < pause { return }
        pause = nil
        for (number, data) in unwritten.sorted(by: { $0.key < $1.key }) where asked[number] == nil {
            guard number < taken + window else { return }
            var params: JSONObject = ["pipe": .string(pipe), "n": .integer(number)]
            if !data.isEmpty { params["data"] = .string(Base64.encode(data)) }
            asked[number] = try client.ask(data.isEmpty ? "pipe.close" : "pipe.write", params)
        }
    }

    /// As much as is surely taken at once.
    private mutating func print() throws {
        let end = min(printed + Self.portion, output.count)
        let count = output[printed..<end].withUnsafeBytes { Glibc.write(STDOUT_FILENO, $0.baseAddress, $0.count) }
        guard count >= 0 else {
            switch errno {
            case EINTR, EAGAIN: return
            case EPIPE: try endWithoutReader()
            default: throw ToolFailure(.io, "io-error", "cannot write to standard output: \(Errno.last)")
            }
            return
        }
        printed += count
        guard printed == output.count else { return }
        (output, printed) = ([], 0)
        if let owed { try acknowledge(owed) }
    }

    private mutating func acknowledge(_ number: Int64) throws {
        owed = nil
        done = max(done, number)
        _ = try client.ask("pipe.ack", ["pipe": .string(pipe), "n": .integer(number)])
    }

    /// It came once more, because the daemon was not told before it ended.
    private mutating func acknowledgeAgain(_ number: Int64) throws {
        if number <= done { try acknowledge(number) }
    }

    // MARK: - Before the end

    /// The peer's program is told; what can be said to the daemon is.
    private func giveUp(_ error: String) {
        _ = try? client.call("pipe.close", ["pipe": .string(pipe), "error": .string(error)], timeout: 5)
    }

    private func cancel() throws {
        giveUp("cancelled")
        PipeSignals.end()
    }

    /// As the shell knows it of every other program.
    private func endWithoutReader() throws {
        giveUp("closed")
        signal(SIGPIPE, SIG_DFL)
        raise(SIGPIPE)
    }
}

/// The signals that end a pipe with a word to the peer.
private enum PipeSignals {
    /// The last that came. Written by the handler alone.
    nonisolated(unsafe) private static var raised: sig_atomic_t = 0

    static var isRaised: Bool { raised != 0 }

    static func watch() {
        signal(SIGPIPE, SIG_IGN)
        raised = 0
        for number in [SIGINT, SIGTERM, SIGHUP] { signal(number) { PipeSignals.raised = $0 } }
    }

    /// As if it had never been watched.
    static func end() {
        signal(raised, SIG_DFL)
        raise(raised)
    }
}
