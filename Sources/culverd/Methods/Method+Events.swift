import Control
import DIMP
import Format
import Records

extension Method {
    static let events: [Method] = [
        .plain("event.list", .reader, ["start", "limit", "since", "kind", "did"]) { daemon, request, _ in
            let params = request.params
            let limit = try params.limit()
            let start = try params.integer("start", 0...Int64.max)
            let rows = try daemon.store.happenings(
                start: start, limit: start == nil ? limit : limit + 1, since: try params.seconds("since"),
                kind: try params.text("kind").map(EventWatcher.kind),
                did: try params.text("did").map { try daemon.operations.id($0).text })
            return Rows.page("events", rows.map { ($0.n, Rows.event($0)) }, limit: limit, isForward: start != nil)
        },
        .plain("event.subscribe", .reader, ["kinds", "start"]) { daemon, request, turn in
            try daemon.watch(request, &turn)
        },
    ]
}

/// A connection that wants to hear of events.
struct EventWatcher {
    var kinds: Set<EventRecord.Kind>?
    /// The first row that it has not been told of; `nil` when there is none.
    var behind: Int64?

    static func kind(_ text: String) throws -> EventRecord.Kind {
        guard let kind = EventRecord.Kind(rawValue: text) else {
            throw Params.wrong("kind", "one of " + EventRecord.Kind.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return kind
    }

    func takes(_ kind: EventRecord.Kind) -> Bool { kinds?.contains(kind) ?? true }
}

extension Daemon {
    /// With `start`, everything kept since then comes first.
    fileprivate func watch(_ request: Request, _ turn: inout Turn) throws -> JSON {
        var kinds: Set<EventRecord.Kind>?
        if let list = request.params.json("kinds") {
            guard let names = list.array else { throw Params.wrong("kinds", "a list") }
            kinds = Set(
                try names.map { name in
                    guard let text = name.string else { throw Params.wrong("kinds", "a list of strings") }
                    return try EventWatcher.kind(text)
                })
        }
        let watcher = EventWatcher(kinds: kinds, behind: try request.params.integer("start", 0...Int64.max))
        let connection = request.call.connection
        turn.after { self.watchers[connection] = watcher }
        return ["subscribed": true]
    }

    /// News of a committed turn. Who does not take them is told from the store, when it has room again.
    func tell(_ happenings: [EventRecord], _ hasArrived: Bool) {
        for row in happenings {
            for (connection, watcher) in watchers where watcher.behind == nil && watcher.takes(row.kind) {
                if !tell(row, connection) { watchers[connection]?.behind = row.n }
            }
        }
    }

    /// To be called between turns only.
    func pumpEvents() {
        for (connection, watcher) in watchers {
            guard var next = watcher.behind else { continue }
            while watchers[connection]?.behind != nil, let rows = try? store.happenings(start: next, limit: 100) {
                let taken = rows.prefix { !watcher.takes($0.kind) || tell($0, connection) }
                if let last = taken.last { next = last.n + 1 }
                watchers[connection]?.behind = rows.isEmpty ? nil : next
                if taken.count < rows.count { break }
            }
        }
    }

    private func tell(_ row: EventRecord, _ connection: ConnectionID) -> Bool {
        server?.notify(connection, method: "event", params: .object(Rows.event(row))) ?? false
    }
}
