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
                did: try params.text("did").map { try daemon.desk.id($0).text })
            return Rows.page("events", rows.map { ($0.n, Rows.event($0)) }, limit: limit, isForward: start != nil)
        },
        .plain("event.subscribe", .reader, ["kinds", "start"]) { daemon, request, turn in
            try daemon.watch(request, &turn)
        },
    ]
}

/// A connection that wants to hear of events.
struct EventWatcher {
    var kinds: Set<Happening.Kind>?

    static func kind(_ text: String) throws -> Happening.Kind {
        guard let kind = Happening.Kind(rawValue: text) else {
            throw Params.wrong("kind", "one of " + Happening.Kind.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return kind
    }

    func takes(_ row: Happening) -> Bool { kinds?.contains(row.kind) ?? true }
}

extension Daemon {
    /// With `start`, what happened since comes first; at most 1 000 rows of it.
    fileprivate func watch(_ request: Request, _ turn: inout Turn) throws -> JSON {
        var kinds: Set<Happening.Kind>?
        if let list = request.params.json("kinds") {
            guard let names = list.array else { throw Params.wrong("kinds", "a list") }
            kinds = Set(
                try names.map { name in
                    guard let text = name.string else { throw Params.wrong("kinds", "a list of strings") }
                    return try EventWatcher.kind(text)
                })
        }
        let watcher = EventWatcher(kinds: kinds)
        let connection = request.call.connection
        let old = try request.params.integer("start", 0...Int64.max).map { start in
            try store.happenings(start: start, limit: 1000).filter(watcher.takes)
        }
        turn.after {
            self.watchers[connection] = watcher
            for row in old ?? [] { self.tell(row, connection) }
        }
        return ["subscribed": true]
    }

    /// News of a committed turn.
    func tell(_ happenings: [Happening], _ hasArrived: Bool) {
        for row in happenings {
            for (connection, watcher) in watchers where watcher.takes(row) { tell(row, connection) }
        }
    }

    private func tell(_ row: Happening, _ connection: ConnectionID) {
        _ = server?.notify(connection, method: "event", params: .object(Rows.event(row)))
    }
}
