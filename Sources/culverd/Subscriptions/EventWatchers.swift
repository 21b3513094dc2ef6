import Control
import Format
import Records
import Store

/// Connections that want to hear of events. One that takes no more is told the rest from the store later.
@MainActor final class EventWatchers {
    private struct Watcher {
        var kinds: Set<EventRecord.Kind>?
        /// The first row that the connection has not been told of; `nil` when there is none.
        var behind: Int64?

        func takes(_ kind: EventRecord.Kind) -> Bool { kinds?.contains(kind) ?? true }
    }

    private let store: MessageStore
    private let notify: Notify
    private var watchers: [ConnectionID: Watcher] = [:]

    init(store: MessageStore, notify: @escaping Notify) {
        self.store = store
        self.notify = notify
    }

    /// `kinds`: `nil` for all. `start`: everything kept since that row comes first.
    func watch(_ kinds: Set<EventRecord.Kind>?, from start: Int64?, on connection: ConnectionID) {
        watchers[connection] = Watcher(kinds: kinds, behind: start)
    }

    func connections(watching kind: EventRecord.Kind) -> Set<ConnectionID> {
        watchers.isEmpty ? [] : Set(watchers.filter { $0.value.takes(kind) }.keys)
    }

    /// News of a committed turn. A connection that does not take them is told from the store, when it has room again.
    func tell(_ rows: [EventRecord]) {
        for row in rows {
            for (connection, watcher) in watchers where watcher.behind == nil && watcher.takes(row.kind) {
                if !tell(row, to: connection) { watchers[connection]?.behind = row.n }
            }
        }
    }

    /// To be called between turns only.
    func pump() {
        for (connection, watcher) in watchers {
            guard var next = watcher.behind else { continue }
            while watchers[connection]?.behind != nil, let rows = try? store.events(start: next, limit: 100) {
                let taken = rows.prefix { !watcher.takes($0.kind) || tell($0, to: connection) }
                if let last = taken.last { next = last.n + 1 }
                watchers[connection]?.behind = rows.isEmpty ? nil : next
                if taken.count < rows.count { break }
            }
        }
    }

    func disconnected(_ connection: ConnectionID) {
        watchers[connection] = nil
    }

    private func tell(_ row: EventRecord, to connection: ConnectionID) -> Bool {
        notify(connection, "event", .object(Rows.event(row)))
    }
}
