import ArgumentParser
import Control
import DIMP
import Format

struct Contacts: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "contact", abstract: "Whom this board knows.",
        subcommands: [
            Add.self, List.self, Show.self, Rename.self, Block.self, Unblock.self, Remove.self, Requests.self,
            Accept.self, Refuse.self,
        ])
}

extension Contacts {
    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Add one by its ID, or by its card in a file or on standard input (-).")

        @Argument(help: ArgumentHelp(valueName: "id-or-card-file")) var contact: Word
        @Option(help: "How this board calls it.") var name: Word?
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
                return try Input.json(of: contact.text)
            } catch var failure as Failure where failure.exit == Control.ExitCode.noInput.rawValue {
                failure.error.hint = "an ID looks like name@address; anything else is the file of a card"
                throw failure
            }
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List them.")

        @OptionGroup var globals: Globals

        func run() throws {
            globals.show(try globals.daemon().call("contact.list", [:])) { result in
                Screen.table(
                    result.list("contacts").map {
                        [$0.text("name"), $0.text("did"), $0.text("trust"), $0.says("blocked") ? "blocked" : ""]
                    })
            }
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show one.")

        @OptionGroup var one: One

        func run() throws {
            one.globals.show(try one.ask("contact.show")) { contact in
                Screen.table([
                    ["id", contact.text("did")], ["name", contact.text("name")], ["trust", contact.text("trust")],
                    ["blocked", contact.says("blocked") ? "yes" : "no"],
                    ["keys", contact["meta"] == nil ? "not known yet" : "known"],
                    ["culver", contact.says("culver") ? "yes" : "no"],
                ])
            }
        }
    }

    struct Rename: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Give one another name.")

        @OptionGroup var one: One
        @Argument var name: Word

        func run() throws {
            let params: JSONObject = ["did": .string(one.id.text), "name": .string(name.text)]
            one.globals.show(try one.globals.daemon().call("contact.rename", params)) { Screen.line($0.who("did")) }
        }
    }

    struct Block: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Take nothing from it any more.")

        @OptionGroup var one: One

        func run() throws { try one.change("contact.block") }
    }

    struct Unblock: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Take messages from it again.")

        @OptionGroup var one: One

        func run() throws { try one.change("contact.unblock") }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Forget it.")

        @OptionGroup var one: One

        func run() throws { try one.change("contact.remove") }
    }

    struct Requests: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "List the strangers who wrote; the names are their own claims.")

        @OptionGroup var globals: Globals

        func run() throws {
            globals.show(try globals.daemon().call("contact.requests", [:])) { result in
                Screen.table(
                    result.list("requests").map {
                        let claim = $0.text("name")
                        return [
                            $0.text("did"), Moment.words(for: $0["first"]?.double),
                            "\($0.count("messages")) messages", claim.isEmpty ? "" : "calls itself \"\(claim)\"",
                        ]
                    })
            }
        }
    }

    struct Accept: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make a stranger a contact; its messages come in.")

        @OptionGroup var one: One

        func run() throws { try one.change("contact.accept") }
    }

    struct Refuse: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Drop a stranger's request; it may ask again.")

        @OptionGroup var one: One

        func run() throws { try one.change("contact.refuse") }
    }

    /// A verb about one contact.
    struct One: ParsableArguments {
        @Argument(help: ArgumentHelp(valueName: "id")) var id: Word
        @OptionGroup var globals: Globals

        func ask(_ method: String) throws -> JSON {
            try globals.daemon().call(method, ["did": .string(id.text)])
        }

        func change(_ method: String) throws {
            globals.show(try ask(method)) { Screen.line($0.who("did")) }
        }
    }
}
