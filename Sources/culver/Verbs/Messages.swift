import ArgumentParser
import Format

struct Messages: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "message", abstract: "What this board sent.",
        subcommands: [List.self, Show.self, Wait.self, Cancel.self])
}

extension Messages {
    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List messages that were sent.")

        @Option(help: "Only those in this state.") var state: Word?
        @Option(help: "At most so many.") var limit: Int?
        @OptionGroup var globals: Globals

        func run() throws {
            var params = JSONObject()
            params.set("state", state)
            params["limit"] = limit.map { .integer(Int64($0)) }
            globals.show(try globals.daemon().call("message.list", params)) { result in
                Screen.table(
                    result.list("messages").map {
                        [
                            $0.text("id"), $0.text("state"), Moment.words(for: $0["created"]?.double),
                            $0.who("receiver"),
                            $0.text("reason"),
                        ]
                    })
            }
        }
    }
}

extension Messages {
    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show how far one has come.")

        @Argument(help: ArgumentHelp(valueName: "message")) var id: Word
        @OptionGroup var globals: Globals

        func run() throws {
            globals.show(try globals.daemon().call("message.show", ["id": .string(id.text)]), Messages.show)
        }
    }

    struct Wait: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Wait until one has come that far.",
            discussion: "Status 0: it has. 75: not yet. 76: it ended without.")

        @Argument(help: ArgumentHelp(valueName: "message")) var id: Word
        @Option(help: "How far.") var until = Goal.delivered
        @Option(help: ArgumentHelp("How long to wait.", valueName: "time")) var timeout: Span = .minute
        @OptionGroup var globals: Globals

        func run() throws {
            try Outcome.wait(for: id.text, until: until, timeout, globals, globals.daemon())
        }
    }

    struct Cancel: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Send one no more.")

        @Argument(help: ArgumentHelp(valueName: "message")) var id: Word
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
            if let time = message[name]?.double { rows.append([name, Moment.words(for: time)]) }
        }
        rows.append(["attempts", "\(message.count("attempts"))"])
        for name in ["reason", "ref"] {
            if let text = message[name]?.string { rows.append([name, text]) }
        }
        for member in message["members"]?.object?.members ?? [] {
            rows.append(["member", "\(member.name) \(member.value.string ?? "")"])
        }
        Screen.table(rows)
    }
}
