import Control
import Format
import Foundation
import Testing

/// Reading, as a person and as a program.
@MainActor struct InboxTests {
    private func message(_ seq: Int64, _ text: String) -> JSON {
        [
            "consumer": "c", "seq": .integer(seq), "id": .string("i\(seq)"), "sn": 7, "sender": "hub@4WDf",
            "name": "hub",
            "receiver": "me@4XYZ", "time": 1_700_000_000, "received": 1_700_000_001,
            "content": ["type": 1, "text": .string(text)], "sealed": true, "encrypted": true, "trust": "contact",
        ]
    }

    private func daemon(_ texts: String...) throws -> FakeDaemon {
        let daemon = try FakeDaemon()
        daemon.messages = texts.enumerated().map { message(Int64($0) + 1, $1) }
        return daemon
    }

    @Test("the plain inbox shows full ID, name, seal and text, and changes nothing")
    func list() async throws {
        let daemon = try daemon("Hello")
        defer { daemon.end() }
        let messages = daemon.messages
        daemon.answers["inbox.list"] = { _ in .success(["messages": .array(messages)]) }
        let session = try await daemon.culver("inbox", "--from", "hub")
        #expect(session.out == "1  2023-11-14 22:13:20  hub@4WDf (hub)  sealed,contact  Hello\n")
        #expect(daemon.asked.map(\.method) == ["inbox.list"])
        #expect(daemon.asked.first?.params == ["limit": 20, "sender": "hub"])
    }

    /// The second of three is of a muted contact.
    private func withMuted() throws -> FakeDaemon {
        let daemon = try daemon("one", "two", "three")
        var second = daemon.messages[1].object ?? [:]
        second["muted"] = true
        daemon.messages[1] = .object(second)
        return daemon
    }

    @Test("the plain inbox shows what a muted contact sent, and says so")
    func mutedInList() async throws {
        let daemon = try withMuted()
        defer { daemon.end() }
        let messages = daemon.messages
        daemon.answers["inbox.list"] = { _ in .success(["messages": .array(messages)]) }
        let session = try await daemon.culver("inbox")
        #expect(session.lines.count == 3 && session.lines[1].contains("sealed,contact,muted  two"))
    }

    @Test("a consumer passes over what a muted contact sent, and acknowledges it with the rest")
    func passedOver() async throws {
        let daemon = try withMuted()
        defer { daemon.end() }
        let session = try await daemon.culver("inbox", "--consumer", "c", "--ack", "--json")
        #expect(try session.lines.map { try JSON(parsing: $0) } == [daemon.messages[0], daemon.messages[2]])
        #expect(session.status == 0 && daemon.acknowledged == 3)
    }

    @Test("with --count it is not among those that were asked for", arguments: [["--ack"], []])
    func countWithoutMuted(_ ack: [String]) async throws {
        let daemon = try withMuted()
        defer { daemon.end() }
        let session = try await daemon.culver(
            ["inbox", "--consumer", "c", "--count", "2", "--timeout", "20s"] + ack)
        #expect(session.lines.count == 2 && session.lines.last?.hasSuffix("three") == true)
        #expect(session.status == 0)
    }

    @Test("--exec runs nothing for it")
    func execWithoutMuted() async throws {
        let daemon = try withMuted()
        defer { daemon.end() }
        let session = try await daemon.culver("inbox", "--consumer", "c", "--exec", "echo $CULVER_TEXT")
        #expect(session.lines == ["one", "three"] && daemon.acknowledged == 3)
    }

    @Test("--muted and --from take it as well", arguments: [["--muted"], ["--from", "hub"]])
    func takesMuted(_ option: [String]) async throws {
        let daemon = try withMuted()
        defer { daemon.end() }
        let session = try await daemon.culver(["inbox", "--consumer", "c"] + option)
        #expect(session.lines.count == 3)
    }

    @Test("a hostile text does not drive the terminal")
    func hostile() async throws {
        let daemon = try daemon("\u{1B}]0;owned\u{7}\u{9B}2J\r\n1  forged line")
        defer { daemon.end() }
        let session = try await daemon.culver("inbox", "--consumer", "c")
        #expect(session.lines.count == 1)
        #expect(!session.out.dropLast().unicodeScalars.contains { $0.value < 0x20 || (0x7F...0x9F).contains($0.value) })
    }

    @Test("a consumer takes what is there and stops; without --ack nothing is acknowledged")
    func consumer() async throws {
        let daemon = try daemon("one", "two")
        defer { daemon.end() }
        let session = try await daemon.culver("inbox", "--consumer", "c", "--json")
        #expect(try session.lines.map { try JSON(parsing: $0) } == daemon.messages)
        #expect(session.status == 0)
        #expect(daemon.acknowledged == 0)
    }

    @Test("an empty inbox ends at once with 0")
    func empty() async throws {
        let daemon = try daemon()
        defer { daemon.end() }
        let session = try await daemon.culver("inbox", "--consumer", "c", "--ack")
        #expect(session.out == "")
        #expect(session.status == 0)
    }

