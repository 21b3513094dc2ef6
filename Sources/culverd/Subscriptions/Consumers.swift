import Control
import DIMP
import Format
import Records
import Store

/// The programs that are given the inbox at this moment (culver-protocol(7), Consumers). What they have acknowledged is
/// in the store; here is only what was handed out and to which connection.
@MainActor final class Consumers {
    private struct Subscription {
        var connection: ConnectionID
        var window: Int
        /// What it leaves out is acknowledged on the way, so that its cursor moves without news, too.
        var isFiltered: Bool
        /// How many more it wants; `nil` for all.
        var left: Int64?
        /// The inbox was looked through for this consumer up to here.
        var passed: Int64
        /// Handed out and not acknowledged.
        var open: [Int64] = []

        var room: Int { min(window - open.count, Int(clamping: left ?? .max)) }
    }

    /// Messages that are read at a time, and bytes of their contents: a message may have a mebibyte, and a socket takes a
    /// quarter of that before it has to be read.
    private static let portion = 64
    private static let portionBytes = 64 << 10

    private let store: MessageStore
    private let name: @MainActor (ID) -> String?
    private let isMuted: @MainActor (ID) -> Bool
    private let notify: Notify
    private var subscriptions: [String: Subscription] = [:]
    /// Up to which message each consumer may have been handed the inbox before: those come `again`.
    private var handedOut: [String: Int64] = [:]

    /// After a restart every message that was there may have been handed out before. `name`: what this board calls
    /// somebody.
    init(
        store: MessageStore, name: @escaping @MainActor (ID) -> String?, isMuted: @escaping @MainActor (ID) -> Bool,
        notify: @escaping Notify
    ) throws(LedgerError) {
        self.store = store
        self.name = name
        self.isMuted = isMuted
        self.notify = notify
        let newest = store.newestSequence
        for consumer in try store.consumers() { handedOut[consumer.name] = newest }
    }

    func isConnected(_ consumer: String) -> Bool { subscriptions[consumer] != nil }

    /// A second connection takes over, and the first is told. `limit`: no more are handed out by this subscription.
    func subscribe(_ consumer: Consumer, on connection: ConnectionID, limit: Int64? = nil) {
        if let old = subscriptions[consumer.name], old.connection != connection {
            close(consumer.name, reason: "taken-over")
        }
        subscriptions[consumer.name] = Subscription(
            connection: connection, window: consumer.window, isFiltered: consumer.filter != InboxFilter(), left: limit,
            passed: consumer.cursor)
    }

    /// What this connection may acknowledge: nothing beyond what was handed out.
    func acknowledged(_ consumer: String, upTo seq: Int64) {
        subscriptions[consumer]?.open.removeAll { $0 <= seq }
    }

    func highest(_ consumer: String) -> Int64 {
        max(handedOut[consumer] ?? 0, subscriptions[consumer]?.passed ?? 0)
    }

    /// Handing out begins anew at the cursor.
    func restart(_ consumer: String, cursor: Int64) {
        subscriptions[consumer]?.passed = cursor
        subscriptions[consumer]?.open = []
    }

    func close(_ consumer: String, reason: String) {
        guard let subscription = subscriptions.removeValue(forKey: consumer) else { return }
        _ = notify(
            subscription.connection, "inbox.closed", ["consumer": .string(consumer), "reason": .string(reason)])
    }

    func closeAll(reason: String) {
        for consumer in subscriptions.keys.sorted() { close(consumer, reason: reason) }
    }

    func forget(_ consumer: String) {
        close(consumer, reason: "forgotten")
        handedOut[consumer] = nil
    }

    func disconnected(_ connection: ConnectionID) {
        subscriptions = subscriptions.filter { $0.value.connection != connection }
    }

    /// Hands out what there is, as far as windows and sockets take it. To be called between turns only.
    func pump() throws(LedgerError) {
        for consumer in subscriptions.keys.sorted() { try pump(consumer) }
    }

    private func pump(_ consumer: String) throws(LedgerError) {
        while let subscription = subscriptions[consumer], subscription.room > 0,
            subscription.isFiltered || subscription.passed < store.newestSequence
        {
            let delivery = try store.next(
                for: consumer, after: subscription.passed, limit: min(subscription.room, Self.portion),
                bytes: Self.portionBytes)
            for message in delivery.messages {
                guard hand(message, to: consumer, on: subscription.connection) else { return }
            }
            if delivery.passed == subscription.passed { return }
            let handed = subscriptions[consumer]?.passed ?? 0
            subscriptions[consumer]?.passed = max(delivery.passed, handed)
        }
    }

    private func hand(_ message: Incoming, to consumer: String, on connection: ConnectionID) -> Bool {
        var params = Rows.incoming(message, names: name, isMuted: isMuted)
        params["consumer"] = .string(consumer)
        if message.seq <= handedOut[consumer] ?? 0 { params["again"] = true }
        guard notify(connection, "inbox.message", .object(params)) else { return false }
        subscriptions[consumer]?.open.append(message.seq)
        if let left = subscriptions[consumer]?.left { subscriptions[consumer]?.left = left - 1 }
        subscriptions[consumer]?.passed = message.seq
        handedOut[consumer] = max(handedOut[consumer] ?? 0, message.seq)
        return true
    }
}
