import Control
import DIMP
import Format
import Operations
import Records
import Store

/// `event.*`: what happened on this board, looked up or told as it comes.
@MainActor struct EventMethods {
    let loop: Loop
    let watchers: EventWatchers

    func list(_ request: CheckedCall) throws -> JSON {
        let params = request.params
        let limit = try params.limit()
        let start = try params.integer("start", in: 0...Int64.max)
        let rows = try loop.store.events(
            start: start, limit: start == nil ? limit : limit + 1, since: try params.seconds("since"),
            kind: try params.text("kind").map(Self.kind),
            did: try params.text("did").map { try loop.names.id($0) })
        return Rows.page("events", rows.map { ($0.n, Rows.event($0)) }, limit: limit, isForward: start != nil)
    }

    /// With `start`, everything kept since then comes first.
    func subscribe(_ request: CheckedCall, in turn: inout Turn) throws -> JSON {
        let kinds = try request.params.json("kinds").map(Self.kinds)
        let start = try request.params.integer("start", in: 0...Int64.max)
        let connection = request.call.connection
        turn.after { watchers.watch(kinds, from: start, on: connection) }
        return ["subscribed": true]
    }

    private static func kinds(_ list: JSON) throws -> Set<EventRecord.Kind> {
        guard let names = list.array else { throw Params.wrong("kinds", isNot: "a list") }
        return Set(
            try names.map { name in
                guard let text = name.string else { throw Params.wrong("kinds", isNot: "a list of strings") }
                return try kind(text)
            })
    }

    private static func kind(_ text: String) throws -> EventRecord.Kind {
        guard let kind = EventRecord.Kind(rawValue: text) else {
            throw Params.wrong(
                "kind", isNot: "one of " + EventRecord.Kind.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return kind
    }
}
