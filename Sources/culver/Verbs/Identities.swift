import ArgumentParser
import Format

struct Identities: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "id", abstract: "This board's identities.",
        subcommands: [
            New.self, List.self, Show.self, Default.self, Export.self, Import.self, Rotate.self, Remove.self,
        ])
}

extension Identities {
    enum Kind: String, ExpressibleByArgument, CaseIterable { case user, group, bot, device, station }
    enum Key: String, ExpressibleByArgument, CaseIterable { case rsa, ecc }

    struct New: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make an identity; prints its ID.")

        @Argument var name: Word
        @Option(help: "What it is for; user also for boards.") var type: Kind?
        @Option(help: "Its signing key.") var key: Key?
        @Option(help: "The length of an RSA key.") var bits: Int?
        @Option(help: "Write it as DIMP of that year did.") var era: Word?
        @Flag(help: "It is no error when there is one of this name already.") var ensure = false
        @OptionGroup var place: Anywhere

        func run() throws {
            var params: JSONObject = ["name": .string(name.text)]
            params["type"] = type.map { .string($0.rawValue) }
            params["key"] = key.map { .string($0.rawValue) }
            params["bits"] = bits.map { .integer(Int64($0)) }
            params.set("era", era)
            if ensure { params["ensure"] = true }
            let result = try place.backend().call("identity.create", params)
            place.globals.show(result) { Screen.line($0.text("did")) }
            if let type, [.bot, .device, .station].contains(type) {
                Screen.complain(
                    "stock software takes a \(type.rawValue) for a broadcast address and does not encrypt to it")
            }
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List them; a star marks the default one.")

        @OptionGroup var place: Anywhere

        func run() throws {
            place.globals.show(try place.backend().call("identity.list", [:])) { result in
                Screen.table(
                    result.list("identities").map {
                        [
                            $0.says("default") ? "*" : " ", $0.text("name"), $0.text("did"), $0.text("type"),
                            $0.text("algorithm"),
                        ]
                    })
            }
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show one, the default one unless named.")

        @Argument(help: ArgumentHelp(valueName: "id")) var id: Word?
        @Flag(help: "Print its card: what another board needs to know it.") var card = false
        @OptionGroup var place: Anywhere

        func run() throws {
            var params = JSONObject()
            params.set("did", id)
            let result = try place.backend().call("identity.show", params)
            if card { return Screen.line(result["card"] ?? .null) }
            place.globals.show(result) { identity in
                Screen.table([
                    ["id", identity.text("did")], ["name", identity.text("name")], ["type", identity.text("type")],
                    ["algorithm", identity.text("algorithm")],
                    ["default", identity.says("default") ? "yes" : "no"],
                ])
            }
        }
    }

    struct Default: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Make one the default.")

        @Argument(help: ArgumentHelp(valueName: "id")) var id: Word
        @OptionGroup var place: Anywhere

        func run() throws {
            let result = try place.backend().call("identity.default", ["did": .string(id.text)])
            place.globals.show(result) { Screen.line($0.text("did")) }
        }
    }
}
