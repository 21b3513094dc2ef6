import Format
import Foundation
import Testing

@testable import Control

@MainActor struct ClientTests {
    @Test("notifications that come between a call and its answer are kept in order")
    func interleaved() async throws {
        let scene = try Scene()
        defer { scene.end() }
        let path = scene.path
        let (taken, count, after) = try await apart {
            let client = try Client(path: path)
            let taken = try client.call("tell", ["count": 5, "size": 3])
            var count: Int64 = 0
            while let notice = try client.next(timeout: 0) {
                count += notice.method == "told" && notice.params == ["text": "nnn"] ? 1 : 0
            }
            return (taken, count, try client.call("echo", ["x": 1]))
        }
        #expect(taken == 5)
        #expect(count == 5)
        #expect(after == ["x": 1])
    }

    @Test("an error of the daemon is thrown as it is")
    func error() async throws {
        let scene = try Scene()
        defer { scene.end() }
        let path = scene.path
        await #expect(throws: RPCError(exit: .unknownName, reason: "unknown-name", message: "no x", hint: "y")) {
            try await apart { try Client(path: path).call("refuse") }
        }
    }

    @Test("a call gives up when its time is over, and its late answer is not taken for the next one's")
    func timeout() async throws {
        let scene = try Scene()
        defer { scene.end() }
        let path = scene.path
        let client = Locked(try Client(path: path))
        await #expect(throws: ControlError.timedOut) {
            try await apart { try client.value.call("hold", timeout: 0.05) }
        }
        #expect(try await eventually { scene.held.count == 1 })
        scene.release()
        let answer = try await apart { try client.value.call("echo", ["n": 2]) }
        #expect(answer == ["n": 2])
    }

    @Test("a daemon that is just starting is waited for")
    func patience() async throws {
        let scene = try Scene()
        defer { scene.end() }
        let path = scene.path
        scene.server.close()
        async let answer = apart { try Client(path: path, patience: 60).call("any") }
        try await Task.sleep(nanoseconds: 200_000_000)
        let server = try Server(path: path, mode: 0o600, onCall: { $0.answer("up") }, onClose: { _ in })
        #expect(try await answer == "up")
        server.close()
    }

    @Test("where nobody listens there is no daemon")
    func nobody() async throws {
        let path = "/tmp/nobody-\(UUID().uuidString)"
        await #expect(throws: ControlError.noDaemon(path: path)) {
            try await apart { _ = try Client(path: path, patience: 0.1) }
        }
    }

    @Test("a daemon that ends is told from one that is silent")
    func ended() async throws {
        let scene = try Scene()
        defer { scene.end() }
        let path = scene.path
        let client = Locked(try Client(path: path))
        let answer = Task { try await apart { try client.value.call("hold") } }
        #expect(try await eventually { scene.held.count == 1 })
        scene.server.close()
        await #expect(throws: ControlError.closed) { try await answer.value }
    }
}

/// A client on its way from one thread to the next; never used by two at once.
private struct Locked: @unchecked Sendable {
    let value: Client

    init(_ value: Client) { self.value = value }
}
