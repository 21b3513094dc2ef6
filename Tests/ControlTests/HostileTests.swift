import Format
import Foundation
import Testing

@testable import Control

/// Clients that mean no good, or do not know better.
@MainActor struct HostileTests {
    private let ping = #"{"jsonrpc":"2.0","id":1,"method":"echo"}"# + "\n"

    @Test("a line of a megabyte is a line")
    func longLine() async throws {
        let scene = try Scene()
        defer { scene.end() }
        let path = scene.path
        let length = try await apart {
            try Client(path: path).call("length", ["text": .string(String(repeating: "ä", count: 1 << 19))])
        }
        #expect(length == .integer(1 << 20))
    }

    @Test("a line that does not end gets an error and the door", arguments: [1 << 16, (1 << 16) + 1, 1 << 20])
    func endlessLine(_ length: Int) async throws {
        var limits = ControlLimits()
        limits.line = 1 << 16
        let scene = try Scene(limits: limits)
        defer { scene.end() }
        let (path, ping) = (scene.path, ping)
        let heard = try await apart {
            let client = try RawClient(path)
            client.send([UInt8](repeating: 0x20, count: length - 1) + [0x7B])
            if length == 1 << 16 { client.send("\n" + ping) }
            return [client.line(), client.line()]
        }
        if length == 1 << 16 {
            #expect(heard[0]?["error"]?["code"] == -32700)
            #expect(heard[1]?["id"] == 1)
        } else {
            #expect(heard[0]?["error"]?["data"]?["reason"] == "line-too-long")
            #expect(heard[1] == nil)
            #expect(try await eventually { scene.closed.count == 1 })
        }
    }

    @Test("random bytes harm nobody")
    func garbage() async throws {
        let scene = try Scene()
        defer { scene.end() }
        let (path, ping) = (scene.path, ping)
        let heard = try await apart {
            let client = try RawClient(path)
            var random = SystemRandomNumberGenerator()
            for _ in 0..<300 {
                let count = Int.random(in: 1...2_000, using: &random)
                client.send((0..<count).map { _ in UInt8.random(in: 0...255, using: &random) })
            }
            client.send("\n" + ping)
            client.finish()
            var lines: [JSON] = []
            while let line = client.line() { lines.append(line) }
            return lines
        }
        #expect(heard.last?["id"] == 1)
        #expect(heard.dropLast().allSatisfy { $0["error"] != nil })
    }

    @Test("a request with its bytes damaged is answered or refused, and the next one is answered")
    func damaged() async throws {
        let scene = try Scene()
        defer { scene.end() }
        let (path, ping) = (scene.path, ping)
        let answered = try await apart {
            let client = try RawClient(path)
            let whole = Array(#"[{"jsonrpc":"2.0","id":9,"method":"echo","params":{"a":[1,"b",null]}}]"#.utf8)
            var answered = 0
            for index in whole.indices {
                var bytes = whole
                bytes[index] ^= 0x21
                client.send(bytes + [0x0A] + Array(ping.utf8))
                while let line = client.line() {
                    guard line["id"] == 1, line["result"] != nil else { continue }
                    answered += 1
                    break
                }
            }
            return answered == whole.count
        }
        #expect(answered)
    }

    @Test("of a thousand connections a few are taken, the others are told why, and nobody who is in suffers")
    func flood() async throws {
        var files = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files)
        files.rlim_cur = min(files.rlim_max, max(files.rlim_cur, 8_192))
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &files)

