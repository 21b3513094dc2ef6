import ArgumentParser
import Control
import Format
import System

struct Inbox: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show messages that came, or take them as a named consumer.",
        discussion: """
              culver inbox
              culver inbox --consumer lamp --follow --exec 'jq -r .content.text'
              culver inbox --consumer cron --ack --json     what is new since the last time
              culver inbox --consumer test --count 1 --timeout 30s --ack
              culver inbox --consumer soil --subject 'garden/+' --tries 5 --exec ./store

            Without --consumer it shows the newest and changes nothing. A consumer gets each message until it has \
            acknowledged it, across restarts. It stops when there is no more, with --follow never, with --count after so \
            many (waiting for them), with --timeout after that time (status 75 when it got less than asked for).

            What muted contacts sent is shown without --consumer; a consumer passes over it, with --ack and --exec for \
            good, unless --muted or --from asks for it.

            --exec runs a shell command for each message, with the message as JSON on its standard input and \
            CULVER_SENDER, CULVER_ID, CULVER_SEQ, CULVER_SN and, where the message has them, CULVER_TEXT, CULVER_SUBJECT and \
            CULVER_DATA in its environment, and acknowledges when the command ends with 0; otherwise it stops with the \
            command's status, and the message comes again next time. With --tries it runs the command again, after 1 s and \
            with longer pauses up to a minute; a message at which it failed so many times is set aside with an event, and the \
            next one comes. The daemon counts, so that a restart does not begin anew; what was set aside stays in the inbox.

            --subject takes what is about something, with MQTT's wildcards: + stands for one level, # at the end for all \
            below. A consumer keeps its filter until it is given another; what its sender gave up (--expiry) it does not get.
            """)

    @Option(help: ArgumentHelp("Only what this one sent: an ID or a name.", valueName: "id"), completion: .peer)
    var from: TextArgument?
    @Option(help: ArgumentHelp("Only what is about this: garden/soil, garden/+, garden/#.", valueName: "filter"))
    var subject: TextArgument?
    @Option(help: "Without --consumer: show at most so many, 20 unless said.") var limit: Int?
    @Option(
        help: ArgumentHelp("Take messages under this name, which remembers how far it has come.", valueName: "name"),
        completion: .consumer)
    var consumer: TextArgument?
    @Flag(help: "Go on, and wait, when there is no more.") var follow = false
    @Option(help: "Stop after so many, and wait for them.") var count: Int?
    @Option(help: ArgumentHelp("Stop after this time: 60s, 5m, 12h, 7d.", valueName: "time")) var timeout: TimeSpan?
    @Flag(help: "Acknowledge what was printed.") var ack = false
    @Option(help: ArgumentHelp("Run this in a shell for each message; 0 acknowledges it.", valueName: "command"))
    var exec: TextArgument?
    @Option(help: "With --exec: set a message aside at which the command failed so many times.") var tries: Int?
    @Flag(help: "Take what muted contacts sent as well.") var muted = false
    @OptionGroup var globals: Globals

    func validate() throws {
        if consumer == nil, follow || ack || count != nil || timeout != nil || exec != nil || muted {
            throw ValidationError("--follow, --count, --timeout, --ack, --exec and --muted go with --consumer")
        }
        if consumer != nil, limit != nil {
            throw ValidationError("--limit goes without --consumer; --count goes with it")
        }
        if let tries, tries < 1 { throw ValidationError("--tries is 1 or more") }
        if tries != nil, exec == nil { throw ValidationError("--tries goes with --exec") }
        if ack, exec != nil { throw ValidationError("--exec acknowledges by itself") }
        if let count, count < 1 { throw ValidationError("--count is 1 or more") }
        if let limit, limit < 1 { throw ValidationError("--limit is 1 or more") }
    }

    func run() throws {
        guard let consumer else { return try list() }
        var filter = JSONObject()
        filter.set("sender", from)
        filter.set("subject", subject)
        var consumption = Consumption(
            consumer: consumer.text, filter: filter, globals: globals, follow: follow, count: count,
            acknowledges: ack || exec != nil, takesMuted: muted || from != nil, command: exec?.text, tries: tries,
            deadline: timeout.map { KernelClock.monotonic.now + $0.seconds }
        )
        try consumption.run()
    }

    private func list() throws {
        var params: JSONObject = ["limit": .integer(Int64(limit ?? 20))]
        params.set("sender", from)
        params.set("subject", subject)
        let result = try globals.daemon().call("inbox.list", params)
        let messages = result.list("messages")
        guard !globals.json else { return messages.forEach { Screen.line($0) } }
        // A script finds two blanks between all that stands in a line, and no more.
        guard View.output.width != nil else { return messages.forEach(Inbox.show) }
        Screen.show(Table("", "SENT", "SENDER", "TRUST", "MESSAGE", rows: messages.map(Inbox.cells)))
    }

    /// `12  2026-11-23 20:52:53  hub@4WDf… (hub)  sealed  Hello`
    static func show(_ message: JSON) {
        Screen.show(Table(rows: [cells(of: message)]))
    }

    private static func cells(of message: JSON) -> [Table.Cell] {
        let marks = ["again", "muted"].filter { message.says($0) }
        let content = [message["subject"]?.string, Words.content(message["content"])].compactMap { $0 }
        return [
            "\(message.count("seq"))", .time(message["time"]?.double), message.cell("sender"),
            .text(([seal(of: message), message.text("trust")] + marks).filter { !$0.isEmpty }.joined(separator: ",")),
            .text(content.joined(separator: ": ")),
        ]
    }

    private static func seal(of message: JSON) -> String {
        if message.says("sealed") { return "sealed" }
        return message.says("encrypted") ? "encrypted" : "open"
    }
}
