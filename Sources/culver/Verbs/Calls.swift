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

            Status 77: refused, for the reason on standard error. 75: no answer in time, with a word on whether it may \
            still run; or `interrupted`: it was begun, and whether it did its work is not known. 124: it was ended \
            because it took too long.

            `culver call off` has this board run no more calls, and ends those that run, until `culver call on`.
            """)

    @Argument(help: "An ID, or the name of a contact; or on, or off.", completion: .peer) var to: TextArgument
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
        let answer = try ask(call, params)
        guard let error = answer["error"]?.string else { return try finish(answer.count("status")) }
        let status = answer.count("status")
        if !globals.json { Screen.complain(Self.words(for: error, status: status)) }
        try finish(status)
    }

    /// Until the last answer. Who is cut off asks again under the same name: the call is made once.
    private func ask(_ call: String, _ params: JSONObject) throws -> JSON {
        let end = KernelClock.monotonic.now + timeout.seconds + 2
        var daemon = try globals.daemon()
        var id: String?
        var printed: Int64 = -1
        while true {
            do {
                id = try daemon.call("call.send", params).text("id")
                while let notice = try daemon.client.next(timeout: max(0, end - KernelClock.monotonic.now)) {
                    guard notice.method == "call.reply", notice.params.text("call") == call else { continue }
                    let part = notice.params.count("part")
                    let isFinal = notice.params.says("final")
                    if part > printed + 1, !isFinal || part < Self.unnumbered, !globals.json {
                        Screen.complain("a part of what it said was lost")
                    }
                    if part > printed { try show(notice.params) }
                    printed = max(printed, part)
                    if isFinal { return notice.params }
                }
                throw late(id, daemon)
            } catch  where DaemonBackend.hasGone(error) {
                guard KernelClock.monotonic.now < end else { throw unknown(id) }
                usleep(200_000)
                daemon = try globals.daemon(patience: max(0, end - KernelClock.monotonic.now))
            }
        }
    }

    /// What was interrupted has this number, however many came before (extensions.md 11).
    private static let unnumbered: Int64 = 1 << 40

    private func show(_ answer: JSON) throws {
        if globals.json { Screen.line(answer) } else { Screen.output(answer.text("output")) }
        try Screen.flush()
    }

    private func finish(_ status: Int64) throws {
        if status != 0 { throw Quiet(exit: Int32(clamping: status)) }
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
