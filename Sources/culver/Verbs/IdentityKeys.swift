import ArgumentParser
import Control
import Format
import Glibc

extension Identities {
    struct Export: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write an identity with its private keys into a file.",
            discussion: """
                  culver id export pump pump.json

                Who reads the file is this identity. Another board imports it with `culver id import`.
                """)

        @Argument(help: ArgumentHelp("Which one: its ID or its name.", valueName: "id"), completion: .identity) var id:
            TextArgument
        @Argument(help: "The file to write; - for standard output.", completion: .file()) var file: TextArgument
        @OptionGroup var place: Anywhere

        func run() throws {
            guard file.text != "-" || isatty(1) == 0 else {
                throw ToolFailure(
                    .usage, "terminal", "private keys are not written to a terminal",
                    hint: "culver id export \(id.text) FILE, or a pipe: culver id export \(id.text) - | …")
            }
            let output = try NewFile(file.text)
            let identity = try place.backend().call("identity.export", ["did": .string(id.text)])
            try output.write(identity.bytes + [UInt8(ascii: "\n")])
            try output.finish()
            if file.text != "-" {
                place.globals.show(["did": .string(identity.text("did"))]) { Screen.line($0.text("did")) }
            }
            Screen.complain("it holds the private keys unencrypted: keep it where nobody else can read it")
        }
    }

    struct Import: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take an identity that another board exported.",
            discussion: "The other board must have removed it: two boards with the same keys stand back in turn.")

        @Argument(help: "The file; - for standard input.", completion: .file()) var file: TextArgument
        @OptionGroup var place: Anywhere

        func run() throws {
            let identity = try CommandInput.json(of: file.text)
            let result = try place.backend().call("identity.import", ["identity": identity])
            place.globals.show(result) { Screen.line($0.text("did")) }
        }
    }

    struct Rotate: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Give an identity a new key to be written to; its ID stays.",
            discussion: "The new visa goes to the brokers. What was sealed for older keys is still read.")

        @Argument(help: ArgumentHelp("Which one: its ID or its name.", valueName: "id"), completion: .identity) var id:
            TextArgument
        @OptionGroup var place: Anywhere

        func run() throws {
            let backend = try place.backend()
            let result = try Progress.during("making a key", quiet: place.globals.json) {
                try backend.call("identity.rotate", ["did": .string(id.text)])
            }
            place.globals.show(result) { Screen.line($0.text("did")) }
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Destroy an identity: its keys, its unsent messages, and what brokers keep of it.",
            discussion: """
                  culver id remove pump --yes

                Without --yes it says what would be destroyed, and ends with 64.
                """)

        @Argument(help: ArgumentHelp("Which one: its ID or its name.", valueName: "id"), completion: .identity) var id:
            TextArgument
        @Flag(help: "Yes, destroy the private keys.") var yes = false
        @OptionGroup var place: Anywhere

        func run() throws {
            let backend = try place.backend()
            let identity = try backend.call("identity.show", ["did": .string(id.text)])
            let did = identity.text("did")
            guard yes else {
                throw ToolFailure(
                    .usage, "not-confirmed",
                    "this would destroy the private keys of \(did): nobody could write as it or read what is sent to it "
                        + "any more, and its messages that are not delivered yet would fail",
                    hint: "culver id export \(did) FILE keeps a copy; --yes destroys it")
            }
            let result = try backend.call("identity.remove", ["did": .string(did)])
            place.globals.show(result) { Screen.line("destroyed \($0.text("did"))") }
        }
    }
}
