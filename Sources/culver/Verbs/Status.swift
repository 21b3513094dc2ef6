import ArgumentParser
import Format
import System

struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show how the daemon is: identities, brokers, messages on their way, peers.",
        discussion: "What `culver` does when no verb is given.")

    @OptionGroup var globals: Globals

    func run() throws {
        globals.show(try globals.daemon().call("status", [:]), Status.show)
    }

    private static func show(_ status: JSON) {
        let uptime = status["uptime"]?.double.map(TimeSpan.words) ?? "?"
        var rows = [["culverd", "\(status.text("version")), \(status.text("state")), up \(uptime)"]]
        rows += status.list("identities").map { ["identity", $0.who("did")] }
        rows += status.list("brokers").map { ["broker", words(forBroker: $0)] }
        rows += status.list("bridges").map { ["bridge", words(forBridge: $0)] }
        rows += [["outbox", words(forOutbox: status["outbox"] ?? [:])], ["inbox", words(forInbox: status)]]
        rows.append(["contacts", "\(status.count("contacts")), \(counted(status.count("requests"), "request"))"])
        if let disk = status["disk"] { rows.append(["disk", words(forDisk: disk)]) }
        if status["clock"]?.says("set") == false { rows.append(["clock", "not set: ages and times wait for it"]) }
        rows += status.list("peers").map { ["peer", words(forPeer: $0)] }
        if status.count("further_peers") > 0 { rows.append(["", "and \(status.count("further_peers")) more"]) }
        if let other = status["standing_back"] {
            rows.append([
                "clone", "another board has the keys of \(other.who("did")): this one sends and takes nothing",
            ])
        }
        if let retired = status["retired"] {
            let day = LocalTime.words(for: retired["time"]?.double)
            rows.append([
                "retired", "moved into the backup \(retired.text("backup")), \(day): it sends and takes nothing",
            ])
        } else if status.says("retiring") {
            rows.append(["retiring", "a final backup is being written: nothing is accepted"])
        }
        if let problem = status["problem"] { rows.append(["last problem", words(forProblem: problem)]) }
        Screen.facts(rows)
        hints(status)
    }

    private static func hints(_ status: JSON) {
        if status["standing_back"] != nil {
            Screen.hint("retire one of the two boards; to go on with this one, end the other and start culverd again")
        }
        if status["disk"]?["fault"] != nil {
            Screen.hint("nothing that was accepted is lost; the daemon goes on by itself when the disk works")
        }
        if status["inbox"]?.says("full") == true {
            let name = status["behind"]?.text("consumer") ?? ""
            Screen.hint(
                name.isEmpty
                    ? "nobody reads the inbox: culver inbox --consumer NAME --ack"
                    : "start the program that reads as \(name), or: culver consumer forget \(name)")
        }
        if status["outbox"]?.says("full") == true {
            Screen.hint(
                "culver message list --state waiting shows who is not to be had; culver message cancel MSG ends one")
        }
        if status.count("requests") > 0 { Screen.hint("culver contact requests shows who waits for a word") }
    }

    private static func counted(_ count: Int64, _ thing: String) -> String {
        "\(count) \(thing)\(count == 1 ? "" : "s")"
    }

    private static func words(forOutbox outbox: JSON) -> String {
        let states = ["waiting", "queued", "published"].map { "\(outbox.count($0)) \($0)" }.joined(separator: ", ")
        return states + (outbox.says("full") ? "; full: sending is refused" : "")
    }

    private static func words(forInbox status: JSON) -> String {
        let inbox = status["inbox"] ?? [:]
        var words = "\(counted(inbox.count("count"), "message")), \(inbox.count("unacknowledged")) unacknowledged"
        if let behind = status["behind"] {
            let reading = behind.says("connected") ? "" : ", which does not read now"
            words += ", most by \(behind.text("consumer"))\(reading)"
        }
        return words + (inbox.says("full") ? "; full: nothing is taken" : "")
    }

    private static func words(forDisk disk: JSON) -> String {
        let room = disk["free"]?.integer.map { "\(Words.size($0)) free" }
        let fault = disk["fault"]?.string.map { "failing, nothing is accepted: \($0)" }
        return [fault, room].compactMap { $0 }.joined(separator: "; ")
    }

    private static func words(forProblem problem: JSON) -> String {
        guard let time = problem["time"]?.double, time > 0 else { return problem.text("text") }
        return "\(TimeSpan.words(for: KernelClock.realtime.now - time)) ago: \(problem.text("text"))"
    }

    private static func words(forPeer peer: JSON) -> String {
        var words = "\(peer.briefly("did")): \(peer.count("sent")) sent, \(peer.count("receipted")) receipted"
        words += ", \(peer.count("pending")) pending"
        if let oldest = peer["oldest"]?.double, oldest > 0 {
            words += " for \(TimeSpan.words(for: KernelClock.realtime.now - oldest))"
        }
        if peer.count("gaps") > 0 { words += ", " + counted(peer.count("gaps"), "gap") }
        return words
    }

    private static func words(forBridge bridge: JSON) -> String {
        var words = "\(bridge.text("name")) \(bridge.text("broker")) \(bridge.text("state"))"
        if let reason = bridge["reason"]?.string { words += ": \(reason)" }
        words += ", \(bridge.count("waiting_out")) wait for \(bridge.text("peer"))"
        if bridge.count("waiting_in") > 0 { words += ", \(bridge.count("waiting_in")) for the local broker" }
        return words
    }

    static func words(forBroker broker: JSON) -> String {
        var words = "\(broker.text("name")) \(broker.text("url")) \(broker.text("state"))"
        if let version = broker["version"] { words += ", MQTT \(version.string ?? version.text)" }
        if let reason = broker["reason"]?.string { words += ": \(reason)" }
        return words
    }
}
