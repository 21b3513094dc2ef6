import ArgumentParser
import Control
import Format
import Glibc
import System

struct PresenceVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "presence", abstract: "Show how contacts were seen last: online, gone, or unknown.",
        discussion: """
              culver presence
              culver presence hub
              culver watch --kind presence

            What a contact states of itself on the brokers, if it is a culver agent, and since when this board knows; \
            without an ID of all that messages went to or came from of late. It is a hint: what brokers show may be old, \
            and nothing waits for it. culver ping asks the contact itself.
            """)

    @Argument(help: "An ID, or the name of a contact.", completion: .peer) var id: TextArgument?
    @OptionGroup var globals: Globals

    func run() throws {
        let daemon = try globals.daemon()
        guard let id else {
            return globals.show(try daemon.call("presence.get", [:])) { result in
                Self.show(result.list("contacts"))
            }
        }
        let params: JSONObject = ["did": .string(id.text)]
        var found = try daemon.call("presence.get", params)
        // A contact that was not watched is from now on, and its brokers may be quick.
        for _ in 0..<10 where found.text("state") == "unknown" && found.says("culver") {
            usleep(200_000)
            found = try daemon.call("presence.get", params)
        }
        globals.show(found) { Self.show([$0]) }
    }

    private static func show(_ rows: [JSON]) {
        let isWatched = View.output.width != nil
        func time(_ word: String, _ seconds: Double?) -> Table.Cell {
            guard let seconds else { return "" }
            return isWatched ? .time(seconds) : "\(word) \(LocalTime.words(for: seconds))"
        }
        Screen.show(
            Table(
                "NAME", "ID", "STATE", "SINCE", "SEEN", "AGENT",
                rows: rows.map {
                    [
                        .text($0.text("name")), .text($0.text("did")), .state($0.text("state")),
                        time("since", $0["since"]?.double), time("seen", $0["seen"]?.double), .text($0.text("agent")),
                    ]
                }))
    }
}

struct Ping: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Ask whether a contact is there, and how long an answer takes.",
        discussion: """
              culver ping hub
              culver ping hub --timeout 1m --json

            The contact's daemon answers by itself, and no program there hears of it; the contact must be a culver agent \
            to which messages have gone or from which some have come. The round trip is that of a message and its \
            receipt, saved on both boards, through the brokers.

            Status 0: an answer came; 75: none came in time; 65: the contact is no culver agent, as far as is known.
            """)

    @Argument(help: "An ID, or the name of a contact.", completion: .peer) var to: TextArgument
    @Option(
        help: ArgumentHelp("Which of this board's identities asks; else the default one.", valueName: "id"),
        completion: .identity)
    var from: TextArgument?
    @Option(help: ArgumentHelp("How long to wait: 60s, 5m, 12h, 7d.", valueName: "time")) var timeout: TimeSpan =
        .tenSeconds
    @OptionGroup var globals: Globals

    func run() throws {
        let daemon = try globals.daemon()
        let did: JSONObject = ["did": .string(to.text)]
        guard try daemon.call("presence.get", did).says("culver") else {
            throw ToolFailure(.badData, "no-culver-agent", "\(to.text) is no culver agent, as far as is known")
        }
        var params: JSONObject = [
            "to": .string(to.text), "content": ["type": 204, "app": "culver", "mod": "ping", "act": "ping"],
            "expiry": .number(timeout.seconds), "priority": "urgent",
        ]
        params.set("from", from)
        let begun = KernelClock.monotonic.now
        let id = try daemon.call("message.send", params).text("id")
        let isAnswered = try Progress.during("waiting for \(to.text)", quiet: globals.json) {
            try self.isAnswered(id, by: daemon)
        }
        let seconds = KernelClock.monotonic.now - begun
        var found = try daemon.call("presence.get", did).object ?? [:]
        guard isAnswered else {
            let seen = found["seen"]?.double.map { ", seen last at \(LocalTime.words(for: $0))" } ?? ""
            throw ToolFailure(
                .notNow, "timed-out",
                "no answer of \(to.text) within \(timeout): it is \(JSON.object(found).text("state"))\(seen)")
        }
        found["milliseconds"] = .number((seconds * 10_000).rounded() / 10)
        globals.show(.object(found)) { row in
            let agent = row["agent"]?.string.map { ", \($0)" } ?? ""
            Screen.line("\(row.who("did"))  \(row["milliseconds"]?.double ?? 0) ms, \(row.text("state"))\(agent)")
        }
    }

    /// The message expires when the time is over.
    private func isAnswered(_ id: String, by daemon: DaemonBackend) throws -> Bool {
        let params: JSONObject = [
            "id": .string(id), "until": "delivered", "timeout": .number(timeout.seconds + 2),
        ]
        do {
            return try daemon.call("message.wait", params).text("state") == "delivered"
        } catch let error as RPCError where error.exit == .notNow {
            return false
        }
    }
}
