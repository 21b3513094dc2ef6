import Control
import Format
import Glibc
import System

/// One run of a consumer: subscribe, take, acknowledge, and subscribe again when the daemon comes back.
struct Consumption {
    let consumer: String
    let filter: JSONObject
    let globals: Globals
    let follow: Bool
    /// Stop after so many.
    let count: Int?
    let acknowledges: Bool
    /// What muted contacts sent counts like everything else; else it is passed over.
    let takesMuted: Bool
    let command: String?
    /// A message is set aside at which the command failed so many times; `nil`: the first failure ends this.
    let tries: Int?
    /// On the clock of `KernelClock.monotonic.now`.
    let deadline: Double?

    private var taken = 0
    /// What was handled and is not surely acknowledged yet: its seq and id. When it comes again it is not handled twice.
    private var handled: [Int64: String] = [:]
    /// The newest that was handled and is to be acknowledged, and how many go with it.
    private var owed: (seq: Int64, count: Int)?

    init(
        consumer: String, filter: JSONObject, globals: Globals, follow: Bool, count: Int?, acknowledges: Bool,
        takesMuted: Bool, command: String?, tries: Int?, deadline: Double?
    ) {
        self.consumer = consumer
        self.filter = filter
        self.globals = globals
        self.follow = follow
        self.count = count
        self.acknowledges = acknowledges
        self.takesMuted = takesMuted
        self.command = command
        self.tries = tries
        self.deadline = deadline
    }

    mutating func run() throws {
        // What was printed before the reader went away is still to be acknowledged.
        if acknowledges, command == nil { signal(SIGPIPE, SIG_IGN) }
        var daemon = try globals.daemon()
        while true {
            do {
                return try take(from: daemon)
            } catch  where DaemonBackend.hasGone(error) {
                // What was not acknowledged comes again.
                owed = nil
                usleep(200_000)
                daemon = try globals.daemon(patience: LastingDaemon.restart)
            }
        }
    }

    private mutating func take(from daemon: DaemonBackend) throws {
        try acknowledgeHandled(daemon)
        if let count, taken >= count { return }
        try subscribe(to: daemon)
        var waiting = try follow || count != nil ? nil : pending(at: daemon)
        if waiting == 0, deadline == nil { return }

        while taken < count ?? .max {
            // What was printed is acknowledged when no more is at hand.
            guard let notice = try daemon.client.next(timeout: owed == nil ? patience(waiting) : 0) else {
                if owed == nil { return try timeIsOver(waiting) }
                try acknowledge(daemon)
                continue
            }
            switch notice.method {
            case "inbox.message" where notice.params["consumer"]?.string ?? consumer == consumer:
                try take(notice.params, daemon)
                // `--timeout` alone waits for the first one, then takes what else is there.
                waiting = try waiting.map { left in try left > 0 ? left - 1 : stillPending(at: daemon) }
                if let waiting, waiting <= 0 { return try acknowledge(daemon) }
            case "inbox.closed":
                try? acknowledge(daemon)
                throw closed(notice.params)
            default: continue
            }
        }
        try acknowledge(daemon)
    }

    private func subscribe(to daemon: DaemonBackend) throws {
        var params: JSONObject = ["consumer": .string(consumer)]
        if !filter.isEmpty { params["filter"] = .object(filter) }
        // What is handed out counts as shown, and comes `again` next time: so no more is than is going to be. A command may
        // fail at each message; what is printed goes on to the end.
        if acknowledges { params["window"] = command == nil ? .integer(Self.printedAhead) : 1 }
        params["limit"] = count.map { .integer(Int64($0 - taken + handled.count)) }
        _ = try daemon.call("inbox.subscribe", params)
    }

    private mutating func take(_ message: JSON, _ daemon: DaemonBackend) throws {
        let (seq, id) = (message.count("seq"), message.text("id"))
        if handled[seq] != id {
            if message.says("muted"), !takesMuted { return try passOver(seq, id, daemon) }
            do {
                if try !handle(message, daemon) { return setAside(seq, id) }
            } catch {
                let hasReaderGone = command == nil && errno == EPIPE
                try? acknowledge(daemon)
                if hasReaderGone { endAsWithoutReader() }
                throw error
            }
            handled[seq] = id
            taken += 1
        }
        try owe(seq, daemon)
    }

    /// The daemon has acknowledged it, and hands out the next one.
    private mutating func setAside(_ seq: Int64, _ id: String) {
        handled[seq] = id
        taken += 1
        owed = nil
    }

    /// A message that is not for anybody counts as handled, and not among those that were asked for: with `count` the daemon
    /// hands out one more in its place.
    private mutating func passOver(_ seq: Int64, _ id: String, _ daemon: DaemonBackend) throws {
        handled[seq] = id
        try owe(seq, daemon)
        guard count != nil else { return }
        try acknowledge(daemon)
        if acknowledges { handled = [:] }
        try subscribe(to: daemon)
    }