    @Test("--ack acknowledges what was printed, the last one at the end")
    func ack() async throws {
        let daemon = try daemon("one", "two", "three")
        defer { daemon.end() }
        let session = try await daemon.culver("inbox", "--consumer", "c", "--ack")
        #expect(session.lines.count == 3)
        #expect(daemon.acknowledged == 3)
        let seqs = acknowledgements(daemon)
        #expect(seqs.last == 3 && seqs == seqs.sorted())
    }

    private func acknowledgements(_ daemon: FakeDaemon) -> [Int64] {
        daemon.asked.filter { $0.method == "inbox.ack" }.compactMap { $0.params["seq"]?.integer }
    }

    @Test("many messages are printed in order and acknowledged by ranges, none of which is long")
    func ranges() async throws {
        let daemon = try FakeDaemon()
        defer { daemon.end() }
        daemon.messages = (1...600).map { message($0, "\($0)") }
        let session = try await daemon.culver("inbox", "--consumer", "c", "--ack", "--json")
        let printed = try session.lines.compactMap { try JSON(parsing: $0)["seq"]?.integer }
        #expect(printed == Array(1...600))
        let seqs = acknowledgements(daemon)
        #expect(seqs.last == 600 && seqs.count < 300)
        #expect(zip([0] + seqs, seqs).allSatisfy { 1...64 ~= $1 - $0 })
        #expect(daemon.asked.first { $0.method == "inbox.subscribe" }?.params["window"] == 256)
    }

    @Test("a reader that goes away has acknowledged what it read, and no more than what was printed")
    func brokenPipe() async throws {
        let daemon = try FakeDaemon()
        defer { daemon.end() }
        daemon.messages = (1...300).map { message($0, String(repeating: "x", count: 400)) }
        let script = "\(daemon.tool) inbox --consumer c --ack --json | head -n 3 | wc -l"
        #expect(try await daemon.shell(script).out.contains("3"))
        // A pipe holds 64 KiB that nobody reads.
        #expect(3..<300 ~= daemon.acknowledged)
    }

    @Test("a command is run for one message at a time, and each is acknowledged before the next")
    func execWindow() async throws {
        let daemon = try daemon("one", "two", "three")
        defer { daemon.end() }
        #expect(try await daemon.culver("inbox", "--consumer", "c", "--exec", "true").status == 0)
        #expect(acknowledgements(daemon) == [1, 2, 3])
        #expect(daemon.asked.first { $0.method == "inbox.subscribe" }?.params["window"] == 1)
    }

    @Test(
        "an acknowledgement that was cut off is made again before anything else is taken, and nothing is printed twice")
    func cutOffAcknowledgement() async throws {
        let daemon = try daemon("one", "two")
        defer { daemon.end() }
        daemon.cutsOff = ("inbox.ack", 1)
        let session = try await daemon.culver("inbox", "--consumer", "c", "--count", "2", "--ack")
        #expect(session.status == 0 && session.lines.count == 2)
        #expect(daemon.acknowledged == 2)
    }

    @Test("--ack with an output that is full acknowledges nothing and is 74")
    func fullOutput() async throws {
        let daemon = try daemon("one")
        defer { daemon.end() }
        let script = "\(daemon.tool) inbox --consumer c --ack > /dev/full"
        let session = try await daemon.shell(script)
        #expect(session.status == 74)
        #expect(daemon.acknowledged == 0)
    }

    @Test("--count stops after so many, and later ones stay")
    func count() async throws {
        let daemon = try daemon("one", "two", "three")
        defer { daemon.end() }
        let session = try await daemon.culver("inbox", "--consumer", "c", "--count", "2", "--ack")
        #expect(session.lines.count == 2)
        #expect(daemon.acknowledged == 2)
        // What is not going to be shown is not to be handed out: it would come `again` next time.
        let asked = daemon.asked.first { $0.method == "inbox.subscribe" }?.params
        #expect(asked?["limit"] == 2)
    }

    @Test("without --ack and --count the daemon hands out what it likes")
    func unlimited() async throws {
        let daemon = try daemon("one")
        defer { daemon.end() }
        _ = try await daemon.culver("inbox", "--consumer", "c")
        #expect(daemon.asked.first?.params == ["consumer": "c"])
    }

    @Test("a consumer lives through a daemon that is ending")
    func ending() async throws {
        let daemon = try daemon("one")
        defer { daemon.end() }
        let error = RPCError(exit: .notNow, reason: "stopping", message: "the daemon is ending")
        var isEnding = true
        daemon.answers["inbox.consumers"] = { [unowned daemon] _ in
            if isEnding {
                isEnding = false
                return .failure(error)
            }
            daemon.answers["inbox.consumers"] = nil
            return .success(["consumers": [["name": "c", "pending": 1]]])
        }
        let session = try await daemon.culver("inbox", "--consumer", "c", "--ack")
        #expect(session.lines.count == 1 && session.status == 0)
        #expect(daemon.acknowledged == 1)
    }

