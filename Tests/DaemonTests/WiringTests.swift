import Control
import Format
import Foundation
import Testing

@testable import culverd

/// A daemon of its own in this process, asked through its socket: whatever the wiring forgot would be silent here.
@MainActor @Suite struct WiringTests {
    private let directory = NSTemporaryDirectory() + "wiring-\(UUID().uuidString)"

    @Test("calls, events, waiters and the end reach those that they are for")
    func wiring() async throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let configuration = Configuration.alone(in: directory)
        let daemon = try Daemon(configuration, options: Options(), environment: [:], supervisor: Supervisor())
        try daemon.start()
        let socket = configuration.agent.socket

        let story = Task.detached { try Self.story(socket) }
        let (heard, waited) = try await story.value
        #expect(heard.contains("identity"), "\(heard)")
        #expect(heard.contains("contact"))
        #expect(waited == "timed-out")

        await withCheckedContinuation { end in daemon.stop { end.resume() } }
        #expect(!FileManager.default.fileExists(atPath: socket))
    }

    /// Which kinds of events were heard, and why a wait ended.
    private nonisolated static func story(_ socket: String) throws -> (heard: Set<String>, waited: String) {
        let watcher = try Client(path: socket)
        _ = try watcher.call("event.subscribe", ["kinds": ["identity", "contact"]])
        let client = try Client(path: socket)
        _ = try client.call("identity.create", ["name": "moki", "key": "ecc"])
        let peer = try #require(try client.call("identity.create", ["name": "thor", "key": "ecc"])["did"]?.string)
        _ = try client.call("identity.remove", ["did": .string(peer)])
        _ = try client.call("contact.add", ["did": .string(peer)])
        let sent = try client.call("message.send", ["to": .string(peer), "from": "moki", "text": "hello"])
        var waited = ""
        do {
            _ = try client.call("message.wait", ["id": sent["id"] ?? .null, "timeout": .number(0.1)])
        } catch let error as RPCError {
            waited = error.reason ?? ""
        }
        var heard: Set<String> = []
        while heard.count < 2, let notice = try watcher.next(timeout: 30) {
            if let kind = notice.params["kind"]?.string { heard.insert(kind) }
        }
        return (heard, waited)
    }
}
