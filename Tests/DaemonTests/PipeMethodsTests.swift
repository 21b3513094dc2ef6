import Agent
import Control
import DIMP
import Format
import Foundation
import Records
import Testing

@testable import culverd

/// What programs with a pipe open are told, without a socket.
@MainActor @Suite struct PipeProgramsTests {
    private let rig: Rig
    private let clients = PipeClients()
    private let programs: PipePrograms
    private let key = PipeRecord.PipeKey(owner: .sample("moki"), peer: .sample("hulk"), name: "pipe")

    init() throws {
        rig = try Rig()
        programs = PipePrograms(loop: rig.loop, notify: clients.notify)
    }

    /// Writes the row, and pieces with these numbers.
    private func write(_ numbers: [Int64] = [], _ change: (inout PipeRecord) -> Void = { _ in }) async throws
        -> PipeRecord
    {
        var row =
            try rig.loop.store.pipe(key)
            ?? PipeRecord(key: key, owner: .sample("moki@B"), peer: .sample("hulk@A"), state: .open)
        row.output.stream = "a-1"
        change(&row)
        let changed = row
        let key = key
        rig.loop.add(
            .chore { turn in
                try turn.ledger.apply(.pipe(changed))
                for number in numbers {
                    try turn.ledger.apply(.piece(PipePiece(pipe: key, number: number, data: [UInt8(number)])))
                }
            })
        await rig.settle()
        programs.changed("a-1")
        return changed
    }

    @Test("pieces come in the order of their numbers, each once, up to the first that is missing, and then the end")
    func order() async throws {
        programs.attach(try await write([2, 0]), to: ConnectionID(1))
        try programs.pump()
        #expect(clients.take() == ["1 data 0"])
        _ = try await write([1, 3]) { $0.input.end = 3 }
        try programs.pump()
        try programs.pump()
        #expect(clients.take() == ["1 data 1", "1 data 2", "1 end 3"])
        #expect(programs.handedOver("a-1") == 4)
    }

    @Test("a program that takes no more is told the rest later")
    func slow() async throws {
        programs.attach(try await write([0, 1, 2]) { $0.output.taken = 5 }, to: ConnectionID(1))
        _ = try await write { $0.output.taken = 8 }
        for _ in 0..<5 {
            clients.room = 1
            try programs.pump()
        }
        #expect(clients.take() == ["1 taken 8", "1 data 0", "1 data 1", "1 data 2"])
    }

    @Test("who comes back begins with the first that was not taken; one that is away is noted, one that is back is not")
    func back() async throws {
        programs.attach(try await write([0, 1]), to: ConnectionID(1))
        try programs.pump()
        programs.disconnected(ConnectionID(1))
        programs.disconnected(ConnectionID(1))
        await rig.settle()
        #expect(try rig.loop.store.pipe(key)?.due != nil && programs.connection(of: "a-1") == nil)
        let row = try await write {
            $0.due = nil
            $0.input.taken = 1
        }
        programs.attach(row, to: ConnectionID(2))
        try programs.pump()
        #expect(clients.take() == ["1 data 0", "1 data 1", "2 data 1"])
        programs.disconnected(ConnectionID(2))
        programs.attach(row, to: ConnectionID(3))
        programs.restart()
        await rig.settle()
        #expect(try rig.loop.store.pipe(key)?.due == nil)
    }

    @Test("the end of a pipe is told once, with its error, and nothing after it")
    func over() async throws {
        programs.attach(try await write([0]), to: ConnectionID(1))
        programs.over("a-1", error: "gone")
        try programs.pump()
        try programs.pump()
        #expect(clients.take() == ["1 closed gone"])
        programs.disconnected(ConnectionID(1))
        await rig.settle()
        #expect(try rig.loop.store.pipe(key)?.due == nil)
        // One that was away hears it when it comes back.
        let row = try await write {
            $0.state = .over
            $0.error = "reset"
        }
        programs.attach(row, to: ConnectionID(2))
        try programs.pump()
        #expect(clients.take() == ["2 closed reset"])
    }
}

/// Every connection at once.
@MainActor private final class PipeClients {
    private var told: [String] = []
    /// How many more notifications are taken.
    var room = Int.max

    func notify(_ connection: ConnectionID, _ method: String, _ params: JSON) -> Bool {
        guard room > 0 else { return false }
        room -= 1
        let what = params["n"]?.integer.map { "\($0)" } ?? params["error"]?.string ?? ""
        told.append("\(connection.number) \(method.split(separator: ".")[1]) \(what)")
        return true
    }

    func take() -> [String] {
        defer { told = [] }
        return told
    }
}