    private mutating func owe(_ seq: Int64, _ daemon: DaemonBackend) throws {
        guard acknowledges else { return }
        owed = (seq, (owed?.count ?? 0) + 1)
        if command != nil || owed?.count == Self.acknowledgedTogether { try acknowledge(daemon) }
    }

    /// As the shell knows it of every other program.
    private func endAsWithoutReader() {
        signal(SIGPIPE, SIG_DFL)
        raise(SIGPIPE)
    }

    /// The last daemon went away before it said that it had taken the acknowledgement. What it hands out after this one is
    /// new; where this daemon knows the consumer no more, it comes again and is not handled twice.
    private mutating func acknowledgeHandled(_ daemon: DaemonBackend) throws {
        guard acknowledges, let last = handled.keys.max() else { return }
        owed = (last, handled.count)
        do {
            try acknowledge(daemon)
            handled = [:]
        } catch  where !DaemonBackend.hasGone(error) {
            owed = nil
        }
    }

    /// One acknowledgement covers everything up to the newest that was handled, and nothing else was handed out before it.
    private mutating func acknowledge(_ daemon: DaemonBackend) throws {
        guard let seq = owed?.seq else { return }
        _ = try daemon.call("inbox.ack", ["consumer": .string(consumer), "seq": .integer(seq)])
        owed = nil
        handled = handled.filter { $0.key >= seq }
    }

    /// Messages that the daemon hands out before the first of them is acknowledged.
    private static let printedAhead: Int64 = 256
    /// Messages that one acknowledgement covers at the most. When this program is killed no more are printed once again.
    private static let acknowledgedTogether = 64

    /// False when the command failed at it too often, and it is set aside.
    private func handle(_ message: JSON, _ daemon: DaemonBackend) throws -> Bool {
        guard let command else {
            globals.show(message, Inbox.show)
            try Screen.flush()
            return true
        }
        var pause: UInt32 = 1
        while true {
            let status = try Shell.run(command, for: message)
            if status == 0 { return true }
            let words = "the command ended with \(status); message \(message.count("seq"))"
            guard let tries else {
                Screen.complain("\(words) is not acknowledged")
                throw Quiet(exit: status)
            }
            let params: JSONObject = [
                "consumer": .string(consumer), "seq": .integer(message.count("seq")), "tries": .integer(Int64(tries)),
            ]
            let answer = try daemon.call("inbox.fail", params)
            if answer.says("aside") {
                Screen.complain("\(words) is set aside after \(answer.count("failures")) tries")
                return false
            }
            Screen.complain("\(words) is tried again in \(pause) s")
            if let deadline, KernelClock.monotonic.now + Double(pause) > deadline { throw Quiet(exit: status) }
            sleep(pause)
            pause = min(2 * pause, 60)
        }
    }

    /// What the daemon holds for this consumer and has not been acknowledged, at most as many as come at once.
    private func pending(at daemon: DaemonBackend) throws -> Int {
        let result = try daemon.call("inbox.consumers", [:])
        let own = result.list("consumers").first { $0["name"]?.string == consumer }
        let pending = Int(clamping: own?.count("pending") ?? 0)
        return acknowledges ? pending : min(pending, Consumption.window)
    }

    private mutating func stillPending(at daemon: DaemonBackend) throws -> Int {
        try acknowledge(daemon)
        return try pending(at: daemon) - printed
    }

    /// What stays pending although it was taken.
    private var printed: Int { acknowledges ? 0 : handled.count }

    /// As many unacknowledged messages as the daemon hands out.
    private static let window = 32

    /// Seconds to wait for the next message; `nil` for ever. What is known to be there comes soon.
    private func patience(_ waiting: Int?) -> Double? {
        let left = deadline.map { max(0, $0 - KernelClock.monotonic.now) }
        guard let waiting, waiting > 0 else { return left }
        return min(left ?? 10, 10)
    }

    private func timeIsOver(_ waiting: Int?) throws {
        let isEnough = count == nil && (follow || taken > 0)
        guard !isEnough else { return }
        let words = count.map { "\(taken) of \($0) messages came in time" } ?? "no message came in time"
        throw ToolFailure(.notNow, "timed-out", words)
    }

    private func closed(_ params: JSON) -> ToolFailure {
        let reason = params["reason"]?.string ?? "closed"
        return switch reason {
        case "retired":
            ToolFailure(
                .configuration, reason, "the identities of this board have moved into a backup: nothing comes any more")
        case "forgotten": ToolFailure(.unknownName, reason, "the consumer \(consumer) was forgotten")
        default: ToolFailure(.notNow, reason, "another connection reads as \(consumer) now (\(reason))")
        }
    }
}
