import ArgumentParser
import Format

struct Identities: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "id", abstract: "This board's identities: keys, and the IDs that come of them.",
        discussion: "Without a daemon they work on the files of --state DIR. The first identity is the default one.",
        subcommands: [
            New.self, List.self, Show.self, Default.self, Export.self, Import.self, Rotate.self, Remove.self,
        ])
}

extension Identities {
    enum Kind: String, ExpressibleByArgument, CaseIterable {
        case user, bot, station, device, group

        /// Not promised by help and completion: a group, which the daemon refuses, and a device without its era.
        static let allValueStrings = ["user", "bot", "station"]
    }
    enum Key: String, ExpressibleByArgument, CaseIterable { case rsa, ecc }

    struct New: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make an identity; prints its ID.",
            discussion: """
                  culver id new pump
                  culver id new pump --ensure --json     "created" tells whether it is new
                  culver id new pump --state /var/lib/culver   before the daemon's first start

                When there is one of this name already it ends with 73. A long RSA key takes minutes on a small board.
                """)

        @Argument(help: "Its name: 1 to 64 letters, digits, points, dashes and underscores.") var name: TextArgument
        @Option(help: "What it is for; user (the default) also for boards. A device exists with --era 2019 alone.")
        var type: Kind?
        @Option(help: "Its signing key; rsa unless said.") var key: Key?
        @Option(help: "The length of an RSA key, 1024 to 4096; 2048 unless said.") var bits: Int?
        @Option(
            help: ArgumentHelp("Write it as DIMP of that year did: 2019.", valueName: "year"),
            completion: .list(["2019"]))
        var era: TextArgument?
        @Flag(help: "When there is one of this name already, show that one and end with 0.") var ensure = false
        @OptionGroup var place: Anywhere

        func run() throws {
            var params: JSONObject = ["name": .string(name.text)]
            params["type"] = type.map { .string($0.rawValue) }
            params["key"] = key.map { .string($0.rawValue) }
            params["bits"] = bits.map { .integer(Int64($0)) }
            params.set("era", era)
            if ensure { params["ensure"] = true }
            let backend = try place.backend()
            let result = try Progress.during("making \(words)", quiet: place.globals.json) {
                try backend.call("identity.create", params)
            }
            place.globals.show(result) { Screen.line($0.text("did")) }
            for words in warnings(about: result.text("did")) { Screen.complain(words) }
        }

        /// What other DIMP software makes of such an ID (wire.md 2.2).
        private func warnings(about did: String) -> [String] {
            var warnings: [String] = []
            if let type, [.bot, .station].contains(type) {
                warnings.append(
                    "stock applications send a \(type.rawValue) no receipts, so its messages to them end as published")
            }
            if let type, [.bot, .device, .station].contains(type), era != nil {
                warnings.append(
                    "stock software of today takes a \(type.rawValue) of 2019 for a broadcast address and does not "
                        + "encrypt to it")
            }
            if did.utf16.count > Self.longestID {
                let room = name.text.utf16.count - (did.utf16.count - Self.longestID)
                warnings.append(
                    "the ID has more than \(Self.longestID) characters, which applications in JavaScript and Java "
                        + "refuse; a name of at most \(room) is short enough for them")
            }
            return warnings
        }

        /// Characters.
        private static let longestID = 64

        private var words: String {
            key == .ecc ? "a secp256k1 key" : "a \(bits ?? 2048)-bit RSA key"
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the identities; a star marks the default one.")

        @OptionGroup var place: Anywhere

        func run() throws {
            place.globals.show(try place.backend().call("identity.list", [:])) { result in
                Screen.show(
                    Table(
                        "", "NAME", "ID", "TYPE", "KEY",
                        rows: result.list("identities").map {
                            [
                                .text($0.says("default") ? "*" : " "), .text($0.text("name")), .text($0.text("did")),
                                .text($0.text("type")), .text($0.text("algorithm")),
                            ]
                        }))
            }
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Show an identity, or its card.",
            discussion: """
                  culver id show pump --card > pump.json

                The card is for `culver contact add pump.json` on another board.
                """)

        @Argument(help: "An ID or a name; without it the default one.", completion: .identity) var id: TextArgument?
        @Flag(help: "Print its card: what another board needs to know it.") var card = false
        @OptionGroup var place: Anywhere

        func run() throws {
            var params = JSONObject()
            params.set("did", id)
            let result = try place.backend().call("identity.show", params)
            if card { return Screen.line(result["card"] ?? .null) }
            place.globals.show(result) { identity in
                Screen.facts([
                    ["id", identity.text("did")], ["name", identity.text("name")], ["type", identity.text("type")],
                    ["algorithm", identity.text("algorithm")],
                    ["default", identity.says("default") ? "yes" : "no"],
                ])
            }
        }
    }

    struct Default: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make an identity the default one: it sends wherever no --from is given.")

        @Argument(help: "An ID or a name.", completion: .identity) var id: TextArgument
        @OptionGroup var place: Anywhere

        func run() throws {
            let result = try place.backend().call("identity.default", ["did": .string(id.text)])
            place.globals.show(result) { Screen.line($0.text("did")) }
        }
    }
}
