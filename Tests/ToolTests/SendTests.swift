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
        #expect(daemon.asked.map(\.params["text"]) == ["one", "", "three"])
    }

    @Test("all options arrive under the daemon's names")
    func options() async throws {
        let daemon = try daemon()
        defer { daemon.end() }
        let content = try daemon.file(#"{"type":136,"msg":"hi"}"#)
        let session = try await daemon.culver(
            "--json", "send", "hub", "--content", content, "--from", "me", "--ref", "r-1", "--expiry", "2h")
        #expect(
            daemon.asked.first?.params == [
                "to": "hub", "from": "me", "content": ["type": 136, "msg": "hi"], "ref": "r-1", "expiry": 7_200,
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
        #expect(session.err == "culver: not delivered yet\n")
        #expect(session.status == 75)
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
            ["send", "hub", "a", "-x"],
            ["sned", "hub", "a"], ["send", "hub", "a", "--state", "/x"],
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
