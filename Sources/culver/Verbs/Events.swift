import ArgumentParser
import Control
import Format
import Glibc
import System

struct WatchVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch", abstract: "Show messages as they come and events as they happen, until interrupted.",
        discussion: """
              culver watch
              culver watch --kind inbox --kind broker

            Messages that come are shown too, without --kind or with --kind inbox, and stay in the inbox for those that read \
            it; with --json there are events alone, since culver inbox has the messages.

            Kinds: start, config, broker, identity, contact, request, message, refused, gap, inbox, clone, visa, clock, \
            disk, presence, group, file, call.
            """)

    @Option(help: "Only events of this kind; may stand several times.", completion: .eventKind) var kind:
        [TextArgument] = []
    @OptionGroup var globals: Globals

    func run() throws {
        var last: Int64?
        var daemon = try globals.daemon()
        let things = showsMessages ? "messages and events" : "events"
        if !globals.json { Screen.note("waiting for \(things); Ctrl-C ends it") }
        while true {
            do {
                try follow(daemon, after: &last)
            } catch  where DaemonBackend.hasGone(error) {
                usleep(200_000)
                daemon = try globals.daemon(patience: LastingDaemon.restart)
            }
        }
    }

    private func follow(_ daemon: DaemonBackend, after last: inout Int64?) throws {
        var params = JSONObject()
        if !kind.isEmpty { params["kinds"] = .array(kind.map { .string($0.text) }) }
        params["start"] = last.map { .integer($0 + 1) }
        _ = try daemon.call("event.subscribe", params)
        if showsMessages { lookOn(daemon) }
        while let notice = try daemon.client.next() {
            switch notice.method {
            case "event":
                last = notice.params["n"]?.integer ?? last
                globals.show(notice.params, Events.show)
            case "inbox.message": Inbox.show(notice.params)
            default: continue
            }
            try Screen.flush()
        }
    }

    private var showsMessages: Bool { !globals.json && (kind.isEmpty || kind.contains(TextArgument("inbox"))) }

    /// Whoever may read nothing sees the events all the same.
    private func lookOn(_ daemon: DaemonBackend) {
        do {
            _ = try daemon.call("inbox.subscribe", [:])
        } catch {
            Screen.complain("messages are not shown: \(error)")
        }
    }
}

struct LogVerb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "log", abstract: "Show events that happened, oldest first.",
        discussion: """
              culver log --since 12h
              culver log hub --kind message

            The daemon keeps the newest 20000, across reboots. For the kinds see `culver watch --help`.
            """)

    @Argument(help: "Only those about this one: an ID or a name.", completion: .peer) var id: TextArgument?
    @Option(help: ArgumentHelp("Only those of the last time: 12h, 7d.", valueName: "time")) var since: TimeSpan?
    @Option(help: "Only events of this kind.", completion: .eventKind) var kind: TextArgument?
    @OptionGroup var globals: Globals

    func run() throws {
        // Without a start the newest page comes.
        var params: JSONObject = ["start": 0]
        params.set("did", id)
        params.set("kind", kind)
        params["since"] = since.map { .number(KernelClock.realtime.now - $0.seconds) }
        let daemon = try globals.daemon()
        var page = try daemon.call("event.list", params)
        while true {
            for event in page.list("events") { globals.show(event, Events.show) }
            guard let next = page["next"], next != params["start"] else { return }
            params["start"] = next
            page = try daemon.call("event.list", params)
        }
    }
}

enum Events {
    /// `2026-11-23 20:52:53  warning  broker  connection lost (lan)  3 times since 2026-11-23 20:52:01`
    static func show(_ event: JSON) {
        var words = [
            LocalTime.words(for: event["time"]?.double), event.text("level"), event.text("kind"), event.text("text"),
        ]
        words += ["did", "broker", "id"].compactMap { event[$0]?.string }
        if event.count("count") > 1 {
            let first = event["first"].map { " since \(LocalTime.words(for: $0.double))" } ?? ""
            words.append("\(event.count("count")) times\(first)")
        }
        Screen.line(words.joined(separator: "  "))
    }
}
