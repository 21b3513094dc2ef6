import Control
import DIMP
import Format
import Foundation
import Records
import Store
import Testing

@testable import culverd

@MainActor @Suite final class ConsumersTests {
    private let directory = NSTemporaryDirectory() + "consumers-\(UUID().uuidString)"
    private let store: MessageStore
    private var consumers: Consumers
    private let watchers: InboxWatchers
    private let client = Client()

    init() throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        store = try MessageStore(path: directory + "/messages.sqlite")
        consumers = try Consumers(store: store, name: { _ in nil }, isMuted: { _ in false }, notify: client.notify)
        watchers = InboxWatchers(
            store: store, row: { Rows.incoming($0, names: { _ in nil }, isMuted: { _ in false }) },
            notify: client.notify)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: directory)
    }

    private func receive(_ count: Int, sender: String = "hulk@A") throws {
        for number in 0..<count { try store.apply(.incoming(incoming("m\(number)", sender: sender))) }
        try store.commit()
    }

    private func subscribe(
        _ name: String = "c", on connection: UInt64 = 1, window: Int = 32, filter: InboxFilter = InboxFilter(),
        limit: Int64? = nil
    ) throws {
        var consumer =
            try store.consumer(name)
            ?? Consumer(name: name, uid: 0, cursor: 0, filter: filter, window: window, created: 0)
        consumer.window = window
        try store.put(consumer)
        consumers.subscribe(try #require(try store.consumer(name)), on: ConnectionID(connection), limit: limit)
        try store.commit()
    }

    private func acknowledge(_ seq: Int64, _ name: String = "c") throws {
        _ = try store.acknowledge(consumer: name, seq: seq)
        try store.commit()
        consumers.acknowledged(name, upTo: seq)
    }

    /// What was told since the last call, after a pump.
    private func pumped() throws -> [String] {
        try consumers.pump()
        try store.commit()
        defer { client.told = [] }
        return client.told
    }

    @Test("no more than the window is handed out, and acknowledging makes room")
    func window() throws {
        try receive(5)
        try subscribe(window: 2)
        #expect(try pumped() == ["1: inbox.message 1", "1: inbox.message 2"])
        #expect(try pumped() == [])
        try acknowledge(1)
        #expect(try pumped() == ["1: inbox.message 3"])
        try acknowledge(3)
        #expect(try pumped() == ["1: inbox.message 4", "1: inbox.message 5"])
        #expect(consumers.highest("c") == 5)
    }

    @Test("beyond its limit a subscription is handed nothing, and what was not handed out does not come again")
    func limit() throws {
        try receive(5)
        try subscribe(limit: 2)
        #expect(try pumped() == ["1: inbox.message 1", "1: inbox.message 2"])
        try acknowledge(2)
        #expect(try pumped() == [])
        try subscribe(on: 2, limit: 1)
        #expect(try pumped() == ["1: inbox.closed taken-over", "2: inbox.message 3"])
        try subscribe(on: 2)
        #expect(try pumped() == ["2: inbox.message 3 again", "2: inbox.message 4", "2: inbox.message 5"])
    }

    @Test("who looks on is told what comes from then on, once, as far as the filter takes it, and holds nothing back")
    func lookingOn() throws {
        func told() throws -> [String] {
            try watchers.pump()
            defer { client.told = [] }
            return client.told
        }
        try receive(2)
        watchers.watch(InboxFilter(), after: store.newestSequence, on: ConnectionID(1))
        watchers.watch(
            InboxFilter(sender: ID("moki@4WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXekk")), after: 0, on: ConnectionID(2))
        #expect(try told() == [])
        try receive(100)
        #expect(try told() == (3...102).map { "1: inbox.message \($0)" })
        #expect(try told() == [])
        #expect(try store.consumers().isEmpty)
        watchers.disconnected(ConnectionID(1))
        try receive(1)
        #expect(try told() == [])
    }

    @Test("a thousand messages pass a window of one, in order and each once")
    func manyMessages() throws {
        try receive(1_000)
        try subscribe(window: 1)
        var seen: [String] = []
        for seq in 1...1_000 {
            seen += try pumped()
            try acknowledge(Int64(seq))
        }
        #expect(seen == (1...1_000).map { "1: inbox.message \($0)" })
        #expect(try pumped() == [])
    }

    @Test("a window of 256 is handed out in portions, acknowledged by ranges, each message once and in order")
    func ranges() throws {
        try receive(1_000)
        try subscribe(window: 256)
        var seen: [String] = []
        var acknowledgements = 0
        while seen.count < 1_000 {
            let got = try pumped()
            try #require(1...256 ~= got.count)
            seen += got
            try acknowledge(Int64(seen.count))
            acknowledgements += 1
        }
        #expect(seen == (1...1_000).map { "1: inbox.message \($0)" })
        #expect(acknowledgements == 4)
        #expect(try pumped() == [])
        try receive(1)
        #expect(try pumped() == ["1: inbox.message 1001"])
    }

    @Test("long messages go in short portions, and none is left out")
    func longMessages() throws {
        let long = #"{"text":"\#(String(repeating: "x", count: 40 << 10))"}"#
        for number in 0..<9 {
            var row = incoming("m\(number)")
            if number % 2 == 0 { row.content = long }
            try store.apply(.incoming(row))
        }
        try store.commit()
        let portion = try store.next(for: "none", after: 0, limit: 9, bytes: 1)
        #expect(portion.messages.isEmpty && portion.passed == 0)
        try subscribe(window: 256)
        #expect(try store.next(for: "c", after: 0, limit: 9, bytes: 64 << 10).messages.map(\.seq) == [1, 2, 3])
        #expect(try store.next(for: "c", after: 0, limit: 9, bytes: 64 << 10).passed == 3)
        #expect(try pumped() == (1...9).map { "1: inbox.message \($0)" })
    }

    @Test("what was not acknowledged comes again on the next connection, and is marked")
    func again() throws {
        try receive(2)
        try subscribe()
        _ = try pumped()
        try acknowledge(1)
        consumers.disconnected(ConnectionID(1))
        try receive(1)
        #expect(try pumped() == [])
        try subscribe(on: 2)
        #expect(try pumped() == ["2: inbox.message 2 again", "2: inbox.message 3"])
    }

    @Test("after a restart whatever may have been handed out is marked as coming again")
    func restart() throws {
        try receive(1)
        try subscribe()
        _ = try pumped()
        consumers = try Consumers(store: store, name: { _ in nil }, isMuted: { _ in false }, notify: client.notify)
        try receive(1)
        try subscribe(on: 2)
        #expect(try pumped() == ["2: inbox.message 1 again", "2: inbox.message 2"])
    }

    @Test("a second connection takes over, and the first is told and gets nothing more")
    func takeOver() throws {
        try receive(1)
        try subscribe(on: 1)
        _ = try pumped()
        try subscribe(on: 2)
        #expect(try pumped() == ["1: inbox.closed taken-over", "2: inbox.message 1 again"])
        consumers.disconnected(ConnectionID(1))
        #expect(consumers.isConnected("c"))
    }

    @Test("a filter hands out what it takes and acknowledges the rest")
    func filter() throws {
        try receive(2, sender: "hulk@A")
        try receive(1, sender: "thor@T")
        try receive(1, sender: "hulk@A")
        try subscribe(filter: InboxFilter(sender: .sample("thor@T")))
        #expect(try pumped() == ["1: inbox.message 3"])
        #expect(try store.consumer("c")?.cursor == 2)
        try acknowledge(3)
        _ = try pumped()
        #expect(try store.consumer("c")?.cursor == 4)
    }

    @Test("a socket that takes no more is left alone, and gets the rest later without a hole")
    func slowClient() throws {
        try receive(3)
        try subscribe()
        client.room = 1
        #expect(try pumped() == ["1: inbox.message 1"])
        client.room = .max
        #expect(try pumped() == ["1: inbox.message 2", "1: inbox.message 3"])
    }

    @Test("seeking back hands out anew from there, marked")
    func seek() throws {
        try receive(3)
        try subscribe()
        _ = try pumped()
        try acknowledge(3)
        let cursor = try #require(try store.seek(consumer: "c", seq: 2))
        try store.commit()
        consumers.restart("c", cursor: cursor)
        #expect(try pumped() == ["1: inbox.message 2 again", "1: inbox.message 3 again"])
    }

    @Test("who is forgotten is told, and begins anew under the same name")
    func forget() throws {
        try receive(1)
        try subscribe()
        _ = try pumped()
        _ = try store.forget(consumer: "c")
        try store.commit()
        consumers.forget("c")
        #expect(try pumped() == ["1: inbox.closed forgotten"])
        #expect(!consumers.isConnected("c"))
        try subscribe(on: 3)
        #expect(try pumped() == ["3: inbox.message 1"])
    }
}

/// Every connection at once.
@MainActor private final class Client {
    /// What connections were told: `1: inbox.message 3 again`.
    var told: [String] = []
    /// How many more notifications are taken.
    var room = Int.max

    func notify(_ connection: ConnectionID, _ method: String, _ params: JSON) -> Bool {
        guard room > 0 else { return false }
        room -= 1
        let seq = params["seq"]?.integer.map { " \($0)" } ?? ""
        let reason = params["reason"]?.string.map { " \($0)" } ?? ""
        let again = params["again"]?.bool == true ? " again" : ""
        told.append("\(connection.number): \(method)\(seq)\(reason)\(again)")
        return true
    }
}
