import ArgumentParser
import Control
import Format
import Glibc
import System

struct CallVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "call", abstract: "Have another board do something, and print what it says.",
        discussion: """
              culver call gate open-gate
              culver call gate blink 3 --timeout 10s
              culver call cam note -- --loud
              df -h | culver call hub store --input -
              culver call off

            What there is to call, and for whom, the other board's configuration says. Its output is printed as it comes, \
            and the status is that of its program. A call runs once at most, whatever is cut off or repeated, and is not \
            begun after the timeout.

            To a group the call goes to each other member, at most 64; each line of an answer has the board's name in front, \
            and the status is the greatest of theirs.

            Status 77: refused, for the reason on standard error. 75: no answer in time, with a word on whether it may \
            still run; or `interrupted`: it was begun, and whether it did its work is not known. 124: it was ended \
            because it took too long.

            `culver call off` has this board run no more calls, and ends those that run, until `culver call on`.
            """)

    @Argument(help: "An ID, or the name of a contact or group; or on, or off.", completion: .peer) var to: TextArgument
    @Argument(help: "What it is to do.") var command: TextArgument?
    @Argument(help: "What it is told beside that.") var arguments: [TextArgument] = []
    @Option(help: ArgumentHelp("What its program reads, as it stands here or from -.", valueName: "text"))
    var input: TextArgument?
    @Option(help: ArgumentHelp("How long to wait, and until when it may begin: 60s, 5m, 12h.", valueName: "time"))
    var timeout: TimeSpan = .halfMinute
    @Option(
        help: ArgumentHelp("Which of this board's identities calls; else the default one.", valueName: "id"),
        completion: .identity)
    var from: TextArgument?
    @OptionGroup var globals: Globals

    func validate() throws {
        if command == nil, !["on", "off"].contains(to.text) {
            throw ValidationError("what is \(to.text) to do? a COMMAND is missing")
        }
    }

    func run() throws {
        guard let command else {
            let isOn = to.text == "on"
            let result = try globals.daemon().call("call.switch", ["on": .bool(isOn)])
            return globals.show(result) { _ in Screen.line(isOn ? "calls are run" : "no calls are run") }
        }
        var generator = SystemRandomNumberGenerator()
        let call = Hex.encode((0..<8).map { _ in UInt8.random(in: 0...255, using: &generator) })
        var params: JSONObject = [
            "to": .string(to.text), "command": .string(command.text), "call": .string(call),
            "args": .array(arguments.map { .string($0.text) }), "timeout": .number(timeout.seconds),
        ]
        params.set("from", from)
        if let input {
            params["input"] = .string(input.text == "-" ? try CommandInput.text(of: "-") : input.text)
        }
        let status = try ask(call, params).map { $0.count("status") }.max() ?? 0
        if status != 0 { throw Quiet(exit: Int32(clamping: status)) }
    }

    /// What is known of one board that was called.
    private struct Called {
        var next: Int64 = 0
        var last: JSON?
    }

    /// The last answer of each board. Who is cut off asks again under the same name: the call is made once.
    private func ask(_ call: String, _ params: JSONObject) throws -> [JSON] {
        let end = KernelClock.monotonic.now + timeout.seconds + 2
        var daemon = try globals.daemon()
        var sent: JSON?
        var boards: [String: Called] = [:]
        while true {
            do {
                let result = try daemon.call("call.send", params)
                sent = result
                let members = result["members"]?.object?.members
                let count = members?.count { $0.value != .null } ?? 1
                while let notice = try daemon.client.next(timeout: max(0, end - KernelClock.monotonic.now)) {
                    guard notice.method == "call.reply", notice.params.text("call") == call else { continue }
                    let sender = notice.params.text("sender")
                    try show(notice.params, in: &boards[sender, default: Called()], ofSeveral: members != nil)
                    if boards.values.count(where: { $0.last != nil }) >= count {
                        return boards.values.compactMap(\.last)
                    }
                }
                throw members == nil ? late(result.text("id"), daemon) : late(boards, of: count)
            } catch  where DaemonBackend.hasGone(error) {
                guard KernelClock.monotonic.now < end else { throw unknown(sent?.text("id")) }
                usleep(200_000)
                daemon = try globals.daemon(patience: max(0, end - KernelClock.monotonic.now))
            }
        }
    }

    /// What was interrupted has this number, however many came before (extensions.md 11).
    private static let unnumbered: Int64 = 1 << 40

    /// A part that is new. Of several boards each has its name in front of its lines.
    private func show(_ answer: JSON, in board: inout Called, ofSeveral: Bool) throws {
        let (part, isFinal) = (answer.count("part"), answer.says("final"))
        guard part >= board.next else { return }
        let isLost = part > board.next && (!isFinal || part < Self.unnumbered)
        board.next = part + 1
        if isFinal { board.last = answer }
        guard !globals.json else {
            Screen.line(answer)
            return try Screen.flush()
        }
        let name = answer.text("name").isEmpty ? answer.text("sender") : answer.text("name")
        let prefix = ofSeveral ? "\(name): " : ""
        if isLost { Screen.complain("\(prefix)a part of what it said was lost") }
        let output = answer.text("output")
        if !ofSeveral {
            Screen.output(output)
        } else if !output.isEmpty {
            let lines = (output.hasSuffix("\n") ? output.dropLast() : output[...]).split(
                separator: "\n", omittingEmptySubsequences: false)
            Screen.output(lines.map { "\(prefix)\($0)\n" }.joined())
        }
        try Screen.flush()
        if let error = answer["error"]?.string {
            Screen.complain(prefix + Self.words(for: error, status: answer.count("status")))
        }
    }

    private func late(_ boards: [String: Called], of count: Int) -> ToolFailure {
        let done = boards.values.count { $0.last != nil }
        return failure(
            "\(done) of \(count) boards have answered: of the others it is not known whether they have run it")
    }

    /// Whether it may still run is known from its message.
    private func late(_ id: String?, _ daemon: DaemonBackend) -> ToolFailure {
        guard let id, let message = try? daemon.call("message.show", ["id": .string(id)]) else { return unknown(id) }
        _ = try? daemon.call("message.cancel", ["id": .string(id)])
        if message.text("state") == "delivered" {
            return failure("\(to.text) has the call and has not answered: it may have run, and may still run")
        }
        if message.count("attempts") == 0 { return failure("the call did not leave this board: it will not run") }
        return failure("whether \(to.text) has the call is not known: it may have run; it is not begun any more")
    }

    private func unknown(_ id: String?) -> ToolFailure {
        failure(id == nil ? "the call was not made" : "whether the call was made is not known: it may have run")
    }

    private func failure(_ words: String) -> ToolFailure { ToolFailure(.notNow, "no-answer", words) }

    private static func words(for error: String, status: Int64) -> String {
        switch error {
        case "interrupted": "interrupted: the call was begun, and whether it did its work is not known"
        case "timed-out": "timed-out: it took too long and was ended"
        case "restored": "restored: it was made before the other board lost its books, and may have run then"
        case "expired": "expired: it came too late and was not begun"
        case "output-too-large": "output-too-large: it wrote too much and was ended"
        case "killed": "killed: it ended by signal \(status - 128)"
        default: status == 77 ? "refused: \(error)" : error
        }
    }
}
