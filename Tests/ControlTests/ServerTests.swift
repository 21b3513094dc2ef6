import Format
import Foundation
import Testing

@testable import Control

/// A file of its own for each concern would cost a scene each; here is what one client may say and hears.
@MainActor struct ServerTests {
    @Test("a line gets an answer with its id")
    func answers() async throws {
        let heard = try await hear(#"{"jsonrpc":"2.0","id":"a","method":"echo","params":{"x":1}}"# + "\n")
        #expect(heard == [["jsonrpc": "2.0", "id": "a", "result": ["x": 1]]])
    }

    @Test("a call without params has empty ones, and null is an id like others")
    func noParams() async throws {
        let heard = try await hear(#"{"jsonrpc":"2.0","id":null,"method":"echo"}"# + "\n")
        #expect(heard == [["jsonrpc": "2.0", "id": nil, "result": [:]]])
    }

    @Test("what is said in one turn is handed over together, and at the latest when the server hangs up")
    func together() async throws {
        let scene = try Scene()
        defer { scene.end() }
        let path = scene.path
        let client = try await apart { try RawClient(path) }
        _ = try await apart {
            client.send(#"{"jsonrpc":"2.0","id":1,"method":"echo"}"# + "\n")
            return client.line()
        }
        let connection = try #require(scene.calls.first).connection
        #expect(scene.server.notify(connection, method: "a", params: [:]))
        #expect(scene.server.notify(connection, method: "b", params: [:]))
        #expect(scene.server.backlog(of: connection) > 0)
        scene.server.handOver()
        #expect(scene.server.backlog(of: connection) == 0)
        #expect(scene.server.notify(connection, method: "c", params: [:]))
        scene.server.disconnect(connection)
        let heard = try await apart { (0..<3).map { _ in client.line()?["method"]?.string } }
        #expect(heard == ["a", "b", "c"])
    }

    @Test("a line that comes in pieces is one line")
    func pieces() async throws {
        let scene = try Scene()
        defer { scene.end() }
        let path = scene.path
        let client = try await apart { try RawClient(path) }
        for byte in Array(#"{"jsonrpc":"2.0","id":7,"method":"echo"}"#.utf8) {
            _ = try await apart { client.send([byte]) }
        }
        #expect(scene.calls.isEmpty)
        let heard = try await apart {
            client.send("\n")
            return client.line()
        }
        #expect(heard?["id"] == 7)
    }

    @Test(
        "a malformed line gets -32700 with no id, and the connection lives on",
        arguments: ["nonsense", "{", "{\"a\":1}}", "\u{1}", "1", "\"text\""])
    func malformed(_ line: String) async throws {
        try await refusesAsMalformed(line)
    }

    @Test("deep and broad lines are malformed too")
    func excessive() async throws {
        try await refusesAsMalformed("\u{0}")
        try await refusesAsMalformed(String(repeating: "[", count: 5_000))
        try await refusesAsMalformed("[" + String(repeating: "0,", count: 20_000) + "0]")
    }

    private func refusesAsMalformed(_ line: String) async throws {
        let heard = try await hear(line + "\n" + #"{"jsonrpc":"2.0","id":1,"method":"echo"}"# + "\n")
        try #require(heard.count == 2)
        #expect(heard[0]["error"]?["code"] == -32700)
        #expect(heard[0]["id"]?.isNull == true)
        #expect(heard[1]["id"] == 1)
    }

    @Test("bytes that are no UTF-8 are malformed too")
    func notUTF8() async throws {
        let heard = try await hear(Array(#"{"jsonrpc":"2.0","id":1,"method":""#.utf8) + [0xFF, 0x22, 0x7D, 0x0A])
        #expect(heard.first?["error"]?["code"] == -32700)
    }

    @Test("blank lines and carriage returns are ignored")
    func blank() async throws {
        let heard = try await hear("\n\r\n  \t\n" + #"{"jsonrpc":"2.0","id":1,"method":"echo"}"# + "\r\n\n")
        #expect(heard.count == 1)
        #expect(heard.first?["id"] == 1)
    }

    @Test(
        "what is no request gets -32600",
        arguments: [
            #"{"id":1,"method":"echo"}"#, #"{"jsonrpc":"1.0","id":1,"method":"echo"}"#, #"{"jsonrpc":"2.0","id":1}"#,
            #"{"jsonrpc":"2.0","id":1,"method":5}"#, #"{"jsonrpc":"2.0","id":{},"method":"echo"}"#,
            #"{"jsonrpc":"2.0","id":true,"method":"echo"}"#, #"{"jsonrpc":"2.0","id":1,"method":"echo","params":"x"}"#,
            "[]",
        ])
    func invalid(_ line: String) async throws {
        let heard = try await hear(line + "\n")
        #expect(heard.count == 1)
        #expect(heard.first?["error"]?["code"] == -32600)
    }

    @Test("parameters by position are refused, and the reason says so")
    func positional() async throws {
        let heard = try await hear(#"{"jsonrpc":"2.0","id":1,"method":"echo","params":[1]}"# + "\n")
        #expect(heard.first?["error"]?["code"] == -32602)
        #expect(heard.first?["error"]?["data"]?["reason"] == "params-by-name")
        #expect(heard.first?["id"] == 1)
    }

    @Test("an error of ours carries the exit code, the reason and the hint")
    func errors() async throws {
        let heard = try await hear(#"{"jsonrpc":"2.0","id":1,"method":"refuse"}"# + "\n")
        #expect(
            heard.first?["error"] == [
                "code": -32067, "message": "no x", "data": ["reason": "unknown-name", "hint": "y"],
            ])
    }

    @Test("a notification is heard and not answered, wrong or right")
    func notifications() async throws {
        let scene = try Scene()
        defer { scene.end() }
        let heard = try await hear(
            """
            {"jsonrpc":"2.0","method":"echo","params":{"n":1}}
            {"jsonrpc":"2.0","method":"nowhere"}
            {"jsonrpc":"2.0","method":"echo","params":[]}
            {"jsonrpc":"2.0","id":1,"method":"echo"}

            """, in: scene)
        #expect(heard.count == 1)
        #expect(heard.first?["id"] == 1)
        #expect(scene.calls.map(\.isNotification) == [true, true, false])
    }

    @Test("a batch is answered with one array: calls, refusals, no notifications")
    func batch() async throws {
        let heard = try await hear(
            #"""
            [{"jsonrpc":"2.0","id":1,"method":"echo"},{"jsonrpc":"2.0","method":"echo"},7,
            {"jsonrpc":"2.0","id":"z","method":"nowhere"}]
            """#.replacingOccurrences(of: "\n", with: "") + "\n")
        #expect(heard.count == 1)
        let answers = try #require(heard.first?.array)
        #expect(answers.count == 3)
        #expect(answers.contains { $0["id"] == 1 && $0["result"] == [:] })
        #expect(answers.contains { $0["id"]?.isNull == true && $0["error"]?["code"] == -32600 })
        #expect(answers.contains { $0["id"] == "z" && $0["error"]?["code"] == -32601 })
    }

    @Test("a batch waits for its last answer, and lets later lines pass")
    func slowBatch() async throws {
        let scene = try Scene()
        defer { scene.end() }
        let path = scene.path
        let client = try await apart {
            let client = try RawClient(path)
            client.send(#"[{"jsonrpc":"2.0","id":1,"method":"echo"},{"jsonrpc":"2.0","id":2,"method":"hold"}]"# + "\n")
            client.send(#"{"jsonrpc":"2.0","id":3,"method":"echo"}"# + "\n")
            return client
        }
        let first = try await apart { client.line() }
        #expect(first?["id"] == 3)
        scene.release()
        let second = try await apart { client.line() }
        #expect(Set(second?.array?.compactMap { $0["id"]?.integer } ?? []) == [1, 2])
    }

    @Test("a batch of notifications gets no answer at all")
    func silentBatch() async throws {
        let heard = try await hear(
            #"[{"jsonrpc":"2.0","method":"echo"},{"jsonrpc":"2.0","method":"echo"}]"# + "\n"
                + #"{"jsonrpc":"2.0","id":1,"method":"echo"}"# + "\n")
        #expect(heard.count == 1)
        #expect(heard.first?["id"] == 1)
    }

    @Test("a batch of more calls than may be unanswered is refused")
    func hugeBatch() async throws {
        let call = #"{"jsonrpc":"2.0","id":1,"method":"echo"}"#
        let heard = try await hear("[" + Array(repeating: call, count: 300).joined(separator: ",") + "]\n")
        #expect(heard.count == 1)
        #expect(heard.first?["error"]?["data"]?["reason"] == "batch-too-large")
    }

    @Test("a call is answered once, whatever its handler does")
    func once() async throws {
        let heard = try await hear(
            #"{"jsonrpc":"2.0","id":1,"method":"twice"}"# + "\n" + #"{"jsonrpc":"2.0","id":2,"method":"echo"}"# + "\n")
        #expect(heard.compactMap { $0["id"]?.integer } == [1, 2])
        #expect(heard.first?["result"] == 1)
    }

    @Test("the last line counts without its end, and is answered before the connection closes")
    func halfClose() async throws {
        let heard = try await hear(#"{"jsonrpc":"2.0","id":1,"method":"large","params":{"size":900000}}"#)
        #expect(heard.first?["result"]?.string?.count == 900_000)
    }

    @Test("who has hung up is reported closed, and the answer to him goes nowhere")
    func lateAnswer() async throws {
        let scene = try Scene()
        defer { scene.end() }
        let path = scene.path
        try await apart {
            let client = try RawClient(path)
            client.send(#"{"jsonrpc":"2.0","id":1,"method":"hold"}"# + "\n")
        }
        #expect(try await eventually { scene.closed.count == 1 })
        #expect(scene.held.map(\.connection) == scene.closed)
        scene.release()
        #expect(scene.server.backlog(of: scene.closed[0]) == 0)
    }

    @Test("notifications of one turn are gathered, and those of the turn in which the server closes still come")
    func toldAtTheEnd() async throws {
        let scene = try Scene()
        defer { scene.end() }
        let path = scene.path
        let client = try await apart {
            let client = try RawClient(path)
            client.send(#"{"jsonrpc":"2.0","id":1,"method":"hold"}"# + "\n")
            return client
        }
        #expect(try await eventually { scene.calls.count == 1 })
        let connection = try #require(scene.calls.first?.connection)
        var before = 0
        for number in 1...3 {
            #expect(scene.server.notify(connection, method: "told", params: ["n": .integer(Int64(number))]))
            #expect(scene.server.backlog(of: connection) > before)
            before = scene.server.backlog(of: connection)
        }
        scene.server.close()
        let heard = try await apart { () -> [Int64] in
            var heard: [Int64] = []
            while let line = client.line() { heard.append(line["params"]?["n"]?.integer ?? 0) }
            return heard
        }
        #expect(heard == [1, 2, 3])
    }

    @Test("a peer is who the kernel says")
    func credentials() async throws {
        let heard = try await hear(#"{"jsonrpc":"2.0","id":1,"method":"whoami"}"# + "\n")
        let peer = try #require(heard.first?["result"])
        var groups = [gid_t](repeating: 0, count: 65_536)
        let count = Int(getgroups(Int32(groups.count), &groups))
        #expect(peer["uid"] == .integer(Int64(getuid())))
        #expect(peer["gid"] == .integer(Int64(getgid())))
        #expect(peer["pid"] == .integer(Int64(getpid())))
        #expect(Set(peer["groups"]?.array?.compactMap(\.integer) ?? []) == Set(groups[..<count].map(Int64.init)))
    }

    /// Everything that the server says to someone who sends this and is done.
    private func hear(_ text: String, in scene: Scene? = nil) async throws -> [JSON] {
        try await hear(Array(text.utf8), in: scene)
    }

    private func hear(_ bytes: [UInt8], in given: Scene? = nil) async throws -> [JSON] {
        let scene = try given ?? Scene()
        defer { if given == nil { scene.end() } }
        let path = scene.path
        return try await apart {
            let client = try RawClient(path)
            client.send(bytes)
            client.finish()
            var lines: [JSON] = []
            while let line = client.line() { lines.append(line) }
            return lines
        }
    }
}
