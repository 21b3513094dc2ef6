import Agent
import Control
import DIMP
import Format
import Foundation
import Records
import Testing

@testable import culverd

/// What connections hear of events and of messages, without a socket.
@MainActor @Suite struct SubscriptionsTests {
    private let rig: Rig
    private let clients = Clients()
    private let subscriptions: Subscriptions

    init() throws {
        rig = try Rig()
        subscriptions = try Subscriptions(loop: rig.loop, notify: clients.notify)
        rig.loop.onNews = { [weak subscriptions] events, _ in subscriptions?.happened(events) }
    }

    private func note(_ kind: EventRecord.Kind, _ text: String) async {
        rig.loop.add(.chore { turn in try turn.note(kind, level: .info, text: text, reason: text) })
        await rig.settle()
    }

    /// A message that was accepted, and waits for a meta.
    private func accepted() async throws -> Outgoing {
        let (sender, receiver) = (try madeIdentity("moki"), try madeIdentity("hulk"))
        rig.loop.book.facebook.put(sender)
        rig.loop.take(
            .submitted(
                Submission(
                    token: 1, sender: sender.id, receiver: receiver.id, type: .text, members: ["text": "hello"])))
        await rig.settle()
        return try #require(try rig.loop.store.outbox(state: nil, start: nil, limit: 1).first)
    }

    @Test("an event is told to those that watch its kind, and to them alone")
    func kinds() async {
        subscriptions.events.watch(nil, from: nil, on: ConnectionID(1))
        subscriptions.events.watch([.disk], from: nil, on: ConnectionID(2))
        await note(.disk, "full")
        await note(.contact, "added")
        #expect(clients.told.filter { $0.hasPrefix("1") } == ["1: event full", "1: event added"])
        #expect(clients.told.filter { $0.hasPrefix("2") } == ["2: event full"])
    }

    @Test("a watcher that takes no more is told the rest later, in order and each once")
    func slowWatcher() async {
        subscriptions.events.watch(nil, from: nil, on: ConnectionID(1))
        clients.room = 1
        for text in ["a", "b", "c"] { await note(.disk, text) }
        clients.room = 1
        subscriptions.pump()
        clients.room = .max
        subscriptions.pump()
        subscriptions.pump()
        await note(.disk, "d")
        #expect(clients.told == ["a", "b", "c", "d"].map { "1: event \($0)" })
    }

    @Test("with a start, what was kept since then comes first")
    func start() async {
        for text in ["a", "b"] { await note(.disk, text) }
        subscriptions.events.watch(nil, from: 2, on: ConnectionID(1))
        subscriptions.pump()
        await note(.disk, "c")
        #expect(clients.told == ["1: event b", "1: event c"])
    }

    @Test("a sender hears of its message until the end, and of no other's")
    func sender() async throws {
        var row = try await accepted()
        subscriptions.senders.sent(row.id, by: ConnectionID(1))
        subscriptions.senders.sent("other", by: ConnectionID(2))
        for state in [DeliveryState.published, .delivered, .delivered] {
            row.state = state
            subscriptions.changed(row)
        }
        #expect(clients.told == ["1: message.state published", "1: message.state delivered"])
    }

    @Test("a connection that has gone is told of nothing")
    func gone() async throws {
        var row = try await accepted()
        subscriptions.senders.sent(row.id, by: ConnectionID(1))
        subscriptions.events.watch(nil, from: nil, on: ConnectionID(1))
        subscriptions.disconnected(ConnectionID(1))
        row.state = .published
        subscriptions.changed(row)
        await note(.disk, "a")
        #expect(clients.told == [])
    }
}

/// Every connection at once.
@MainActor private final class Clients {
    /// What connections were told: `1: event full`.
    var told: [String] = []
    /// How many more notifications are taken.
    var room = Int.max

    func notify(_ connection: ConnectionID, _ method: String, _ params: JSON) -> Bool {
        guard room > 0 else { return false }
        room -= 1
        told.append("\(connection.number): \(method) \((params["text"] ?? params["state"])?.string ?? "")")
        return true
    }
}
