import Control
import DIMP
import Format
import Records
import Store

/// Connections that look on while messages come, as `inbox.subscribe` without a consumer says. Nothing is kept for them, and
/// nothing is acknowledged. One that takes no more is told the rest later, as far as it is still in the inbox.
@MainActor final class InboxWatchers {
    private struct Onlooker {
        var filter: InboxFilter
        /// The inbox was looked through for this connection up to here.
        var passed: Int64
    }

    /// Messages that are read at a time, and bytes of their contents.
    private static let portion = 64
    private static let portionBytes = 64 << 10

    private let store: MessageStore
    private let row: @MainActor (Incoming) -> JSONObject
    private let notify: Notify
    private var watchers: [ConnectionID: Onlooker] = [:]

    /// `row`: a message as programs are told of it.
    init(store: MessageStore, row: @escaping @MainActor (Incoming) -> JSONObject, notify: @escaping Notify) {
        self.store = store
        self.row = row
        self.notify = notify
    }

    /// What comes after the message with this number.
    func watch(_ filter: InboxFilter, after seq: Int64, on connection: ConnectionID) {
        watchers[connection] = Onlooker(filter: filter, passed: seq)
    }

    func disconnected(_ connection: ConnectionID) { watchers[connection] = nil }

    func closeAll(reason: String) {
        for connection in watchers.keys { _ = notify(connection, "inbox.closed", ["reason": .string(reason)]) }
        watchers = [:]
    }

    /// To be called between turns only.
    func pump() throws(LedgerError) {
        for connection in Array(watchers.keys) { try pump(connection) }
    }

    private func pump(_ connection: ConnectionID) throws(LedgerError) {
        let newest = store.newestSequence
        while let watcher = watchers[connection], watcher.passed < newest {
            let messages = try store.inbox(
                start: watcher.passed + 1, limit: Self.portion, filter: watcher.filter, bytes: Self.portionBytes)
            for message in messages {
                guard notify(connection, "inbox.message", .object(row(message))) else { return }
                watchers[connection]?.passed = message.seq
            }
            // The filter leaves out the rest.
            if messages.isEmpty { watchers[connection]?.passed = newest }
        }
    }
}
