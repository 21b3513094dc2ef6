import ArgumentParser
import Control
import DIMP
import Format
import System

/// What may be asked of the receiver.
enum ReceiptKind: String, ExpressibleByArgument, CaseIterable {
    case signed
}

/// What goes first to a receiver (culver-protocol(7)).
enum Urgency: String, ExpressibleByArgument, CaseIterable {
    case urgent, normal, bulk
}

struct Send: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Send a message; prints its id once it is safe on disk.",
        discussion: """
              culver send hub 'The soil is dry.'
              culver send hub -5.2
              culver send hub,porch 'Frost tonight.'
              df -h / | culver send hub - --wait delivered --timeout 5m
              sensor | culver send hub --lines
              culver send hub --data '{"moisture": 0.31}' --subject garden/soil
              culver send hub --content reading.json --ref reading-17
              culver send hub --file soil.png 'Look at the leaves.'

            The text is taken as it is; from standard input without the end of its last line. One that begins with a dash \
            and no digit stands after --.

            With several receivers each gets a message of its own; the ids come in their order, and --ref holds for each \
            of them. One that is refused keeps none of the others back. everyone@everywhere and anyone@anywhere are for all \
            that listen (culver.conf(5), broadcasts): such a message is signed, and everybody can read it.

            With --lines each line goes as soon as it is there, and those that are there together are saved together. Their \
            ids come in the order of the lines. A line that is refused ends it, with a word on those after it that were \
            accepted all the same.

            A content is DIMP's JSON: {"type": 1, "text": "hello"} is a text, {"type": 204, "app": "garden", "mod": "valve", \
            "act": "open"} something that an application understands; culver-protocol(7) has the other types.

            A subject says what it is about, in levels that the receiver can choose from: `culver inbox --subject \
            'garden/#'`. It has 1 to 256 bytes, and no + and #. --data sends JSON, which the receiver gets as JSON, beside \
            its text for software that knows only texts. With --expiry no program of a culver receiver is given the message \
            after that time either.

            With --file a file goes, with TEXT beside it if there is one. Its content is an image, an audio or a video by \
            the ending of its name.

            With --via the message is sealed for TO and goes inside another to somebody who hands it on, with [relay] in its \
            configuration. It is delivered when that one has taken it; TO's word does not come back that way, and TO's keys \
            have to be known.

            Status 0: accepted; the daemon repeats it until it is received or expires, and a broker that is away is no \
            error. With --wait 0: it has come so far; 75: not yet, still accepted, do not send it again; 76: it ended \
            undelivered. 75 without an id on standard output: nothing was accepted. The hint says which, and --json \
            has "accepted" in the error's data. A caller that was interrupted sends again with the same --ref: the \
            message goes once.
            """)

    @Argument(
        help: ArgumentHelp("An ID, or the name of a contact; or several, with commas between them.", valueName: "to"),
        completion: .peer)
    var to: TextArgument
    @Argument(help: "The text, or - for standard input.") var text: TextArgument?
    @Flag(help: "Send each line of standard input as a message of its own.") var lines = false
    @Option(help: ArgumentHelp("JSON, as it stands here or from -.", valueName: "json")) var data: TextArgument?
    @Option(help: "What it is about, in levels: garden/soil.") var subject: TextArgument?
    @Option(
        help: ArgumentHelp(
            "The whole content, an object with a type, in DIMP's JSON, from this file or from -.", valueName: "file"),
        completion: .file())
    var content: TextArgument?
    @Option(help: ArgumentHelp("Send this file.", valueName: "path"), completion: .file()) var file: TextArgument?
    @Option(
        help: ArgumentHelp("A small picture of at most 32 KiB that stands for the file.", valueName: "path"),
        completion: .file())
    var thumbnail: TextArgument?
    @Option(
        help: ArgumentHelp("Which of this board's identities sends; else the default one.", valueName: "id"),
        completion: .identity)
    var from: TextArgument?
    @Option(help: "The caller's own word for this message, 1 to 64 bytes: what has the same one is sent once.") var ref:
        TextArgument?
    @Option(help: ArgumentHelp("When to give up: 60s, 5m, 12h, 7d; at most 14d.", valueName: "time")) var expiry:
        TimeSpan?
    @Option(
        help: ArgumentHelp("Send it inside a message to this one, who hands it on.", valueName: "id"), completion: .peer
    )
    var via: TextArgument?
    @Option(help: "Ask for a receipt that proves to others that the receiver took it.") var receipt: ReceiptKind?
    @Option(help: "What goes first to this receiver; --lines sends bulk unless it is given.") var priority: Urgency?
    @Option(help: "Wait until a broker has it, or until its receiver has.") var wait: Goal?
    @Option(help: ArgumentHelp("How long to wait: 60s, 5m, 12h, 7d.", valueName: "time")) var timeout: TimeSpan =
        .minute
    @OptionGroup var globals: Globals

    func validate() throws {
        let isText = text != nil && file == nil && !(lines && text?.text == "-")
        let sources = [isText, content != nil, data != nil, lines, file != nil].count { $0 }
        guard sources == 1 else {
            throw ValidationError(
                "one of TEXT, - for standard input, --lines, --data, --content and --file says what to send; "
                    + "a TEXT that begins with - and a letter follows after --")
        }
        if via != nil, lines || ref != nil {
            throw ValidationError("--via goes without --lines, and without --ref: each time it is another message")
        }
        if via != nil, receivers.count > 1 { throw ValidationError("--via goes to one receiver") }
        guard receivers.allSatisfy({ !$0.isEmpty }) else { throw ValidationError("\(to.text): a receiver is missing") }
        if via != nil, file != nil { throw ValidationError("--via goes without --file") }
        if thumbnail != nil, file == nil { throw ValidationError("--thumbnail goes with --file") }
        if file != nil, receivers.count > 1 { throw ValidationError("--file goes to one receiver") }
        if lines, ref != nil { throw ValidationError("--ref names one message, --lines sends many") }
    }

    func run() throws {
        let daemon = try LastingDaemon(globals)
        if let via { return try send(forward(by: daemon), to: via, ref: newRef(), by: daemon) }
        if let file { return try send(file: file.text, by: daemon) }
        guard lines else { return try send(body(), ref: ref?.text ?? newRef(), by: daemon) }
        let run = newRef()
        var input = LineInput()
        var number = 1
        // A line that is waited for comes to its end before the next is sent.
        let together = wait == nil ? max(1, 256 / receivers.count) : 1
        while case let lines = try input.next(upTo: together, size: 256 << 10), !lines.isEmpty {
            try send(lines, from: number, run: run, by: daemon)
            number += lines.count
        }
    }

    /// Without a ref of the caller's: a message whose answer was lost in a restart is asked for again under it.
    private func newRef() -> String {
        var generator = SystemRandomNumberGenerator()
        return "culver-" + Hex.encode((0..<8).map { _ in UInt8.random(in: 0...255, using: &generator) })
    }

    private func body() throws -> JSONObject {
        if let content { return ["content": try CommandInput.content(of: content)] }
        if let data {
            let text = data.text == "-" ? try CommandInput.text(of: "-") : data.text
            do {
                return ["data": try JSON(parsing: text)]
            } catch {
                throw ToolFailure(.badData, "not-json", "--data: \(error)")
            }
        }
        guard let text else { return [:] }
        return ["text": .string(text.text == "-" ? try CommandInput.text(of: "-") : text.text)]
    }

    /// The daemon is offered the file and takes it in pieces; one that ends meanwhile gets it from the beginning, under the
    /// same ref.
    private func send(file path: String, by daemon: LastingDaemon) throws {
        let ref = ref?.text ?? newRef()
        var params = parameters
        params["ref"] = .string(ref)
        if let text { params["text"] = .string(text.text == "-" ? try CommandInput.text(of: "-") : text.text) }
        params["thumbnail"] = try thumbnail.map { .string(Base64.encode(try CommandInput.bytes(of: $0.text))) }
        let file = try SentFile(path)
        params["name"] = .string(file.name)
        params["size"] = .integer(file.size)
        let progress = Progress("handing over \(Words.size(file.size))", quiet: globals.json)
        defer { progress.end() }
        let accepted = try self.accepted(ref, by: daemon) { try file.handOver(to: daemon, params) }
        progress.end()
        let start = KernelClock.monotonic.now
        try finish([accepted], by: daemon)
        guard wait == .delivered, isInPieces(accepted, by: daemon) else { return }
        let left = max(0, timeout.seconds - (KernelClock.monotonic.now - start))
        try DeliveryWait.waitForFile(
            in: accepted.text("id"), within: left, globals: globals, asking: daemon)
    }

    private func isInPieces(_ accepted: JSON, by daemon: LastingDaemon) -> Bool {
        (try? daemon.call("file.show", ["id": accepted["id"] ?? .null])) != nil
    }

    /// A content with the sealed message for `to`, which carries our meta and visa along.
    private func forward(by daemon: LastingDaemon) throws -> JSONObject {
        var params = try body()
        params["to"] = .string(to.text)
        params["attach"] = true
        params.set("from", from)
        params.set("subject", subject)
        let message = try daemon.call("message.pack", params)["message"] ?? .null
        return ["content": ["type": 255, "forward": message, "secrets": [message]]]
    }

    private func send(
        _ body: JSONObject, to receiver: TextArgument? = nil, ref: String, by daemon: LastingDaemon
    ) throws {
        var params = parameters
        if let receiver { params["to"] = .string(receiver.text) }
        params["ref"] = .string(ref)
        // The subject of what is forwarded is sealed with it.
        if via != nil { params["subject"] = nil }
        for (name, value) in body.members { params[name] = value }
        let answer = try accepted(params, ref, by: daemon)
        guard receivers.count > 1 else { return try finish([answer], by: daemon) }
        try finish(answer.list("messages"), of: receivers, by: daemon)
    }

    /// Lines that are at hand together, the first of them with this number: one call, and so one transaction.
    private func send(_ lines: [String], from number: Int, run: String, by daemon: LastingDaemon) throws {
        let refs = lines.indices.map { "\(run)-\(number + $0)" }
        var params = parameters
        params["messages"] = .array(zip(lines, refs).map { ["text": .string($0), "ref": .string($1)] })
        let names = lines.indices.flatMap { place in
            receivers.map { "\(number + place)" + (receivers.count > 1 ? " to \($0)" : "") }
        }
        let answers: [JSON]
        do {
            answers = try accepted(params, refs[0], by: daemon).list("messages")
        } catch var failure as ToolFailure {
            let last = number + lines.count - 1
            let words = lines.count == 1 ? "line \(number)" : "lines \(number) to \(last)"
            failure.error.message = "\(words): \(failure.error.message)"
            throw failure
        }
        try finish(answers, of: names, being: "line ", by: daemon)
    }

    /// The answers to several messages of one call, each with what a failure calls it.
    private func finish(
        _ answers: [JSON], of names: [String], being kind: String = "", by daemon: LastingDaemon
    ) throws {
        guard answers.count == names.count else {
            throw ToolFailure(.unintelligible("not one answer for each message"))
        }
        try finish(answers.filter { $0["error"] == nil }, by: daemon)
        let refused = answers.enumerated().compactMap { place, answer in
            answer["error"].flatMap(RPCError.init).map { (place, $0) }
        }
        guard let (place, error) = refused.first else { return }
        var failure = ToolFailure(error)
        if error.exit == .notNow || error.exit == .io { failure.fate = .notAccepted }
        failure.error.message = "\(kind)\(names[place]): \(error.message)"
        // Of lines, the first that is refused ends it, and those before it went as they should.
        let others = names.indices.dropFirst(lines ? place : 0).filter { index in !refused.contains { $0.0 == index } }
        if !lines {
            for (other, error) in refused.dropFirst() { failure.error.message += "; \(names[other]): \(error.message)" }
        }
        if !others.isEmpty {
            let words = others.map { names[$0] }.joined(separator: ", ")
            failure.error.message += "; accepted all the same: \(kind)\(words)"
        }
        throw failure
    }

    /// Names have no commas; an ID that has one goes alone.
    private var receivers: [String] {
        if ID(to.text) != nil { return [to.text] }
        return to.text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }

    /// What all messages of this command have in common.
    private var parameters: JSONObject {
        let receivers = receivers
        var params: JSONObject = [
            "to": receivers.count == 1 ? .string(receivers[0]) : .array(receivers.map { .string($0) })
        ]
        params.set("from", from)
        params.set("subject", subject)
        params["expiry"] = expiry.map { .number($0.seconds) }
        params["receipt"] = receipt.map { .string($0.rawValue) }
        params["priority"] = (priority ?? (lines ? .bulk : nil)).map { .string($0.rawValue) }
        return params
    }

    /// Prints the ids of what was accepted, and waits if that is wanted.
    private func finish(_ accepted: [JSON], by daemon: LastingDaemon) throws {
        let ids = accepted.map { $0.text("id") }
        for (answer, id) in zip(accepted, ids) { globals.show(answer) { _ in Screen.line(id) } }
        // The caller has the ids whatever happens while we wait.
        do {
            try Screen.flush()
        } catch var failure as ToolFailure {
            failure.fate = .accepted(id: ids.joined(separator: " "))
            throw failure
        }
        guard let wait else { return }
        var first: Quiet?
        for id in ids {
            do {
                try DeliveryWait.wait(for: id, until: wait, within: timeout, globals: globals, asking: daemon)
            } catch let quiet as Quiet {
                first = first ?? quiet
            }
        }
        if let first { throw first }
    }

    /// The daemon's answer; or a failure that says whether it has the message, where the status does not.
    private func accepted(_ params: JSONObject, _ ref: String, by daemon: LastingDaemon) throws -> JSON {
        try accepted(ref, by: daemon) { try daemon.call("message.send", params) }
    }

    private func accepted(_ ref: String, by daemon: LastingDaemon, _ call: () throws -> JSON) throws -> JSON {
        do {
            return try call()
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
