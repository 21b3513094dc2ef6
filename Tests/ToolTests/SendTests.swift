import Control
import Format
import Foundation
import Testing

/// Sending, as a shell script does it.
@MainActor struct SendTests {
    private func daemon() throws -> FakeDaemon {
        let daemon = try FakeDaemon()
        var count = 0
        daemon.answers["message.send"] = { _ in
            count += 1
            return .success(["id": .string("m\(count)"), "sn": 1, "state": "queued"])
        }
        return daemon
    }

    @Test("a text is sent as it is, and the id alone is printed", arguments: ["Hello", "-5.2", "", "Grüße 👩‍👩‍👧", "a\nb"])
    func text(_ text: String) async throws {
        let daemon = try daemon()
        defer { daemon.end() }
        let session = try await daemon.culver("send", "hub", text)
        #expect(session.out == "m1\n")
        #expect(session.err == "")
        #expect(session.status == 0)
        #expect(daemon.asked.map(\.method) == ["message.send"])
        #expect(daemon.asked.first?.params == ["to": "hub", "text": .string(text)])
    }

    @Test("--via seals the message for its receiver and sends it inside another, which has neither ref nor lines")
    func via() async throws {
        let daemon = try daemon()
        defer { daemon.end() }
        let sealed: JSON = ["sender": "me", "receiver": "hub", "data": "x"]
        daemon.answers["message.pack"] = { _ in .success(["message": sealed]) }
        let session = try await daemon.culver(
            "send", "hub", "Hello", "--via", "relay", "--from", "me", "--expiry", "5m")
        #expect(session.out == "m1\n" && session.status == 0)
        #expect(daemon.asked.map(\.method) == ["message.pack", "message.send"])
        #expect(daemon.asked[0].params == ["text": "Hello", "to": "hub", "attach": true, "from": "me"])
        let content: JSON = ["type": 255, "forward": sealed, "secrets": [sealed]]
        #expect(daemon.asked[1].params == ["to": "relay", "from": "me", "expiry": 300, "content": content])
        for more in [["--ref", "r"], ["--lines"]] {
            let words = more == ["--lines"] ? [] : ["x"]
            #expect(try await daemon.culver(["send", "hub"] + words + ["--via", "relay"] + more).status == 64)
        }
        #expect(daemon.asked.count == 2)
    }

    @Test("without keys of the receiver nothing is sent by another way either")
    func viaWithoutKey() async throws {
        let daemon = try daemon()
        defer { daemon.end() }
        daemon.answers["message.pack"] = { _ in
            .failure(RPCError(exit: .notNow, reason: "no-key", message: "no key of hub is known"))
        }
        let session = try await daemon.culver("send", "hub", "Hello", "--via", "relay")
        #expect(session.status == 75 && session.err.contains("no key of hub is known"))
        #expect(daemon.asked.map(\.method) == ["message.pack"])
    }

    @Test("a dash takes the text from standard input, without the end of its last line")
    func standardInput() async throws {
        let daemon = try daemon()
        defer { daemon.end() }
        _ = try await daemon.culver("send", "hub", "-", input: "two\nlines\n")
        #expect(daemon.asked.first?.params["text"] == "two\nlines")
    }

