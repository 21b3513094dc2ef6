import ArgumentParser
import Control
import Format

struct PipeVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pipe", abstract: "A stream of bytes to a program on another board, and back.",
        discussion: """
              gate$ tar c photos | culver pipe porch
              porch$ culver pipe gate | tar x
              gate$ culver pipe porch --name log < /dev/null | tee porch.log

            Standard input goes to the other board's `culver pipe`, and what that one reads comes to standard output, each in \
            its order and once. Whoever begins waits for the other. A writer is held up when the reader is slow: the boards \
            keep 32 pieces of at most 48 KiB. It goes on where it was when the daemons, the brokers or the connection were \
            away.

            The end of standard input ends one direction. It is over when both have ended and each side has read all that \
            the other wrote; < /dev/null for one that only reads.

            A program that goes away without a word has two minutes to come back: the same command goes on with the same \
            pipe then. Several pipes between two boards have different names.

            Status 0: all of it was read on both sides. 76: it ended before that, with a word: gone, when the other program \
            was away too long; cancelled, when it was interrupted; closed, when nobody reads its output any more; \
            undelivered, when a message of it expired or was cancelled; too-many-pipes.
            """)

    @Argument(help: "An ID, or the name of a contact.", completion: .peer) var to: TextArgument
    @Option(help: ArgumentHelp("Which of several pipes to this board.", valueName: "name"))
    var name: TextArgument?
    @Option(
        help: ArgumentHelp("Which of this board's identities has it; else the default one.", valueName: "id"),
        completion: .identity)
    var from: TextArgument?
    @OptionGroup var globals: Globals

    func validate() throws {
        if globals.json { throw ValidationError("a pipe has bytes on its standard output, and no JSON") }
    }

    func run() throws {
        var params: JSONObject = ["to": .string(to.text)]
        params.set("name", name)
        params.set("from", from)
        var session = try PipeSession(params, globals: globals)
        try session.run()
    }
}
