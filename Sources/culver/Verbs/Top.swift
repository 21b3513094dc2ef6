import ArgumentParser
import Format
import Glibc
import System

struct Top: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Watch brokers, peers, queues and files as they change.",
        discussion: """
              culver top
              culver top --every 5s

            It fills the terminal until q or Ctrl-C. For scripts there are culver status --json and culver metrics.
            """)

    @Option(help: ArgumentHelp("The pause between two looks: 1s, 10s, 1m.", valueName: "time")) var every = TimeSpan
        .second
    @OptionGroup var globals: Globals

    func validate() throws {
        if globals.json { throw ValidationError("top is for people; culver status --json is for programs") }
        if !(0.1...3600 ~= every.seconds) { throw ValidationError("--every is 0.1s to 1h") }
    }

    func run() throws {
        let daemon = try LastingDaemon(globals)
        guard let terminal = WholeTerminal() else {
            throw ToolFailure(
                .usage, "usage", "standard output is no terminal", hint: "culver status --json is for programs")
        }
        defer { terminal.leave() }
        while true {
            terminal.show(try Glance(daemon).lines(on: .output, rows: View.size.rows))
            guard !terminal.isDone(within: every.seconds) else { return }
        }
    }
}

/// What there was to see at one moment.
private struct Glance {
    private let status: JSON
    private let files: [JSON]
    /// States of presence, by ID.
    private let presence: [String: String]

    init(_ daemon: some Backend) throws {
        status = try daemon.call("status", [:])
        let list = try daemon.call("file.list", ["limit": 100])
        let states = try daemon.call("presence.get", [:]).list("contacts")
        let coming = list.list("files").filter { $0.text("state") == "coming" }
        files = list.list("sending").filter { $0.text("state") == "going" } + coming
        presence = Dictionary(
            states.map { ($0.text("did"), $0.text("state")) }, uniquingKeysWith: { first, _ in first })
    }

    /// As many as there is room for: peers give way to the rest.
    func lines(on view: View, rows: Int) -> [String] {
        let above = heading + table(brokers, on: view) + table(transfers, on: view)
        let room = max(0, rows - above.count - 3)
        let peers = status.list("peers").sorted {
            ($0.count("pending"), $0.count("sent")) > ($1.count("pending"), $1.count("sent"))
        }
        var below = table(self.peers(peers.prefix(room)), on: view)
        let rest = Int64(peers.count - min(room, peers.count)) + status.count("further_peers")
        if rest > 0, !below.isEmpty { below.append("and \(rest) more") }
        return Array((above + below).prefix(rows))
    }

    private var heading: [String] {
        let (outbox, inbox) = (status["outbox"] ?? [:], status["inbox"] ?? [:])
        let uptime = status["uptime"]?.double.map(TimeSpan.words) ?? "?"
        let names = status.list("identities").map { $0.text("name").isEmpty ? $0.text("did") : $0.text("name") }
        let queues = ["waiting", "queued", "published"].map { "\(outbox.count($0)) \($0)" }.joined(separator: ", ")
        var lines = [
            "culverd \(status.text("version")), up \(uptime): \(names.joined(separator: ", "))".printable,
            "outbox \(queues), \(Words.size(outbox.count("bytes")))\(outbox.says("full") ? ", FULL" : "")",
            "inbox  \(inbox.count("count")), \(inbox.count("unacknowledged")) unacknowledged, "
                + "\(Words.size(inbox.count("bytes")))\(inbox.says("full") ? ", FULL" : "")",
        ]
        if let fault = status["disk"]?["fault"]?.string { lines.append("disk   \(fault)".printable) }
        return lines
    }

    private func table(_ table: Table, on view: View) -> [String] {
        let lines = table.lines(on: view)
        return lines.isEmpty ? [] : [""] + lines
    }

    private var brokers: Table {
        Table(
            "BROKER", "STATE", "URL", "REASON",
            rows: status.list("brokers").map {
                [.text($0.text("name")), .state($0.text("state")), .text($0.text("url")), .text($0.text("reason"))]
            })
    }

    private var transfers: Table {
        Table(
            "FILE", "WAY", "SIZE", "PEER",
            rows: files.prefix(10).map {
                let isGoing = $0.text("state") == "going"
                return [
                    .text($0.text("filename")), .state($0.text("state")), .text(FileVerbs.size(of: $0)),
                    $0.cell(isGoing ? "receiver" : "sender"),
                ]
            })
    }

    private func peers(_ rows: ArraySlice<JSON>) -> Table {
        Table(
            "PEER", "STATE", "PENDING", "OLDEST", "SENT", "RECEIPTED", "GAPS",
            rows: rows.map {
                let oldest = $0["oldest"]?.double.map { $0 > 0 ? Table.Cell.time($0) : "" }
                return [
                    $0.cell("did"), .state(presence[$0.text("did")] ?? ""), "\($0.count("pending"))", oldest ?? "",
                    "\($0.count("sent"))", "\($0.count("receipted"))",
                    $0.count("gaps") > 0 ? "\($0.count("gaps"))" : "",
                ]
            })
    }
}
