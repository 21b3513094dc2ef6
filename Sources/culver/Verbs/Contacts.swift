import ArgumentParser
import Control
import DIMP
import Format

struct Contacts: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "contact", abstract: "Whom this board knows, and who wants to be known.",
        discussion: """
            A contact has a NAME that this board gave to it, and that stands for its ID wherever an ID is asked for.
            Who may write to this board without being one is said by `strangers` in the daemon's configuration.
            """,
        subcommands: [
            Add.self, List.self, Show.self, Rename.self, Block.self, Unblock.self, Mute.self, Unmute.self, Remove.self,
            Requests.self,
            Accept.self, Refuse.self,
        ])
}

extension Contacts {
    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Add a contact by its ID, or by its card.",
            discussion: """
                  culver contact add porch@12PqqF8eHFwfb1fs8My3bxzqQyGXXCQQRM --name porch
                  culver contact add hub.json
                  ssh hub culver id show --card | culver contact add -

                The ID is enough: keys come from the broker and are checked against it. With a card there is no need of \
                one. Sending to an ID makes a contact as well.
                """)

        @Argument(
            help: ArgumentHelp(
                "An ID, the file of a card, or - for a card on standard input.", valueName: "id-or-file"),
            completion: .file())
        var contact: TextArgument
        @Option(help: "How this board is to call it: 1 to 64 letters, digits, points, dashes, underscores.") var name:
            TextArgument?
        @OptionGroup var globals: Globals

        func run() throws {
            var params = JSONObject()
            if Add.isID(contact.text) {
                params["did"] = .string(contact.text)
            } else {
                params["card"] = try card()
            }
            params.set("name", name)
            globals.show(try globals.daemon().call("contact.add", params)) { Screen.line($0.who("did")) }
        }

        /// Text with `@`, or a valid address by its check bytes; anything else is the path of a card.
        static func isID(_ text: String) -> Bool {
            text.contains("@") || Address(text)?.isBroadcast == false
        }

        private func card() throws -> JSON {
            do {
                return try CommandInput.json(of: contact.text)
            } catch var failure as ToolFailure where failure.exit == Control.ExitCode.noInput.rawValue {
                failure.error.hint = "an ID looks like name@address; anything else is the file of a card"
                throw failure
            }
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the contacts: name, ID, trust.")

        @OptionGroup var globals: Globals

        func run() throws {
            globals.show(try globals.daemon().call("contact.list", [:])) { result in
                Screen.show(
                    Table(
                        "NAME", "ID", "TRUST", "",
                        rows: result.list("contacts").map {
                            [
                                .text($0.text("name")), .text($0.text("did")), .state($0.text("trust")),
                                .state(["blocked", "muted"].filter($0.says).joined(separator: ",")),
                            ]
                        }))
            }
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show a contact, and whether its keys are known.")

        @OptionGroup var one: One

        func run() throws {
            one.globals.show(try one.ask("contact.show")) { contact in
                Screen.facts([
                    ["id", contact.text("did")], ["name", contact.text("name")], ["trust", contact.text("trust")],
                    ["blocked", contact.says("blocked") ? "yes" : "no"],
                    ["muted", contact.says("muted") ? "yes" : "no"],
                    ["keys", contact["meta"] == nil ? "not known yet" : "known"],
                    ["culver", contact.says("culver") ? "yes" : "no"],
                ])
            }
        }
    }

    struct Rename: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Give a contact another name.")

        @OptionGroup var one: One
        @Argument(help: "The new name.") var name: TextArgument

        func run() throws {
            let params: JSONObject = ["did": .string(one.id.text), "name": .string(name.text)]
            one.globals.show(try one.globals.daemon().call("contact.rename", params)) { Screen.line($0.who("did")) }
        }
    }

    struct Block: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take nothing from somebody any more, contact or not.")

        @OptionGroup var one: One

        func run() throws { try one.change("contact.block") }
    }

    struct Unblock: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Take messages from a blocked one again.")

        @OptionGroup var one: One

        func run() throws { try one.change("contact.unblock") }
    }

    struct Mute: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take somebody's messages without troubling anybody with them.",
            discussion: """
                They are received and stay in the inbox, where `culver inbox` shows them as muted. A consumer passes over \
                them, acknowledged with the others, unless it has --muted or --from; so --exec runs nothing for them.
                """)

        @OptionGroup var one: One

        func run() throws { try one.change("contact.mute") }
    }

    struct Unmute: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Let messages of a muted one be heard again.")

        @OptionGroup var one: One

        func run() throws { try one.change("contact.unmute") }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Forget a contact; it is a stranger again.")

        @OptionGroup var one: One

        func run() throws { try one.change("contact.remove") }
    }

    struct Requests: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the strangers who wrote; the names are those in their IDs.",
            discussion:
                "Their messages wait, unread, for `culver contact accept` or `refuse`; for 7 days unless configured.")

        @OptionGroup var globals: Globals

        func run() throws {
            globals.show(try globals.daemon().call("contact.requests", [:])) { result in
                Screen.show(
                    Table(
                        "ID", "FIRST", "WAITING", "CLAIM",
                        rows: result.list("requests").map {
                            let claim = $0.text("name")
                            return [
                                .text($0.text("did")), .time($0["first"]?.double), "\($0.count("messages")) messages",
                                .text(claim.isEmpty ? "" : "calls itself \"\(claim)\""),
                            ]
                        }))
            }
        }
    }

    struct Accept: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make a stranger a contact; its messages come in.")

        @OptionGroup var one: Stranger
        @Option(help: "How this board is to call it: 1 to 64 letters, digits, points, dashes, underscores.")
        var name: TextArgument?

        func run() throws {
            var params: JSONObject = [:]
            params.set("name", name)
            try one.change("contact.accept", params)
        }
    }

    struct Refuse: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Drop a stranger's request and its messages; it may ask again.")

        @OptionGroup var one: Stranger

        func run() throws { try one.change("contact.refuse") }
    }

    /// A verb about one who asks.
    struct Stranger: ParsableArguments {
        @Argument(help: "An ID, as `culver contact requests` shows it.", completion: .requester) var id: TextArgument
        @OptionGroup var globals: Globals

        func change(_ method: String, _ more: JSONObject = [:]) throws {
            var params = more
            params["did"] = .string(id.text)
            let result = try globals.daemon().call(method, params)
            globals.show(result) { Screen.line($0.who("did")) }
        }
    }

    /// A verb about one contact.
    struct One: ParsableArguments {
        @Argument(help: "An ID or a name.", completion: .contact) var id: TextArgument
        @OptionGroup var globals: Globals

        func ask(_ method: String) throws -> JSON {
            try globals.daemon().call(method, ["did": .string(id.text)])
        }

        func change(_ method: String) throws {
            globals.show(try ask(method)) { Screen.line($0.who("did")) }
        }
    }
}
