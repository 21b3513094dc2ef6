import ArgumentParser
import Control
import Format

struct Send: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Send a message; prints its id once it is safe on disk.",
        discussion: """
              culver send hub 'The soil is dry.'
              culver send hub -5.2
              df -h / | culver send hub - --wait delivered --timeout 5m
              sensor | culver send hub --lines
              culver send hub --content reading.json --ref reading-17

            The text is taken as it is; from standard input without the end of its last line. One that begins with a dash \
            and no digit stands after --.

            A content is DIMP's JSON: {"type": 1, "text": "hello"} is a text, {"type": 204, "app": "garden", "mod": "valve", \
            "act": "open"} something that an application understands; culver-protocol(7) has the other types.

            Status 0: accepted; the daemon repeats it until it is received or expires, and a broker that is away is no \
            error. With --wait 0: it has come so far; 75: not yet, still accepted, do not send it again; 76: it ended \
            undelivered. 75 without an id on standard output: nothing was accepted. The hint says which, and --json \
            has "accepted" in the error's data. A caller that was interrupted sends again with the same --ref: the \
            message goes once.
            """)

    @Argument(help: "An ID, or the name of a contact.", completion: .peer) var to: TextArgument
    @Argument(help: "The text, or - for standard input.") var text: TextArgument?
    @Flag(help: "Send each line of standard input as a message of its own.") var lines = false
    @Option(
        help: ArgumentHelp(
            "The whole content, an object with a type, in DIMP's JSON, from this file or from -.", valueName: "file"),
        completion: .file())
    var content: TextArgument?
    @Option(
        help: ArgumentHelp("Which of this board's identities sends; else the default one.", valueName: "id"),
        completion: .identity)
    var from: TextArgument?
    @Option(help: "The caller's own word for this message, 1 to 64 bytes: what has the same one is sent once.") var ref:
        TextArgument?
    @Option(help: ArgumentHelp("When to give up: 60s, 5m, 12h, 7d; at most 14d.", valueName: "time")) var expiry:
        TimeSpan?
    @Option(help: "Wait until a broker has it, or until its receiver has.") var wait: Goal?
    @Option(help: ArgumentHelp("How long to wait: 60s, 5m, 12h, 7d.", valueName: "time")) var timeout: TimeSpan =
        .minute
    @OptionGroup var globals: Globals

    func validate() throws {
        let sources = [text != nil && !(lines && text?.text == "-"), content != nil, lines].count { $0 }
        guard sources == 1 else {
            throw ValidationError(
                "one of TEXT, - for standard input, --lines and --content says what to send; "
                    + "a TEXT that begins with - and a letter follows after --")
        }
        if lines, ref != nil { throw ValidationError("--ref names one message, --lines sends many") }
    }

    func run() throws {
        let daemon = try LastingDaemon(globals)
        guard lines else { return try send(body(), ref: ref?.text ?? newRef(), by: daemon) }
        let run = newRef()
        var number = 0
        while let line = try CommandInput.line() {
            number += 1
            do {
                try send(["text": .string(line)], ref: "\(run)-\(number)", by: daemon)
            } catch var failure as ToolFailure {
                failure.error.message = "line \(number): \(failure.error.message)"
                throw failure
            }
        }
    }

    /// Without a ref of the caller's: a message whose answer was lost in a restart is asked for again under it.
    private func newRef() -> String {
        var generator = SystemRandomNumberGenerator()
        return "culver-" + Hex.encode((0..<8).map { _ in UInt8.random(in: 0...255, using: &generator) })
    }

    private func body() throws -> JSONObject {
        if let content { return ["content": try CommandInput.content(of: content)] }
        guard let text else { return [:] }
        return ["text": .string(text.text == "-" ? try CommandInput.text(of: "-") : text.text)]
    }

    private func send(_ body: JSONObject, ref: String, by daemon: LastingDaemon) throws {
        var params: JSONObject = ["to": .string(to.text), "ref": .string(ref)]
        for (name, value) in body.members { params[name] = value }
        params.set("from", from)
        params["expiry"] = expiry.map { .number($0.seconds) }
        let result = try accepted(params, ref, by: daemon)
        let id = result.text("id")
        globals.show(result) { _ in Screen.line(id) }
        // The caller has the id whatever happens while we wait.
        do {
            try Screen.flush()
        } catch var failure as ToolFailure {
            failure.fate = .accepted(id: id)
            throw failure
        }
        if let wait {
            try DeliveryWait.wait(for: id, until: wait, within: timeout, globals: globals, asking: daemon)
        }
    }

    /// The daemon's answer; or a failure that says whether it has the message, where the status does not.
    private func accepted(_ params: JSONObject, _ ref: String, by daemon: LastingDaemon) throws -> JSON {
        do {
            return try daemon.call("message.send", params)
        } catch let error as RPCError {
            var failure = ToolFailure(error)
            if daemon.hasLostAnswer, DaemonBackend.hasGone(error) {
                failure.fate = .unknown(ref: ref)
            } else if error.exit == .notNow || error.exit == .io {
                failure.fate = .notAccepted
            }
            throw failure
        } catch let error as ControlError {
            var failure = ToolFailure(error)
            failure.fate =
                daemon.hasLostAnswer || error == .timedOut || error == .closed ? .unknown(ref: ref) : .notAccepted
            throw failure
        }
    }
}
