import ArgumentParser
import Control
import Format

struct GroupVerbs: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "group", abstract: "Groups: one message to all of their members.",
        discussion: """
              culver group new hiking anna ben
              culver send hiking 'at nine'

            Who founded a group owns it. The owner and administrators invite and expel; a member proposes with `invite`, and \
            `show` lists what was proposed or asked for: `invite` accepts it, `expel` refuses it. Every message has a key \
            of its own: who left reads nothing more, and who comes reads nothing from before.
            """,
        subcommands: [
            New.self, List.self, Show.self, Invite.self, Expel.self, Join.self, Quit.self, Query.self, Hire.self,
            Fire.self, Resign.self, Reset.self, Forget.self,
        ])
}

extension GroupVerbs {
    struct New: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Found a group, and invite its first members.")

        @Argument(help: "How this board and the group's ID are to call it.") var name: TextArgument
        @Argument(help: "IDs or names.", completion: .peer) var members: [TextArgument] = []
        @Option(help: "The identity that founds it; else the default one.", completion: .identity) var from:
            TextArgument?
        @OptionGroup var globals: Globals

        func run() throws {
            var params: JSONObject = [
                "name": .string(name.text), "members": .array(members.map { .string($0.text) }),
            ]
            params.set("from", from)
            globals.show(try globals.daemon().call("group.create", params)) { Screen.line($0.text("did")) }
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the groups: name, ID, members, our office.")

        @OptionGroup var globals: Globals

        func run() throws {
            globals.show(try globals.daemon().call("group.list", [:])) { result in
                Screen.show(
                    Table(
                        "NAME", "ID", "SIZE", "OFFICE",
                        rows: result.list("groups").map {
                            [
                                .text($0.text("name")), .text($0.text("did")), "\($0.count("members")) members",
                                .text($0.text("office")),
                            ]
                        }))
            }
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show a group: its members and their offices, and who asks to be let in.")

        @OptionGroup var group: OneGroup

        func run() throws {
            group.globals.show(try group.ask("group.show")) { group in
                var rows = [
                    ["id", group.text("did")], ["name", group.text("name")], ["office", group.text("office")],
                ]
                let offices = group.list("administrators").compactMap(\.string)
                for id in group.list("members").compactMap(\.string) {
                    let isOwner = id == group.text("owner")
                    rows.append([isOwner ? "owner" : offices.contains(id) ? "administrator" : "member", id])
                }
                for request in group.list("requests") {
                    rows.append(["request", "\(request.text("did")) by \(request.text("by"))"])
                }
                Screen.facts(rows)
            }
        }
    }

    struct Invite: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Let somebody in, accept who asked, or propose somebody.")

        @OptionGroup var members: SeveralMembers

        func run() throws { try members.change("group.invite") }
    }

    struct Expel: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Put somebody out, or refuse who asked.")

        @OptionGroup var members: SeveralMembers

        func run() throws { try members.change("group.expel") }
    }

    struct Join: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Ask to be let into a group that this board knows.")

        @OptionGroup var group: OneGroup

        func run() throws { try group.change("group.join") }
    }

    struct Quit: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Leave a group. Its owner cannot.")

        @OptionGroup var group: OneGroup

        func run() throws { try group.change("group.quit") }
    }

    struct Query: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Ask a member for what this board may have missed; it does so by itself as well.")

        @OptionGroup var group: OneGroup

        func run() throws { try group.change("group.query") }
    }

    struct Hire: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make members administrators. Only the owner can.")

        @OptionGroup var members: SeveralMembers

        func run() throws { try members.change("group.hire") }
    }

    struct Fire: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Take the office from administrators.")

        @OptionGroup var members: SeveralMembers

        func run() throws { try members.change("group.fire") }
    }

    struct Resign: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Lay down the office of an administrator.")

        @OptionGroup var group: OneGroup

        func run() throws { try group.change("group.resign") }
    }

    struct Reset: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Say anew who the members are; everybody else is out.")

        @OptionGroup var group: OneGroup
        @Argument(help: "IDs or names.", completion: .peer) var members: [TextArgument] = []

        func run() throws { try group.change("group.reset", members) }
    }

    struct Forget: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Forget a group that this board is no member of.")

        @OptionGroup var group: OneGroup

        func run() throws { try group.change("group.forget") }
    }

    /// A verb about one group.
    struct OneGroup: ParsableArguments {
        @Argument(help: "The ID or name of a group.", completion: .group) var group: TextArgument
        @OptionGroup var globals: Globals

        func ask(_ method: String, _ members: [TextArgument]? = nil) throws -> JSON {
            var params: JSONObject = ["group": .string(group.text)]
            if let members { params["members"] = .array(members.map { .string($0.text) }) }
            return try globals.daemon().call(method, params)
        }

        func change(_ method: String, _ members: [TextArgument]? = nil) throws {
            globals.show(try ask(method, members)) { Screen.line($0.who("did")) }
        }
    }

    /// A verb about members of one group.
    struct SeveralMembers: ParsableArguments {
        @OptionGroup var group: OneGroup
        @Argument(help: "IDs or names.", completion: .peer) var members: [TextArgument]

        func change(_ method: String) throws { try group.change(method, members) }
    }
}
