import ArgumentParser
import Format
import Records

struct Messages: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "message", abstract: "What this board sent, and how far it has come.",
        discussion: """
            waiting: for the keys of its receiver. queued: on disk. published: a broker has it. delivered: the receiver \
            has it, and signed for it. It may also end as expired, failed or cancelled.
            """,
        subcommands: [List.self, Show.self, Wait.self, Cancel.self])
}

extension Messages {
    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the newest messages that were sent.")

        @Option(
            help: "Only waiting, queued, published, delivered, expired, failed or cancelled ones.", completion: .state)
        var state: TextArgument?
        @Option(help: "At most so many, 100 unless said.") var limit: Int?
        @OptionGroup var globals: Globals

        /// Elsewhere `--state` names a directory, and stands before the verb as well.
        func validate() throws {
            guard let state, DeliveryState(rawValue: state.text) == nil else { return }
            let states = DeliveryState.allCases.map(\.rawValue).joined(separator: ", ")
            throw ValidationError("--state of message list is one of \(states); it works with the daemon alone")
        }

        func run() throws {
            var params = JSONObject()
            params.set("state", state)
            params["limit"] = limit.map { .integer(Int64($0)) }
            globals.show(try globals.daemon().call("message.list", params)) { result in
                Screen.show(
                    Table(
                        "MESSAGE", "STATE", "CREATED", "RECEIVER", "REASON",
                        rows: result.list("messages").map {
                            [
                                .text($0.text("id")), .state($0.text("state")), .time($0["created"]?.double),
                                $0.cell("receiver"), .text($0.text("reason")),
                            ]
                        }))
            }
        }
    }
}

extension Messages {
    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show how far a message has come.")

        @Argument(help: ArgumentHelp("What `culver send` printed.", valueName: "message"), completion: .message) var id:
            TextArgument
        @OptionGroup var globals: Globals

        func run() throws {
            globals.show(try globals.daemon().call("message.show", ["id": .string(id.text)]), Messages.show)
        }
    }

    struct Wait: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Wait until a message has come so far.",
            discussion: """
                Status 0: it has. 75: not yet; it is still accepted, do not send it again. 76: it ended without.
                """)

        @Argument(help: ArgumentHelp("What `culver send` printed.", valueName: "message"), completion: .message) var id:
            TextArgument
        @Option(help: "Until a broker has it, or until its receiver has.") var until = Goal.delivered
        @Option(help: ArgumentHelp("How long to wait: 60s, 5m, 12h, 7d.", valueName: "time")) var timeout: TimeSpan =
            .minute
        @OptionGroup var globals: Globals

        func run() throws {
            try DeliveryWait.wait(
                for: id.text, until: until, within: timeout, globals: globals, asking: LastingDaemon(globals))
        }
    }

    struct Cancel: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Give a message up: it is not sent or repeated any more.")

        @Argument(help: ArgumentHelp("What `culver send` printed.", valueName: "message"), completion: .message) var id:
            TextArgument
        @OptionGroup var globals: Globals

        func run() throws {
            let result = try globals.daemon().call("message.cancel", ["id": .string(id.text)])
            globals.show(result) { Screen.line("\($0.text("id")) \($0.text("state"))") }
        }
    }

    private static func show(_ message: JSON) {
        var rows = [
            ["id", message.text("id")], ["state", message.text("state")], ["sender", message.text("sender")],
            ["receiver", message.who("receiver")],
        ]
        for name in ["created", "published", "delivered"] {
            if let time = message[name]?.double { rows.append([name, LocalTime.words(for: time)]) }
        }
        rows.append(["attempts", "\(message.count("attempts"))"])
        for name in ["reason", "ref"] {
            if let text = message[name]?.string { rows.append([name, text]) }
        }
        for member in message["members"]?.object?.members ?? [] {
            rows.append(["member", "\(member.name) \(member.value.string ?? "")"])
        }
        Screen.facts(rows)
    }
}