        let scene = try Scene()
        defer { scene.end() }
        let (path, ping) = (scene.path, ping)
        let (refused, stillAnswered) = try await apart {
            let first = try Client(path: path)
            _ = try first.call("echo")
            let crowd = try (0..<1_000).map { _ in
                let client = try RawClient(path)
                client.send(ping)
                return client
            }
            let lines = crowd.map { $0.line() }
            let refused = lines.count { $0?["error"]?["data"]?["reason"] == "too-many-clients" }
            return (refused, try first.call("echo") == [:])
        }
        #expect(refused == 1_000 - 15)
        #expect(stillAnswered)
        #expect(try await eventually { scene.closed.count == 16 })
    }

    @Test("who is turned away hears it as the error of his first call, with exit code 75")
    func turnedAway() async throws {
        var limits = ControlLimits()
        limits.clients = 1
        let scene = try Scene(limits: limits)
        defer { scene.end() }
        let path = scene.path
        let error = try await apart { () -> RPCError? in
            let first = try Client(path: path)
            _ = try first.call("echo")
            do {
                _ = try Client(path: path).call("echo")
                return nil
            } catch let error as RPCError {
                return error
            }
        }
        #expect(error?.exit == .notNow)
        #expect(error?.reason == "too-many-clients")
    }

    @Test("who does not read is offered notifications up to a limit, holds up nobody, and is told when he has read")
    func neverReads() async throws {
        let scene = try Scene()
        defer { scene.end() }
        let path = scene.path
        let sleeper = try await apart {
            let client = try RawClient(path)
            client.send(#"{"jsonrpc":"2.0","id":1,"method":"tell","params":{"count":1000,"size":10000}}"# + "\n")
            return client
        }
        let other = try await apart { try Client(path: path).call("echo", ["still": "here"]) }
        #expect(other == ["still": "here"])
        let asleep = try #require(scene.calls.first?.connection)
        #expect(scene.server.backlog(of: asleep) < 1 << 20)
        #expect(scene.gotRoom.isEmpty)

        let (notices, taken) = try await apart { () -> (Int64, JSON?) in
            var notices: Int64 = 0
            while let line = sleeper.line() {
                if line["id"] == 1 { return (notices, line["result"]) }
                notices += 1
            }
            return (notices, nil)
        }
        #expect(taken == .integer(notices))
        #expect(notices > 0 && notices < 1_000)
        #expect(try await eventually { scene.gotRoom == [asleep] })
    }

    @Test("who asks and does not read is not read from, and gets every answer when he does")
    func asksAndNeverReads() async throws {
        let scene = try Scene()
        defer { scene.end() }
        let path = scene.path
        let greedy = try await apart {
            let client = try RawClient(path)
            for id in 0..<200 {
                client.send(#"{"jsonrpc":"2.0","id":\#(id),"method":"large","params":{"size":100000}}"# + "\n")
            }
            return client
        }
        _ = try await apart { try Client(path: path).call("echo") }
        let id = try #require(scene.calls.first?.connection)
        #expect(scene.server.backlog(of: id) <= 2 << 20)
        #expect(scene.calls.count < 100)
        let ids = try await apart { (0..<200).compactMap { _ in greedy.line()?["id"]?.integer } }
        #expect(ids == Array(0..<200))
    }

    @Test("who collects more unread answers than his queue holds is cut off")
    func cutOff() async throws {
        var limits = ControlLimits()
        limits.replies = 1 << 20
        limits.patience = 1 << 30
        let scene = try Scene(limits: limits)
        defer { scene.end() }
        let path = scene.path
        let client = try await apart {
            let client = try RawClient(path)
            for id in 0..<40 {
                client.send(#"{"jsonrpc":"2.0","id":\#(id),"method":"large","params":{"size":100000}}"# + "\n")
            }
            return client
        }
        #expect(try await eventually { scene.closed.count == 1 })
        withExtendedLifetime(client) {}
    }

    @Test("who asks faster than he is answered is not read from until answers go out")
    func backPressure() async throws {
        let scene = try Scene()
        defer { scene.end() }
        let path = scene.path
        let client = try await apart { try RawClient(path) }
        async let sent: Void = apart {
            for id in 0..<1_000 { client.send(#"{"jsonrpc":"2.0","id":\#(id),"method":"hold"}"# + "\n") }
        }
        #expect(try await eventually { scene.held.count == ControlLimits().unanswered })
        _ = try await apart { try Client(path: path).call("echo") }
        #expect(scene.held.count == ControlLimits().unanswered)
        var answered = 0
        while answered < 1_000 {
            try #require(try await eventually { !scene.held.isEmpty })
            answered += scene.held.count
            scene.release()
        }
        try await sent
        let ids = try await apart { (0..<1_000).compactMap { _ in client.line()?["id"]?.integer } }
        #expect(ids == Array(0..<1_000))
    }

    @Test("half lines of all clients share one bound, and the one with most is cut off")
    func sharedQueues() async throws {
        var limits = ControlLimits()
        limits.queues = 100_000
        let scene = try Scene(limits: limits)
        defer { scene.end() }
        let path = scene.path
        let clients = try await apart {
            let modest = try RawClient(path)
            modest.send(String(repeating: " ", count: 30_000))
            let greedy = try RawClient(path)
            greedy.send(String(repeating: " ", count: 90_000))
            return [modest, greedy]
        }
        #expect(try await eventually { scene.closed.count == 1 })
        let answer = try await apart {
            clients[0].send(#"{"jsonrpc":"2.0","id":1,"method":"echo"}"# + "\n")
            return clients[0].line()
        }
        #expect(answer?["id"] == 1)
    }

    @Test("while too much of all clients waits for answers nobody is read from, and everybody is afterwards")
    func sharedBurden() async throws {
        var limits = ControlLimits()
        limits.allUnansweredBytes = 10
        let scene = try Scene(limits: limits)
        defer { scene.end() }
        let path = scene.path
        let line = #"{"jsonrpc":"2.0","id":1,"method":"hold"}"# + "\n"
        let first = try await apart { try RawClient(path) }
        first.send(line)
        #expect(try await eventually { scene.held.count == 1 })
        let second = try await apart { try RawClient(path) }
        second.send(line)
        scene.release()
        #expect(try await apart { first.line() }?["result"] == "released")
        #expect(try await eventually { scene.held.count == 1 })
        scene.release()
        #expect(try await apart { second.line() }?["result"] == "released")
    }
}
