import Control
import Format
import Foundation
import System
import Testing

/// The other verbs: what they ask, and what they print.
@MainActor struct VerbTests {
    @Test("nothing is the status")
    func status() async throws {
        let daemon = try FakeDaemon()
        defer { daemon.end() }
        let result: JSON = [
            "version": "0.1.0", "state": "ready", "uptime": 3_725, "identities": [["did": "me@4XYZ", "name": "me"]],
            "brokers": [["name": "lan", "url": "mqtt://b", "state": "away", "reason": "refused"]],
            "outbox": ["waiting": 1, "queued": 2, "published": 3], "inbox": ["count": 4, "unacknowledged": 5],
            "contacts": 6,
            "requests": 7,
        ]
        daemon.answers["status"] = { _ in .success(result) }
        let session = try await daemon.culver()
        #expect(
            session.lines == [
                "culverd   0.1.0, ready, up 1h 2m", "identity  me@4XYZ (me)", "broker    lan mqtt://b away: refused",
                "outbox    1 waiting, 2 queued, 3 published", "inbox     4 messages, 5 unacknowledged",
                "contacts  6, 7 requests",
            ])
        let json = try await daemon.culver("--json")
        #expect(try JSON(parsing: json.out) == result)
        #expect(json.lines.count == 1)
    }

    @Test("the status tells of each peer, of how many more there are, and of the other board with our keys")
    func peers() async throws {
        let daemon = try FakeDaemon()
        defer { daemon.end() }
        let day = Date().timeIntervalSince1970 - 86_430
        let result: JSON = [
            "peers": [
                [
                    "did": "hub@4WDf", "name": "hub", "sent": 9, "receipted": 6, "pending": 2, "oldest": .number(day),
                    "gaps": 1,
                ], ["did": "porch@1HHH", "sent": 1, "receipted": 0, "pending": 1, "oldest": 0, "gaps": 0],
            ], "further_peers": 12, "standing_back": ["did": "me@4XYZ", "since": 1_795_000_000],
        ]
        daemon.answers["status"] = { _ in .success(result) }
        let session = try await daemon.culver("status")
        #expect(
            session.lines.suffix(4).map {
                $0.replacingOccurrences(of: #" 1d( \d+.)?, "#, with: " 1d, ", options: .regularExpression)
            } == [
                "peer      hub@4WDf (hub): 9 sent, 6 receipted, 2 pending for 1d, 1 gap",
                "peer      porch@1HHH: 1 sent, 0 receipted, 1 pending", "          and 12 more",
                "clone     another board has the keys of me@4XYZ: this one sends and takes nothing",
            ])
        #expect(session.err.hasPrefix("hint: "))
    }

    @Test(
        "verbs ask with the daemon's names",
        arguments: [
            (["id", "new", "pi", "--ensure"], "identity.create", ["name": "pi", "ensure": true]),
            (
                ["id", "new", "pi", "--type", "device", "--key", "ecc", "--bits", "4096", "--era", "2019"],
                "identity.create", ["name": "pi", "type": "device", "key": "ecc", "bits": 4096, "era": "2019"]
            ),
            (["id", "list"], "identity.list", [:]), (["id", "show"], "identity.show", [:]),
            (["id", "show", "pi"], "identity.show", ["did": "pi"]),
            (["id", "default", "pi"], "identity.default", ["did": "pi"]),
            (["contact", "add", "hub@4WDf", "--name", "hub"], "contact.add", ["did": "hub@4WDf", "name": "hub"]),
            (["contact", "list"], "contact.list", [:]), (["contact", "show", "hub"], "contact.show", ["did": "hub"]),
            (["contact", "rename", "hub", "h2"], "contact.rename", ["did": "hub", "name": "h2"]),
            (["contact", "block", "hub"], "contact.block", ["did": "hub"]),
            (["contact", "unblock", "hub"], "contact.unblock", ["did": "hub"]),
            (["contact", "remove", "hub"], "contact.remove", ["did": "hub"]),
            (["contact", "requests"], "contact.requests", [:]),
            (["contact", "accept", "hub"], "contact.accept", ["did": "hub"]),
            (
                ["contact", "accept", "hub@4WDf", "--name", "hub"], "contact.accept",
                ["did": "hub@4WDf", "name": "hub"]
            ),
            (["contact", "refuse", "hub"], "contact.refuse", ["did": "hub"]),
            (["consumer", "list"], "inbox.consumers", [:]),
            (["consumer", "seek", "c", "5"], "inbox.seek", ["consumer": "c", "seq": 5]),
            (["consumer", "forget", "c"], "inbox.forget", ["consumer": "c"]),
            (
                ["message", "list", "--state", "queued", "--limit", "3"], "message.list",
                ["state": "queued", "limit": 3]
            ),
            (["message", "show", "m1"], "message.show", ["id": "m1"]),
            (["message", "cancel", "m1"], "message.cancel", ["id": "m1"]),
            (["log", "--kind", "broker", "hub"], "event.list", ["start": 0, "kind": "broker", "did": "hub"]),
            (
                ["pack", "--from", "a", "--to", "b", "--text", "-5", "--attach"], "message.pack",
                ["from": "a", "to": "b", "text": "-5", "attach": true]
            ),
        ] as [([String], String, JSON)])
    func asks(_ arguments: [String], _ method: String, _ params: JSON) async throws {
        let daemon = try FakeDaemon()
        defer { daemon.end() }
        daemon.answers[method] = { _ in .success(["did": "x"]) }
        let session = try await daemon.culver(arguments)
        #expect(session.status == 0)
        #expect(daemon.asked.map(\.method) == [method])
        #expect(daemon.asked.first?.params == params)
    }

    @Test("a new identity prints its ID alone")
    func newIdentity() async throws {
        let daemon = try FakeDaemon()
        defer { daemon.end() }
        daemon.answers["identity.create"] = { _ in
            .success(["did": "pi@4XYZ", "name": "pi", "type": 0, "algorithm": "RSA", "created": true])
        }
        let session = try await daemon.culver("id", "new", "pi")
        #expect(session.out == "pi@4XYZ\n" && session.err == "")
    }

    @Test("a new identity that other software takes in another way is told so")
    func newIdentityWarnings() async throws {
        let daemon = try FakeDaemon()
        defer { daemon.end() }
        let address = "1E5mpcSC71TKFcWGqntMHiEvFQAJ9PCkMg"
        daemon.answers["identity.create"] = { params in
            .success(["did": .string("\(params["name"]?.string ?? "")@\(address)"), "created": true])
        }
        func words(_ arguments: String...) async throws -> String {
            try await daemon.culver(["id", "new"] + arguments).err
        }
        #expect(try await words(String(repeating: "n", count: 29)) == "")
        #expect(try await words(String(repeating: "n", count: 30)).contains("a name of at most 29"))
        #expect(try await words("pi", "--type", "user") == "")
        let bot = try await words("pi", "--type", "bot")
        #expect(bot.contains("no receipts") && !bot.contains("broadcast"))
        #expect(try await words("pi", "--type", "station", "--era", "2019").contains("broadcast address"))
    }

    @Test("a card is added from a file and from standard input")
    func card() async throws {
        let daemon = try FakeDaemon()
        defer { daemon.end() }
        daemon.answers["contact.add"] = { _ in .success(["did": "hub@4WDf", "trust": "contact", "known": true]) }
        let card = #"{"did":"hub@4WDf","meta":{},"visa":{}}"#
        let file = try daemon.file(card)
        #expect(try await daemon.culver("contact", "add", file).out == "hub@4WDf\n")
        _ = try await daemon.culver("contact", "add", "-", input: card)
        #expect(daemon.asked.map(\.params) == [["card": try JSON(parsing: card)], ["card": try JSON(parsing: card)]])
    }

    @Test("packing prints the message itself, opening reads it and shows what is in it")
    func packAndOpen() async throws {
        let daemon = try FakeDaemon()
        defer { daemon.end() }
        daemon.answers["message.pack"] = { _ in .success(["message": ["sender": "a", "data": "x"]]) }
        daemon.answers["message.open"] = { params in
            .success([
                "sender": "a@4XYZ", "receiver": "b@4XYZ", "time": 1_700_000_000, "sealed": true, "encrypted": true,
                "attached": ["meta"], "content": ["type": 1, "text": "hi"],
            ])
        }
        let packed = try await daemon.culver("pack", "--from", "a", "--to", "b", "--text", "hi")
        #expect(packed.out == #"{"sender":"a","data":"x"}"# + "\n")
        let opened = try await daemon.culver("open", input: packed.out)
        #expect(daemon.asked.last?.params == ["message": ["sender": "a", "data": "x"]])
        #expect(opened.out.contains("a@4XYZ"))
        #expect(opened.lines.last == "content    hi")
    }

    @Test("a refused message is 65 with its stage and reason", arguments: ["{}", "garbage"])
    func refused(_ input: String) async throws {
        let daemon = try FakeDaemon()
        defer { daemon.end() }
        daemon.answers["message.open"] = { _ in .success(["refused": "parse", "reason": "no sender"]) }
        let plain = try await daemon.culver("open", "-", input: input)
        #expect(plain.status == 65)
        #expect(plain.err == "culver: refused at parse: no sender\n")
        let json = try await daemon.culver("open", "--json", input: input)
        #expect(json.status == 65)
        #expect(json.out == #"{"refused":"parse","reason":"no sender"}"# + "\n")
    }

    @Test("the log follows its pages to the end")
    func log() async throws {
        let daemon = try FakeDaemon()
        defer { daemon.end() }
        daemon.answers["event.list"] = { params in
            let start = max(1, params["start"]?.integer ?? 0)
            let event: JSON = [
                "n": .integer(start), "time": 1_700_000_000, "kind": "broker", "level": "warning",
                "count": .integer(start),
                "text": "lost",
            ]
            return .success(start < 3 ? ["events": [event], "next": .integer(start + 1)] : ["events": [event]])
        }
        let session = try await daemon.culver("log", "--since", "12h")
        #expect(
            session.lines == [
                "2023-11-14 22:13:20  warning  broker  lost", "2023-11-14 22:13:20  warning  broker  lost  2 times",
                "2023-11-14 22:13:20  warning  broker  lost  3 times",
            ])
        let since = try #require(daemon.asked.first?.params["since"]?.double)
        #expect(abs(Date().timeIntervalSince1970 - 43_200 - since) < 600)
    }

    @Test(
        "help and completions are no failure",
        arguments: [["--help"], ["send", "--help"], ["--version"], ["help", "id"]])
    func help(_ arguments: [String]) async throws {
        let daemon = try FakeDaemon()
        defer { daemon.end() }
        let session = try await daemon.culver(arguments)
        #expect(session.status == 0)
        #expect(session.out != "")
        #expect(session.err == "")
    }

    @Test(
        "results that cannot be written are 74 with a word, whatever the verb and the form",
        arguments: ["id list", "id list --json", "--help", "--version", "--generate-completion-script bash", "status"])
    func fullOutput(_ words: String) async throws {
        let daemon = try FakeDaemon()
        defer { daemon.end() }
        daemon.answers["identity.list"] = { _ in .success(["identities": [["did": "me@4XYZ"]]]) }
        daemon.answers["status"] = { _ in .success([:]) }
        let session = try await daemon.shell("\(daemon.tool) \(words) > /dev/full")
        #expect(session.status == 74)
        #expect(session.err == "culver: cannot write to standard output\n")
    }

    @Test("a failure that cannot be printed as JSON is said on standard error")
    func fullOutputOfFailure() async throws {
        let daemon = try FakeDaemon()
        defer { daemon.end() }
        let error = RPCError(exit: .unknownName, reason: "unknown-name", message: "nobody")
        daemon.answers["identity.show"] = { _ in .failure(error) }
        let session = try await daemon.shell("\(daemon.tool) id show x --json > /dev/full")
        #expect(session.status == 67)
        #expect(session.err == "culver: nobody\n")
    }

    @Test("arguments are arguments, whatever became of the environment before")
    func lostEnvironment() async throws {
        let daemon = try FakeDaemon()
        defer { daemon.end() }
        #expect(ProgramArguments.bytes.first != Array(CommandLine.arguments[0].utf8))
        #expect(
            ProgramArguments.bytes.map { String(decoding: $0, as: UTF8.self) }
                == Array(CommandLine.arguments.dropFirst()))
        let session = try await daemon.shell("exec \(daemon.tool) id show '' \"$(printf 'a\\nb')\"")
        #expect(session.status == 64)
    }

    @Test("message list takes states alone: elsewhere --state names a directory")
    func states() async throws {
        let daemon = try FakeDaemon()
        defer { daemon.end() }
        daemon.answers["message.list"] = { _ in .success(["messages": []]) }
        #expect(try await daemon.culver("--state", "queued", "message", "list").status == 0)
        #expect(daemon.asked.map(\.params) == [["state": "queued"]])
        let wrong = try await daemon.culver("message", "list", "--state", "/var/lib/culver")
        #expect(wrong.status == 64 && wrong.err.contains("waiting, queued, published"))
        #expect(daemon.asked.count == 1)
    }

    @Test("bash takes what is offered for a file where it is one")
    func bashScript() async throws {
        let daemon = try FakeDaemon()
        defer { daemon.end() }
        let script = try await daemon.culver("--generate-completion-script", "bash").out
        #expect(script.contains("complete -F _culver culver"))
        #expect(script.contains("-f | -d) compopt -o filenames"))
    }

    @Test("completions come for every shell", arguments: ["bash", "zsh", "fish"])
    func completions(_ shell: String) async throws {
        let daemon = try FakeDaemon()
        defer { daemon.end() }
        let session = try await daemon.culver("--generate-completion-script", shell)
        #expect(session.status == 0)
        #expect(session.out.contains("requests"))
    }
}
