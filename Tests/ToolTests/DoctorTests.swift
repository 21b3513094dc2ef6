import Control
import Format
import Foundation
import Testing

@testable import culver

@MainActor struct DoctorTests {
    /// The daemon's part of what is printed.
    private func said(_ session: Session) -> [String] {
        session.lines.filter { $0.contains("one-") || $0.contains("two-") || $0.contains("hint: three") }
    }

    @Test("each check is a line, with the cure below it, and the worst is the status")
    func table() async throws {
        let daemon = try FakeDaemon()
        defer { daemon.end() }
        daemon.answers["doctor"] = { _ in
            .success([
                "checks": [
                    ["name": "one-thing", "result": "ok", "text": "fine"],
                    ["name": "two-th", "result": "fail", "text": "bad\u{1b}[2J", "hint": "three"],
                ], "worst": "fail",
            ])
        }
        let session = try await daemon.culver("doctor")
        #expect(session.status == 2)
        let expected = ["ok    one-thing   fine", "fail  two-th      bad\\u{1b}[2J", "hint: three"]
        #expect(
            said(session).map { $0.split(separator: " ", omittingEmptySubsequences: true) }
                == expected.map { $0.split(separator: " ", omittingEmptySubsequences: true) })
        let json = try JSON(parsing: try await daemon.culver("doctor", "--json").out)
        #expect(json["worst"] == "fail")
        #expect(json["checks"]?.array?.contains { $0["name"] == "two-th" && $0["hint"] == "three" } == true)
        #expect(daemon.asked.map(\.method) == ["doctor", "doctor"])
        #expect(daemon.asked.map { $0.params["fix"] } == [nil, nil])
    }

    @Test("--fix is for the daemon to carry out, and a doctor at work is 75")
    func fix() async throws {
        let daemon = try FakeDaemon()
        defer { daemon.end() }
        daemon.answers["doctor"] = { _ in .failure(RPCError(exit: .notNow, reason: "busy", message: "busy")) }
        #expect(try await daemon.culver("doctor", "--fix").status == 75)
        #expect(daemon.asked.map { $0.params["fix"] } == [true])
    }

    @Test("who may not ask the daemon is told the line of the configuration")
    func notPermitted() async throws {
        let daemon = try FakeDaemon()
        defer { daemon.end() }
        daemon.answers["doctor"] = { _ in
            .failure(RPCError(exit: .notPermitted, reason: "not-permitted", message: "no"))
        }
        let session = try await daemon.culver("doctor")
        #expect(session.status == 2)
        #expect(session.out.contains("[access] reader = "))
    }

    @Test("a socket that everybody may use is a warning")
    func openSocket() async throws {
        let daemon = try FakeDaemon()
        defer { daemon.end() }
        chmod(daemon.path, 0o660)
        #expect(Board.socket(daemon.path)?.result == .ok)
        chmod(daemon.path, 0o666)
        #expect(Board.socket(daemon.path)?.hint == "chmod 660 \(daemon.path)")
        #expect(Board.socket(try daemon.file(""))?.result == .fail)
        #expect(Board.socket(daemon.path + "x") == nil)
    }

    @Test("systemd's count is read from its last line")
    func score() {
        let text = """
              NAME            DESCRIPTION   EXPOSURE
            ✗ PrivateNetwork= …             0.5

            → Overall exposure level for culver.service: 1.1 OK :-)
            """
        #expect(Board.score(in: text) == 1.1)
        #expect(Board.score(in: "no such thing: 3.0") == nil)
    }

    @Test("without a daemon the directory of the configuration is looked at")
    func stateOfConfiguration() async throws {
        let daemon = try FakeDaemon()
        defer { daemon.end() }
        let file = try daemon.file("[agent]\nstate = /srv/culver ; here\nsocket = /srv/s\n")
        #expect(try Board.state(config: file) == "/srv/culver")
    }
}
