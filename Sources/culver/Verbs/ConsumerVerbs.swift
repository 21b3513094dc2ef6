import ArgumentParser
import Format

struct ConsumerVerbs: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "consumer", abstract: "Who reads the inbox, and how far each has come.",
        discussion:
            "A consumer is a name after `culver inbox --consumer`. What it has not acknowledged is kept for it.",
        subcommands: [List.self, Seek.self, Forget.self])
}

extension ConsumerVerbs {
    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the consumers: name, the number of the last message it acknowledged, what is pending.")

        @OptionGroup var globals: Globals

        func run() throws {
            globals.show(try globals.daemon().call("inbox.consumers", [:])) { result in
                Screen.show(
                    Table(
                        "CONSUMER", "HAS READ", "TO COME", "",
                        rows: result.list("consumers").map {
                            [
                                .text($0.text("name")), "at \($0.count("cursor"))", "\($0.count("pending")) pending",
                                .state($0.says("connected") ? "connected" : ""),
                            ]
                        }))
            }
        }
    }

    struct Seek: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Set a consumer back or forward: what comes after SEQ is new to it.")

        @Argument(help: "The consumer.", completion: .consumer) var name: TextArgument
        @Argument(help: "A message's number in the inbox; 0 for all that is there.") var seq: Int
        @OptionGroup var globals: Globals

        func run() throws {
            let params: JSONObject = ["consumer": .string(name.text), "seq": .integer(Int64(seq))]
            let result = try globals.daemon().call("inbox.seek", params)
            globals.show(result) { _ in Screen.line("\(name.text) at \(seq)") }
        }
    }

    struct Forget: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Forget a consumer: nothing is kept for it any more.")

        @Argument(help: "The consumer.", completion: .consumer) var name: TextArgument
        @OptionGroup var globals: Globals

        func run() throws {
            let result = try globals.daemon().call("inbox.forget", ["consumer": .string(name.text)])
            globals.show(result) { _ in }
        }
    }
}
