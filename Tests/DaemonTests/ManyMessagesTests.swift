import Control
import Format
import Foundation
import Testing

@testable import culverd

/// `message.send` of many, by a daemon of its own in this process.
@MainActor @Suite struct ManyMessagesTests {
    private let directory = NSTemporaryDirectory() + "many-\(UUID().uuidString)"

    /// What one client asked and heard, while a daemon without a broker ran.
    private func story<T: Sendable>(_ body: @escaping @Sendable (Client) throws -> T) async throws -> T {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let configuration = Configuration.alone(in: directory)
        let daemon = try Daemon(configuration, options: Options(), environment: [:], supervisor: Supervisor())
        try daemon.start()
        let socket = configuration.agent.socket
        let told = await Task.detached {
            Result {
                let client = try Client(path: socket)
                _ = try client.call("identity.create", ["name": "moki", "key": "ecc"])
                return try body(client)
            }
        }.value
        await withCheckedContinuation { end in daemon.stop { end.resume() } }
        return try told.get()
    }

    private nonisolated static let hulk = "4WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXekk"
    private nonisolated static let thor = "4R8BBttqwMppSmD9JtzgV3FXotnGwyf2jR"

    private nonisolated static func reason(_ entry: JSON) -> String? { entry["error"]?["data"]?["reason"]?.string }

    /// How often the disk was synced for turns.
    private nonisolated static func commits(_ client: Client) throws -> Int {
        let text = try client.call("metrics")["text"]?.string ?? ""
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("culver_commit_seconds_count ") })
        return try #require(Int(line.split(separator: " ")[1]))
    }

    @Test("each of a list is answered in its place, and a bad one does not spoil the others")
    func list() async throws {
        let (answer, stored) = try await story { client in
            _ = try client.call("contact.add", ["did": .string(Self.hulk), "name": "hulk"])
            let answer = try client.call(
                "message.send",
                [
                    "to": "hulk", "expiry": 60, "priority": "bulk",
                    "messages": [
                        ["text": "one", "ref": "a"], ["text": "two", "to": "nobody"], 3,
                        ["text": "one", "ref": "a"], ["text": "other", "ref": "a"], ["txt": "four"], [:],
                        ["text": "five", "to": [.string(Self.thor), "hulk"], "priority": "normal"],
                        ["text": "late", "expiry": 1e9], ["text": "six", "priority": "soon"],
                    ],
                ])
            return (answer.array("messages"), try client.call("message.list").array("messages"))
        }
        #expect(
            answer.map { $0["id"] != nil } == [
                true, false, false, true, false, false, false, true, true, false, false,
            ])
        #expect(
            answer.map(Self.reason) == [
                nil, "unknown-name", "bad-parameter", nil, "ref-reused", "unknown-parameter", "text-or-content", nil,
                nil, "bad-expiry", "bad-parameter",
            ])
        #expect(answer[3]["id"] == answer[0]["id"] && answer[3]["repeat"] == true && answer[0]["repeat"] == nil)
        #expect(stored.map { $0["id"] } == [answer[0]["id"], answer[7]["id"], answer[8]["id"]])
        #expect(stored.map { $0["receiver"]?.string } == [Self.hulk, Self.thor, Self.hulk])
        #expect(stored.map { $0["priority"]?.string } == ["bulk", nil, nil])
    }

    @Test("a list is one transaction, and so is a batch of calls")
    func transactions() async throws {
        let found = try await story { client in
            func send(_ texts: Range<Int>) throws -> Int {
                let list = texts.map { number -> JSON in ["text": .string("\(number)")] }
                let answer = try client.call("message.send", ["to": .string(Self.hulk), "messages": .array(list)])
                return answer.array("messages").count { $0["id"] != nil }
            }
            _ = try client.call("contact.add", ["did": .string(Self.hulk)])
            _ = try send(0..<1)
            let before = try Self.commits(client)
            let accepted = try send(0..<1_000)
            let between = try Self.commits(client)
            return (accepted, between - before)
        }
        #expect(found.0 == 1_000)
        // The clock is written down once a second, and asking for the figures may fall into that.
        #expect(found.1 <= 2)
    }

    @Test("several receivers are answered in their order; none, or too many messages, are refused as a whole")
    func bounds() async throws {
        let (several, reasons) = try await story { client in
            let several = try client.call(
                "message.send", ["to": [.string(Self.hulk), "x@y", .string(Self.thor)], "text": "hi"])
            let many = JSON.array(Array(repeating: ["text": "hi"], count: 1_001))
            let both = JSON.array(Array(repeating: .string(Self.hulk), count: 501))
            let asked: [JSONObject] = [
                ["to": [], "text": "hi"], ["messages": []], ["messages": [:]],
                ["to": .string(Self.hulk), "messages": many],
                ["to": both, "messages": [["text": "a"], ["text": "b"]]],
            ]
            let reasons = asked.map { params -> String? in
                do {
                    let answer = try client.call("message.send", params)
                    return answer.array("messages").compactMap(Self.reason).first
                } catch {
                    return (error as? RPCError)?.reason
                }
            }
            return (several.array("messages"), reasons)
        }
        #expect(several.map { $0["id"] != nil } == [true, false, true])
        #expect(Self.reason(several[1]) == "bad-id")
        #expect(
            reasons == [
                "bad-parameter", "too-many-messages", "bad-parameter", "too-many-messages", "too-many-messages",
            ])
    }

    @Test("an answer that repeats what it was asked stays below a mebibyte")
    func longWords() async throws {
        let size = try await story { client in
            let name = String(repeating: "\u{1}", count: 300)
            let list = JSON.array(Array(repeating: ["to": .string(name), "text": "hi"], count: 1_000))
            return try client.call("message.send", ["messages": list]).bytes.count
        }
        #expect(size < 1 << 20)
    }
}

extension JSON {
    fileprivate func array(_ name: String) -> [JSON] { self[name]?.array ?? [] }
}
