import Format
import Foundation
import Testing

/// The verbs that work on a state directory with no daemon running.
@MainActor struct FilesTests {
    @Test("an identity is made, listed, shown, and made once only")
    func identities() async throws {
        let daemon = try FakeDaemon()
        defer { daemon.end() }
        let state = ["--state", daemon.directory.appendingPathComponent("state").path]
        let made = try await daemon.culver(state + ["id", "new", "pi", "--bits", "1024"])
        #expect(made.status == 0)
        let did = try #require(made.lines.first)
        #expect(did.hasPrefix("pi@"))
        #expect(try await daemon.culver(state + ["id", "new", "pi"]).status == 73)
        let again = try await daemon.culver(state + ["id", "new", "pi", "--ensure", "--json"])
        #expect(again.status == 0)
        #expect(try JSON(parsing: again.out)["created"] == false)
        #expect(try JSON(parsing: again.out)["did"] == .string(did))
        #expect(try await daemon.culver(["id", "list"] + state).out.contains(did))
        #expect(try await daemon.culver(state + ["id", "show", "nobody"]).status == 67)

        let second = try await daemon.culver(state + ["id", "new", "other", "--key", "ecc"])
        #expect(second.status == 0)
        #expect(try await daemon.culver(state + ["id", "default", "other"]).out == second.out)
        let shown = try JSON(parsing: try await daemon.culver(state + ["id", "show", "--json"]).out)
        #expect(shown["did"] == .string(try #require(second.lines.first)))
        #expect(daemon.asked.isEmpty)
    }

    @Test("what one identity packs the other opens, and a damaged message is 65")
    func packAndOpen() async throws {
        let daemon = try FakeDaemon()
        defer { daemon.end() }
        let state = ["--state", daemon.directory.appendingPathComponent("state").path]
        for name in ["a", "b"] { _ = try await daemon.culver(state + ["id", "new", name, "--bits", "1024"]) }
        let packed = try await daemon.culver(
            state + ["pack", "--from", "a", "--to", "b", "--text", "Grüße 👩‍👩‍👧", "--attach"])
        #expect(packed.status == 0)
        let opened = try await daemon.culver(state + ["open", "--json"], input: packed.out)
        #expect(opened.status == 0)
        #expect(try JSON(parsing: opened.out)["content"]?["text"] == "Grüße 👩‍👩‍👧")

        var message = try #require(try JSON(parsing: packed.out).object)
        let data = try #require(message["data"]?.string.flatMap { Base64.decode($0) })
        message["data"] = .string(Base64.encode([data[0] ^ 1] + data.dropFirst()))
        let refused = try await daemon.culver(state + ["open", "--json"], input: JSON.object(message).text)
        #expect(refused.status == 65)
        #expect(try JSON(parsing: refused.out)["refused"] == "signature")
    }

    @Test("a directory whose lock somebody holds is refused with 75", .timeLimit(.minutes(2)))
    func locked() async throws {
        let daemon = try FakeDaemon()
        defer { daemon.end() }
        let path = daemon.directory.appendingPathComponent("state").path
        _ = try await daemon.culver("--state", path, "id", "list")
        let session = try await daemon.shell(
            "exec 9<>\(path)/lock; flock 9; '\(daemon.tool)' id list --state '\(path)'")
        #expect(session.status == 75)
        #expect(session.err.contains("\nhint: "))
    }

    @Test("a key that others may read stops everything, and the cure is named")
    func exposed() async throws {
        let daemon = try FakeDaemon()
        defer { daemon.end() }
        let path = daemon.directory.appendingPathComponent("state").path
        _ = try await daemon.culver("--state", path, "id", "new", "pi", "--bits", "1024")
        _ = try await daemon.shell("chmod 644 '\(path)'/identities/*/secret.json")
        let session = try await daemon.culver("--state", path, "id", "list")
        #expect(session.status == 78)
        #expect(session.err.contains("hint: chmod 600 "))
    }
}
