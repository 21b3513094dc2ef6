import ArgumentParser
import Control
import Format
import Glibc

/// The options that every verb has.
struct Globals: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The daemon's socket; else CULVER_SOCKET, the user's own daemon, /run/culver/culver.sock.",
            valueName: "path"),
        completion: .file())
    var socket: TextArgument?

    @Option(
        help: ArgumentHelp("The daemon's configuration file, which names its socket.", valueName: "file"),
        completion: .file())
    var config: TextArgument?

    @Flag(help: "Print results as JSON, one object per line, and a failure as {\"error\": …}.")
    var json = false
}

/// Those of a verb that works without a daemon too.
struct Anywhere: ParsableArguments {
    @OptionGroup var globals: Globals

    @Option(
        help: ArgumentHelp("Work on the files of this state directory, without a daemon.", valueName: "directory"),
        completion: .directory)
    var state: TextArgument?
}

extension Anywhere {
    /// The daemon, or the files of `--state`.
    func backend() throws -> any Backend {
        guard let state else { return try globals.daemon() }
        return try FilesBackend(state.text)
    }
}

extension Globals {
    func daemon(patience: Double = 2) throws -> DaemonBackend {
        try DaemonBackend(path: socketPath(), patience: patience)
    }

    func socketPath() throws -> String {
        try SocketPath.find(
            socket: socket?.text, config: config?.text, environment: Globals.variable,
            exists: { access($0, F_OK) == 0 })
    }

    /// Of the environment.
    static func variable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

    /// Prints the result: raw on one line for programs, else as `people` wants it.
    func show(_ result: JSON, _ people: (JSON) -> Void) {
        json ? Screen.line(result) : people(result)
    }
}

extension JSONObject {
    /// Sets the member when there is something to set.
    mutating func set(_ name: String, _ word: TextArgument?) {
        if let word { self[name] = .string(word.text) }
    }
}

extension JSON {
    /// A member's text, or nothing.
    func text(_ name: String) -> String {
        self[name]?.string ?? ""
    }

    func list(_ name: String) -> [JSON] {
        self[name]?.array ?? []
    }

    func count(_ name: String) -> Int64 {
        self[name]?.integer ?? 0
    }

    func says(_ name: String) -> Bool {
        self[name]?.bool ?? false
    }

    /// Somebody in a table, whose ID is the member of this name.
    func cell(_ name: String) -> Table.Cell { .who(did: text(name), name: text("name")) }

    /// The name alone at a terminal, where there is one; else as `who`.
    func briefly(_ name: String) -> String {
        View.output.width == nil || text("name").isEmpty ? who(name) : text("name")
    }

    /// The full ID with its name beside it.
    func who(_ name: String) -> String {
        let claimed = text("name")
        return claimed.isEmpty ? text(name) : "\(text(name)) (\(claimed))"
    }
}
