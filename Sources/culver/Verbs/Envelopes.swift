import ArgumentParser
import Control
import Format

struct Pack: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Seal and sign a message without sending it: one ReliableMessage on standard output.",
        discussion: """
              culver pack --from pump --to hub --text hello | culver open --state /tmp/hub

            For transports other than a broker, and for tests. Without a daemon it works on the files of --state DIR.
            """)

    @Option(help: ArgumentHelp("Which of this board's identities signs.", valueName: "id"), completion: .identity)
    var from: TextArgument
    @Option(help: ArgumentHelp("For whom: an ID or a name.", valueName: "id"), completion: .peer) var to: TextArgument
    @Option(help: "The text.") var text: TextArgument?
    @Option(
        help: ArgumentHelp("The whole content, in DIMP's JSON, from this file or from -.", valueName: "file"),
        completion: .file())
    var content: TextArgument?
    @Flag(help: "Let the sender's meta and visa ride along.") var attach = false
    @OptionGroup var place: Anywhere

    func validate() throws {
        guard (text == nil) != (content == nil) else {
            throw ValidationError("either --text or --content says what to pack")
        }
    }

    func run() throws {
        var params: JSONObject = ["from": .string(from.text), "to": .string(to.text)]
        params.set("text", text)
        params["content"] = try content.map(CommandInput.content)
        if attach { params["attach"] = true }
        let result = try place.backend().call("message.pack", params)
        place.globals.show(result) { Screen.line($0["message"] ?? .null) }
    }
}

struct Open: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Verify and decrypt one ReliableMessage; status 65 when it is refused.",
        discussion: """
            Shows who wrote it and what stands in it, or at which stage it is refused: parse, receiver, meta, replay, \
            signature, trust, key, decrypt, content, seal or time. With --state it changes nothing.
            """)

    @Argument(help: "A file, or - for standard input.", completion: .file()) var file = TextArgument("-")
    @OptionGroup var place: Anywhere

    func run() throws {
        let result = try place.backend().call("message.open", ["message": try message()])
        guard let stage = result["refused"]?.string else { return place.globals.show(result, Open.show) }
        if place.globals.json {
            Screen.line(result)
        } else {
            Screen.complain("refused at \(stage): \(result.text("reason"))")
        }
        throw Quiet(exit: Control.ExitCode.badData.rawValue)
    }

    /// An object where it is one; else the text as it is, so that one judge says what is wrong with it.
    private func message() throws -> JSON {
        let text = try CommandInput.text(of: file.text)
        if let json = try? JSON(parsing: text), json.object != nil { return json }
        return .string(text)
    }

    private static func show(_ opened: JSON) {
        var rows = [["sender", opened.text("sender")], ["receiver", opened.text("receiver")]]
        if let group = opened["group"]?.string { rows.append(["group", group]) }
        rows.append(["time", LocalTime.words(for: opened["time"]?.double)])
        rows.append(["sealed", opened.says("sealed") ? "yes" : "no"])
        rows.append(["encrypted", opened.says("encrypted") ? "yes" : "no"])
        let attached = opened.list("attached").compactMap(\.string)
        if !attached.isEmpty { rows.append(["attached", attached.joined(separator: ", ")]) }
        rows.append(["content", Words.content(opened["content"])])
        Screen.facts(rows)
    }
}