    @Test("a consumer of a board that has retired says so with 78")
    func retired() async throws {
        let daemon = try daemon()
        defer { daemon.end() }
        daemon.answers["inbox.subscribe"] = { [unowned daemon] _ in
            daemon.closesConsumers = false
            return .failure(RPCError(exit: .configuration, reason: "retired", message: "have moved"))
        }
        #expect(try await daemon.culver("inbox", "--consumer", "c", "--follow").status == 78)
    }

    @Test("too few messages in the given time are 75, and what was printed is acknowledged")
    func timeout() async throws {
        let daemon = try daemon("one")
        defer { daemon.end() }
        let session = try await daemon.culver("inbox", "--consumer", "c", "--count", "2", "--timeout", "0s", "--ack")
        #expect(session.status == 75)
        #expect(daemon.acknowledged == Int64(session.lines.count))
    }

    @Test("a time alone is for the first message: none is 75, one is 0")
    func timeoutAlone() async throws {
        let daemon = try daemon()
        defer { daemon.end() }
        #expect(try await daemon.culver("inbox", "--consumer", "c", "--timeout", "0s").status == 75)
        daemon.messages = [message(1, "one")]
        #expect(try await daemon.culver("inbox", "--consumer", "c", "--timeout", "600s").status == 0)
    }

    @Test("--exec gives the message on standard input and in variables, and acknowledges on 0")
    func exec() async throws {
        let daemon = try daemon("one; $(touch x) 'two'", "-n")
        defer { daemon.end() }
        let out = daemon.directory.appendingPathComponent("out").path
        let command =
            #"printf '%s|%s|%s|%s|' "$CULVER_SENDER" "$CULVER_ID" "$CULVER_SEQ" "$CULVER_TEXT" >> \#(out); cat >> \#(out)"#
        let session = try await daemon.culver("inbox", "--consumer", "c", "--exec", command)
        #expect(session.status == 0)
        #expect(daemon.acknowledged == 2)
        let written = try String(contentsOfFile: out, encoding: .utf8).split(separator: "\n").map(String.init)
        try #require(written.count == 2)
        #expect(written[0].hasPrefix("hub@4WDf|i1|1|one; $(touch x) 'two'|{"))
        let json = try JSON(parsing: String(written[1].drop { $0 != "{" }))
        #expect(json == daemon.messages[1])
    }

    @Test("a command that fails ends the run with its status, and its message is not acknowledged")
    func execFails() async throws {
        let daemon = try daemon("one", "two", "three")
        defer { daemon.end() }
        let session = try await daemon.culver(
            "inbox", "--consumer", "c", "--exec", #"test "$CULVER_TEXT" = one || exit 42"#)
        #expect(session.status == 42)
        #expect(daemon.acknowledged == 1)
    }

    @Test("a command that is killed counts as 128 and the signal")
    func execKilled() async throws {
        let daemon = try daemon("one")
        defer { daemon.end() }
        let session = try await daemon.culver("inbox", "--consumer", "c", "--exec", "kill -9 $$")
        #expect(session.status == 137)
        #expect(daemon.acknowledged == 0)
    }

    @Test("a consumer that is taken over says so and ends")
    func takenOver() async throws {
        let daemon = try daemon()
        defer { daemon.end() }
        daemon.closesConsumers = true
        let session = try await daemon.culver("inbox", "--consumer", "c", "--follow")
        #expect(session.status == 75)
        #expect(session.err.contains("taken-over"))
    }

    @Test("--follow lives through a daemon that restarts, and prints nothing twice")
    func restart() async throws {
        let daemon = try daemon("one")
        defer { daemon.end() }
        async let session = daemon.culver("inbox", "--consumer", "c", "--follow", "--count", "2", "--ack")
        while daemon.acknowledged < 1 { try await Task.sleep(nanoseconds: 5_000_000) }
        daemon.stop()
        daemon.forgetAcknowledgements()
        daemon.messages.append(message(2, "two"))
        try daemon.start()
        let lines = try await session.lines
        #expect(lines.count == 2)
        #expect(lines.first?.hasSuffix("one") == true)
        #expect(lines.last?.hasSuffix("two") == true)
    }

    @Test(
        "options that do not go together are 64",
        arguments: [
            ["inbox", "--ack"], ["inbox", "--follow"], ["inbox", "--exec", "true"], ["inbox", "--count", "1"],
            ["inbox", "--consumer", "c", "--ack", "--exec", "true"], ["inbox", "--consumer", "c", "--limit", "3"],
            ["inbox", "--limit", "0"], ["inbox", "--consumer", "c", "--count", "-1"],
        ])
    func usage(_ arguments: [String]) async throws {
        let daemon = try daemon()
        defer { daemon.end() }
        #expect(try await daemon.culver(arguments).status == 64)
        #expect(daemon.asked.isEmpty)
    }
}
