import ArgumentParser
import Format

struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show how the daemon is.")

    @OptionGroup var globals: Globals

    func run() throws {
        globals.show(try globals.daemon().call("status", [:]), Status.show)
    }

    private static func show(_ status: JSON) {
        let uptime = status["uptime"]?.double.map(Span.words) ?? "?"
        var rows = [["culverd", "\(status.text("version")), \(status.text("state")), up \(uptime)"]]
        rows += status.list("identities").map { ["identity", $0.who("did")] }
        rows += status.list("brokers").map { ["broker", words(forBroker: $0)] }
        let (outbox, inbox) = (status["outbox"] ?? [:], status["inbox"] ?? [:])
        let out = ["waiting", "queued", "published"].map { "\(outbox.count($0)) \($0)" }.joined(separator: ", ")
        rows.append(["outbox", out])
        rows.append(["inbox", "\(inbox.count("count")) messages, \(inbox.count("unacknowledged")) unacknowledged"])
        rows.append(["contacts", "\(status.count("contacts")), \(status.count("requests")) requests"])
        rows += status.list("peers").map { ["peer", words(forPeer: $0)] }
        if status.count("further_peers") > 0 { rows.append(["", "and \(status.count("further_peers")) more"]) }
        if let other = status["standing_back"] {
            rows.append([
                "clone", "another board has the keys of \(other.who("did")): this one sends and takes nothing",
            ])
        }
        if let retired = status["retired"] {
            let day = Moment.words(for: retired["time"]?.double)
            rows.append([
                "retired", "moved into the backup \(retired.text("backup")), \(day): it sends and takes nothing",
            ])
        } else if status.says("retiring") {
            rows.append(["retiring", "a final backup is being written: nothing is accepted"])
        }
        Screen.table(rows)
        if status["standing_back"] != nil {
            Screen.hint("retire one of the two boards; to go on with this one, end the other and start culverd again")
        }
    }

    private static func words(forPeer peer: JSON) -> String {
        var words = "\(peer.who("did")): \(peer.count("sent")) sent, \(peer.count("receipted")) receipted"
        words += ", \(peer.count("pending")) pending"
        if let oldest = peer["oldest"]?.double, oldest > 0 {
            words += " for \(Span.words(for: Moment.now - oldest))"
        }
        if peer.count("gaps") > 0 { words += ", \(peer.count("gaps")) gap\(peer.count("gaps") == 1 ? "" : "s")" }
        return words
    }

    private static func words(forBroker broker: JSON) -> String {
        var words = "\(broker.text("name")) \(broker.text("url")) \(broker.text("state"))"
        if let version = broker["version"] { words += ", MQTT \(version.string ?? version.text)" }
        if let reason = broker["reason"]?.string { words += ": \(reason)" }
        return words
    }
}