/// The methods of a daemon in this process, between two of its own identities and without a broker.
@MainActor @Suite struct PipeMethodsTests {
    private let directory = NSTemporaryDirectory() + "pipes-\(UUID().uuidString)"

    @Test("a pipe is opened, written with numbers, and gone on with by the program that has it, and by no other")
    func methods() async throws {
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let configuration = Configuration.alone(in: directory)
        let daemon = try Daemon(configuration, options: Options(), environment: [:], supervisor: Supervisor())
        try daemon.start()
        let socket = configuration.agent.socket
        let (said, refused) = try await Task.detached { try Self.story(socket) }.value
        #expect(
            said == [
                #"{"pipe":"P","n":0}"#, #"{"pipe":"P","n":0,"repeat":true}"#, #"{"pipe":"P","n":1}"#,
                #"{"next":2,"closed":true}"#, #"{"pipe":"P"}"#, #"{"pipe":"P","error":"cancelled"}"#,
            ])
        #expect(
            refused == [
                "own-identity", "no-pipe", "bad-parameter", "unknown-name", "unknown-pipe", "out-of-order",
                "missing-parameter", "bad-parameter", "bad-parameter", "too-large", "bad-parameter", "pipe-in-use",
                "unknown-pipe", "pipe-closed", "unknown-pipe", "unknown-pipe",
            ])
        await withCheckedContinuation { end in daemon.stop { end.resume() } }
    }

    /// What was answered, with `P` for the pipe, and the reasons of what was refused.
    private nonisolated static func story(_ socket: String) throws -> (said: [String], refused: [String]) {
        let client = try Client(path: socket)
        for name in ["moki", "thor"] { _ = try client.call("identity.create", ["name": .string(name), "key": "ecc"]) }
        var refused: [String] = []
        func refuse(_ client: Client, _ method: String, _ params: JSONObject) throws {
            do {
                let answer = try client.call(method, params)
                Issue.record("\(method) \(params) was answered \(answer.text)")
            } catch let error as RPCError {
                refused.append(error.reason ?? "")
            }
        }
        let parties: JSONObject = ["to": "thor", "from": "moki"]
        try refuse(client, "pipe.open", ["to": "moki", "from": "moki"])
        try refuse(client, "pipe.open", ["to": "anyone@anywhere", "from": "moki"])
        try refuse(client, "pipe.open", ["to": "thor", "from": "moki", "name": "a b"])
        try refuse(client, "pipe.open", ["to": "nobody", "from": "moki"])
        let opened = try client.call("pipe.open", parties)
        let pipe = try #require(opened["pipe"]?.string)
        #expect((opened["next"], opened["taken"], opened["window"]) == (0, 0, 32))
        var said: [String] = []
        func say(_ answer: JSON) { said.append(answer.text.replacingOccurrences(of: pipe, with: "P")) }
        let named = JSON.string(pipe)
        try refuse(client, "pipe.write", ["pipe": "a-1", "n": 0, "data": "YQ=="])
        for _ in 0..<2 { say(try client.call("pipe.write", ["pipe": named, "n": 0, "data": "YQ=="])) }
        try refuse(client, "pipe.write", ["pipe": named, "n": 2, "data": "YQ=="])
        try refuse(client, "pipe.write", ["pipe": named, "n": 1])
        try refuse(client, "pipe.write", ["pipe": named, "n": 1, "data": ""])
        try refuse(client, "pipe.write", ["pipe": named, "n": -1, "data": "YQ=="])
        let long = Base64.encode([UInt8](repeating: 1, count: 49_153))
        try refuse(client, "pipe.write", ["pipe": named, "n": 1, "data": .string(long)])
        try refuse(client, "pipe.ack", ["pipe": named, "n": 0])
        let other = try Client(path: socket)
        try refuse(other, "pipe.open", parties)
        try refuse(other, "pipe.write", ["pipe": named, "n": 1, "data": "YQ=="])
        say(try client.call("pipe.close", ["pipe": named, "n": 1]))
        try refuse(client, "pipe.write", ["pipe": named, "n": 1, "data": "YQ=="])
        let again = try client.call("pipe.open", ["to": "thor", "from": "moki", "pipe": named])
        say(["next": again["next"] ?? .null, "closed": again["closed"] ?? .null])
        try refuse(client, "pipe.open", ["to": "thor", "from": "moki", "pipe": "a-1"])
        say(try client.call("pipe.close", ["pipe": named, "error": "cancelled"]))
        while let notice = try client.next(timeout: 30) {
            guard notice.method == "pipe.closed" else { continue }
            say(notice.params)
            break
        }
        try refuse(client, "pipe.write", ["pipe": named, "n": 0, "data": "YQ=="])
        return (said, refused)
    }
}