    @Test("with --lines each line is a message and has its id printed")
    func lines() async throws {
        let daemon = try daemon()
        defer { daemon.end() }
        let session = try await daemon.culver("send", "hub", "--lines", input: "one\n\nthree")
        #expect(session.out == "m1\nm2\nm3\n")
        #expect(
            daemon.asked.map(\.params)
                == ["one", "", "three"].map { ["to": "hub", "text": $0, "priority": "bulk"] })
        #expect(daemon.calls == 1)
    }

    @Test("of many lines a call takes 256, or 256 KiB, and their ids come in order")
    func manyLines() async throws {
        let daemon = try daemon()
        defer { daemon.end() }
        let texts = (1...600).map { "line \($0)" }
        let session = try await daemon.culver("send", "hub", "--lines", input: texts.joined(separator: "\n") + "\n")
        #expect(session.lines == (1...600).map { "m\($0)" })
        #expect(daemon.asked.map(\.params["text"]) == texts.map { .string($0) })
        #expect(Set(daemon.refs).count == 600)
        #expect(daemon.calls == 3)
        let long = [100_000, 100_000, 100_000, 300_000, 1].map { String(repeating: "x", count: $0) }
        let second = try await daemon.culver("send", "hub", "--lines", input: long.joined(separator: "\n"))
        #expect(second.lines.count == 5 && second.status == 0)
        #expect(daemon.calls == 3 + 4)
    }

    @Test("a line is sent as soon as it is there, whatever comes later")
    func slowLines() async throws {
        let daemon = try daemon()
        defer { daemon.end() }
        // The second line is not written before the id of the first has come.
        let session = try await daemon.shell(
            """
            cd \(daemon.directory.path) && mkfifo in && touch out
            \(daemon.tool) send hub --lines < in > out &
            exec 3> in
            echo one >&3
            for try in $(seq 600); do test -s out && break; sleep 0.1; done
            printf tw >&3
            echo o >&3
            exec 3>&-
            wait
            cat out
            """)
        #expect(session.lines == ["m1", "m2"])
        #expect(daemon.asked.map(\.params["text"]) == ["one", "two"])
        #expect(daemon.calls == 2)
    }

    @Test("a line that is refused is named, and so are those after it that were accepted")
    func refusedLine() async throws {
        let daemon = try daemon()
        defer { daemon.end() }
        daemon.answers["message.send"] = { message in
            guard message["text"] == "bad" else { return .success(["id": message["text"] ?? nil]) }
            return .failure(RPCError(exit: .badData, reason: "too-large", message: "too long"))
        }
        let session = try await daemon.culver("send", "hub", "--lines", input: "one\nbad\nthree\nbad\nfive")
        #expect(session.out == "one\nthree\nfive\n")
        #expect(session.err == "culver: line 2: too long; accepted all the same: line 3, 5\n")
        #expect(session.status == 65)
    }

    @Test("several receivers get a message each, in one call, and the ids come in their order")
    func receivers() async throws {
        let daemon = try daemon()
        defer { daemon.end() }
        let session = try await daemon.culver(
            "send", "hub,porch@4WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXekk,everyone@everywhere", "x")
        #expect(session.out == "m1\nm2\nm3\n" && session.status == 0 && session.err == "")
        let receivers: [JSON?] = ["hub", "porch@4WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXekk", "everyone@everywhere"]
        #expect(daemon.asked.map(\.params["to"]) == receivers)
        #expect(daemon.calls == 1 && Set(daemon.refs).count == 1)
    }

    @Test("an ID with a comma in its name is one receiver")
    func comma() async throws {
        let daemon = try daemon()
        defer { daemon.end() }
        _ = try await daemon.culver("send", "a,b@4WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXekk", "x")
        #expect(daemon.asked.map(\.params["to"]) == ["a,b@4WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXekk"])
    }

    @Test(
        "of several receivers those that are refused are named, and those that were accepted", arguments: [false, true])
    func refusedReceivers(isByLines: Bool) async throws {
        let daemon = try daemon()
        defer { daemon.end() }
        daemon.answers["message.send"] = { message in
            guard message["to"]?.string?.hasPrefix("no") == true else { return .success(["id": message["to"] ?? nil]) }
            return .failure(RPCError(exit: .unknownName, reason: "unknown-name", message: "unknown"))
        }
        let arguments = ["send", "hub,nobody,porch,none"] + (isByLines ? ["--lines"] : ["x"])
        let session = try await daemon.culver(arguments, input: "x")
        #expect(session.out == "hub\nporch\n" && session.status == 67)
        #expect(
            session.err
                == (isByLines
                    ? "culver: line 1 to nobody: unknown; accepted all the same: line 1 to porch\n"
                    : "culver: nobody: unknown; none: unknown; accepted all the same: hub, porch\n"))
    }

    @Test("all of several are waited for, and the first that did not come so far tells how it ends")
    func waitedReceivers() async throws {
        let daemon = try daemon()
        defer { daemon.end() }
        daemon.answers["message.wait"] = { wait in
            .success(["id": wait["id"] ?? nil, "state": wait["id"] == "m1" ? "expired" : "delivered"])
        }
        let session = try await daemon.culver("send", "hub,porch", "x", "--wait", "delivered")
        #expect(session.status == 76 && session.err == "culver: message m1 is expired\n")
        #expect(daemon.asked.map(\.method) == ["message.send", "message.send", "message.wait", "message.wait"])
    }

    @Test("with --wait a line is sent when the one before has come so far")
    func waitedLines() async throws {
        let daemon = try daemon()
        defer { daemon.end() }
        daemon.answers["message.wait"] = { .success(["id": $0["id"] ?? nil, "state": "delivered"]) }
        let session = try await daemon.culver("send", "hub", "--lines", "--wait", "delivered", input: "one\ntwo")
        #expect(session.out == "m1\nm2\n")
        #expect(daemon.asked.map(\.method) == ["message.send", "message.wait", "message.send", "message.wait"])
    }

    @Test("all options arrive under the daemon's names")
    func options() async throws {
        let daemon = try daemon()
        defer { daemon.end() }
        let content = try daemon.file(#"{"type":136,"msg":"hi"}"#)
        let session = try await daemon.culver(
            "--json", "send", "hub", "--content", content, "--from", "me", "--ref", "r-1", "--expiry", "2h",
            "--priority", "urgent")
        #expect(
            daemon.asked.first?.params == [
                "to": "hub", "from": "me", "content": ["type": 136, "msg": "hi"], "ref": "r-1", "expiry": 7_200,
                "priority": "urgent",
            ])
        #expect(session.out == #"{"id":"m1","sn":1,"state":"queued"}"# + "\n")
    }

    @Test(
        "a wait ends with 0, 75 or 76, and the id is printed whatever happens",
        arguments: [("delivered", Int32(0)), ("queued", 75), ("expired", 76), ("failed", 76)])
    func wait(_ state: String, _ status: Int32) async throws {
        let daemon = try daemon()
        defer { daemon.end() }
        daemon.answers["message.wait"] = { _ in .success(["id": "m1", "state": .string(state)]) }
        let session = try await daemon.culver("send", "hub", "hi", "--wait", "delivered", "--timeout", "5s")
        #expect(session.out == "m1\n")
        #expect(session.status == status)
        #expect(daemon.asked.last?.params == ["id": "m1", "until": "delivered", "timeout": 5])
    }

    @Test("a wait that times out is 75")
    func waitTimesOut() async throws {
        let daemon = try daemon()
        defer { daemon.end() }
        let error = RPCError(exit: .notNow, reason: "timed-out", message: "not delivered yet")
        daemon.answers["message.wait"] = { _ in .failure(error) }
        let session = try await daemon.culver("send", "hub", "hi", "--wait", "delivered")
        #expect(session.out == "m1\n")
        #expect(
            session.err == """
                culver: not delivered yet
                hint: m1 is accepted and goes on by itself: do not send it again

                """)
        #expect(session.status == 75)
        let json = try await daemon.culver("send", "hub", "hi", "--wait", "delivered", "--json")
        let data = try JSON(parsing: try #require(json.lines.last))["error"]?["data"]
        #expect(data?["accepted"] == true && data?["id"] == "m2" && data?["reason"] == "timed-out")
        #expect(json.status == 75)
    }

    @Test("75 of what was not accepted has another sign than 75 of what was")
    func notAccepted() async throws {
        let daemon = try daemon()
        defer { daemon.end() }
        let error = RPCError(exit: .notNow, reason: "outbox-full", message: "the outbox is full")
        daemon.answers["message.send"] = { _ in .failure(error) }
        let session = try await daemon.culver("send", "hub", "hi", "--wait", "delivered")
        #expect(session.out == "")
        #expect(session.err == "culver: the outbox is full\nhint: nothing was accepted: send it again later\n")
        #expect(session.status == 75)
        let json = try await daemon.culver("send", "hub", "hi", "--json")
        #expect(try JSON(parsing: json.out)["error"]?["data"]?["accepted"] == false)
    }

    @Test("an answer that is lost is asked for again under the same ref")
    func lostAnswer() async throws {
        let daemon = try daemon()
        defer { daemon.end() }
        daemon.cutsOff = ("message.send", 1)
        let session = try await daemon.culver("send", "hub", "--lines", input: "one\ntwo\n")
        #expect(session.out == "m1\nm2\n")
        #expect(session.status == 0)
        #expect(daemon.asked.map(\.params["text"]) == ["one", "two", "one", "two"])
        #expect(daemon.refs.count == 4 && daemon.refs[..<2] == daemon.refs[2...] && Set(daemon.refs).count == 2)
    }

    @Test("a wait goes on with what is left of its time when the daemon comes back")
    func waitAcrossRestart() async throws {
        let daemon = try daemon()
        defer { daemon.end() }
        daemon.cutsOff = ("message.wait", 2)
        daemon.answers["message.wait"] = { _ in .success(["id": "m1", "state": "delivered"]) }
        let session = try await daemon.culver("send", "hub", "hi", "--wait", "delivered", "--timeout", "50s")
        #expect(session.out == "m1\n" && session.err == "" && session.status == 0)
        #expect(daemon.asked.map(\.method) == ["message.send"] + Array(repeating: "message.wait", count: 3))
        let seconds = daemon.asked.dropFirst().compactMap { $0.params["timeout"]?.double }
        #expect(seconds.first == 50 && seconds == seconds.sorted(by: >))
    }

    @Test("a daemon that stays away ends a wait with 75: the message is accepted")
    func waitWithoutDaemon() async throws {
        let daemon = try daemon()
        defer { daemon.end() }
        daemon.answers["message.wait"] = { [unowned daemon] _ in
            daemon.stop()
            return .success([:])
        }
        let session = try await daemon.culver("send", "hub", "hi", "--wait", "delivered", "--timeout", "1s")
        #expect(session.out == "m1\n" && session.status == 75)
        #expect(session.err.contains("hint: m1 is accepted"))
    }

    @Test("an id that cannot be printed is 74, and says that the message is accepted")
    func fullOutput() async throws {
        let daemon = try daemon()
        defer { daemon.end() }
        for options in ["", "--json"] {
            let session = try await daemon.shell("\(daemon.tool) send hub hi \(options) > /dev/full")
            #expect(session.status == 74)
            #expect(session.err.contains("cannot write to standard output"))
            #expect(session.err.contains("is accepted and goes on by itself"))
        }
    }

    @Test("arguments that are not UTF-8 are 65, and nothing is sent", arguments: ["gr\\374n", "hi --ref r\\374"])
    func notText(_ words: String) async throws {
        let daemon = try daemon()
        defer { daemon.end() }
        let session = try await daemon.shell("\(daemon.tool) send hub $(printf '\(words)')")
        #expect(session.status == 65)
        #expect(session.err.contains("is not UTF-8"))
        let json = try await daemon.shell("\(daemon.tool) --json send hub $(printf '\(words)')")
        #expect(try JSON(parsing: json.out)["error"]?["data"]?["reason"] == "not-utf8")
        #expect(daemon.asked.isEmpty)
    }

    @Test("what the daemon refuses ends with its code, its words and its hint")
    func refused() async throws {
        let daemon = try daemon()
        defer { daemon.end() }
        let error = RPCError(exit: .unknownName, reason: "unknown-name", message: "no contact hub", hint: "add it")
        daemon.answers["message.send"] = { _ in .failure(error) }
        let plain = try await daemon.culver("send", "hub", "hi")
        #expect(plain.out == "")
        #expect(plain.err == "culver: no contact hub\nhint: add it\n")
        #expect(plain.status == 67)
        let json = try await daemon.culver("send", "hub", "hi", "--json")
        #expect(try JSON(parsing: json.out)["error"] == error.json)
        #expect(json.err == "")
        #expect(json.status == 67)
    }

    @Test(
        "a command line that says nothing clear is 64, and nothing is sent",
        arguments: [
            ["send"], ["send", "hub"], ["send", "hub", "a", "b"], ["send", "hub", "a", "--lines"],
            ["send", "hub", "a", "--content", "f"], ["send", "hub", "--lines", "--ref", "r"],
            ["send", "hub", "a", "--wait", "seen"], ["send", "hub", "a", "--expiry", "soon"],
            ["send", "hub", "a", "-x"], ["send", "hub", "-hot: 81"], ["send", "hub", "-help"],
            ["send", "hub", "--help=me"], ["pack", "--from", "a", "--to", "b", "--text", "-hot"],
            ["send", "hub,", "a"], ["send", ",", "a"], ["sned", "hub", "a"], ["send", "hub", "a", "--state", "/x"],
        ])
    func usage(_ arguments: [String]) async throws {
        let daemon = try daemon()
        defer { daemon.end() }
        let session = try await daemon.culver(arguments)
        #expect(session.status == 64)
        #expect(session.out == "")
        #expect(session.err != "")
        #expect(daemon.asked.isEmpty)
    }

    @Test("a content that is missing is 66, one that is no object 65")
    func badContent() async throws {
        let daemon = try daemon()
        defer { daemon.end() }
        #expect(try await daemon.culver("send", "hub", "--content", "/nowhere/at-all").status == 66)
        let list = try daemon.file("[1]")
        #expect(try await daemon.culver("send", "hub", "--content", list).status == 65)
        let broken = try daemon.file("{")
        #expect(try await daemon.culver("send", "hub", "--content", broken).status == 65)
        #expect(daemon.asked.isEmpty)
    }

    @Test("without a daemon it is 69, and a hint says so")
    func noDaemon() async throws {
        let daemon = try daemon()
        daemon.stop()
        defer { daemon.end() }
        let session = try await daemon.culver("send", "hub", "hi")
        #expect(session.status == 69)
        #expect(session.err.contains("\nhint: "))
    }
}
