import Control
import DIMP
import Format
import Records
import Store

extension Method {
    static let inbox: [Method] = [
        .plain("inbox.list", .reader, ["start", "limit", "sender", "receiver", "group", "type"]) { daemon, request, _ in
            let limit = try request.params.limit()
            let start = try request.params.integer("start", 0...Int64.max)
            let filter = try daemon.limited(try daemon.filter(request.params), request)
            // A row may have a mebibyte: no more are read than are shown.
            var rows = try daemon.store.inbox(start: start, limit: limit, filter: filter, bytes: 1 << 20)
            if start != nil, let last = rows.last {
                rows += try daemon.store.inbox(start: last.seq + 1, limit: 1, filter: filter)
            }
            return Rows.page(
                "messages", rows.map { ($0.seq, daemon.shown($0)) }, limit: limit, isForward: start != nil)
        },
        .plain("inbox.subscribe", .reader, ["consumer", "start", "filter", "window"]) { daemon, request, turn in
            try daemon.subscribe(request, &turn)
        },
        .plain("inbox.ack", .reader, ["consumer", "seq"]) { daemon, request, turn in
            let consumer = try daemon.consumer(request)
            guard let seq = try request.params.integer("seq", 0...Int64.max) else { throw Params.missing("seq") }
            guard seq <= daemon.consumers.highest(consumer.name) else {
                throw Refusal(.badData, "not-handed-out", "message \(seq) was not handed to \(consumer.name)")
            }
            let cursor = try daemon.store.acknowledge(consumer: consumer.name, seq: seq) ?? consumer.cursor
            turn.after { daemon.consumers.acknowledged(consumer.name, upTo: seq) }
            return ["consumer": .string(consumer.name), "cursor": .integer(cursor)]
        },
        .plain("inbox.seek", .reader, ["consumer", "seq"]) { daemon, request, turn in
            let consumer = try daemon.consumer(request)
            guard let seq = try request.params.integer("seq", 0...Int64.max) else { throw Params.missing("seq") }
            let cursor = try daemon.store.seek(consumer: consumer.name, seq: seq) ?? consumer.cursor
            turn.after { daemon.consumers.restart(consumer.name, cursor: cursor) }
            return ["consumer": .string(consumer.name), "cursor": .integer(cursor)]
        },
        .plain("inbox.forget", .reader, ["consumer"]) { daemon, request, turn in
            let consumer = try daemon.consumer(request)
            _ = try daemon.store.forget(consumer: consumer.name)
            turn.after { daemon.consumers.forget(consumer.name) }
            return ["consumer": .string(consumer.name)]
        },
        .plain("inbox.consumers", .reader) { daemon, _, _ in
            let rows = try daemon.store.consumers().map { consumer -> JSON in
                [
                    "name": .string(consumer.name), "cursor": .integer(consumer.cursor),
                    "pending": .integer(Int64(try daemon.store.pending(of: consumer))),
                    "window": .integer(Int64(consumer.window)),
                    "connected": .bool(daemon.consumers.isConnected(consumer.name)),
                ]
            }
            return ["consumers": .array(rows)]
        },
    ]
}

extension Daemon {
    fileprivate func shown(_ row: Incoming) -> JSONObject {
        Rows.incoming(row, name: ID(row.sender).flatMap { operations.name(of: $0) })
    }

    /// A filter's IDs may be names.
    fileprivate func filter(_ params: Params) throws -> InboxFilter {
        InboxFilter(
            sender: try params.text("sender").map { try operations.id($0).bare.text },
            receiver: try params.text("receiver").map { try operations.id($0).bare.text },
            group: try params.text("group").map { try operations.id($0).bare.text },
            type: try params.integer("type", 0...Int64.max))
    }

    /// Somebody who may read for some identities only reads what these received.
    fileprivate func limited(_ filter: InboxFilter, _ request: Request) throws -> InboxFilter {
        guard let allowed = identities(request, as: .reader) else { return filter }
        var filter = filter
        if filter.receiver == nil, allowed.count == 1 { filter.receiver = allowed[0].text }
        guard let receiver = filter.receiver.flatMap({ ID($0) }), allowed.contains(receiver) else {
            let names = allowed.map(\.text).joined(separator: ", ")
            throw RPCError(
                exit: .notPermitted, reason: "not-permitted",
                message: "you may read only what these received: \(names)",
                hint: "name one of them as receiver")
        }
        return filter
    }

    /// One that exists and belongs to the caller's uid; root and the daemon's user may touch every one.
    fileprivate func consumer(_ request: Request) throws -> Consumer {
        let name = try request.params.needText("consumer")
        guard let consumer = try store.consumer(name) else {
            throw Refusal(.unknownName, "unknown-consumer", "there is no consumer \(name)")
        }
        try checkOwner(of: consumer, request)
        return consumer
    }

    private func checkOwner(of consumer: Consumer, _ request: Request) throws {
        guard consumer.uid == request.call.peer.uid || access.role(of: request.call.peer) == .admin else {
            throw Refusal(.notPermitted, "not-yours", "the consumer \(consumer.name) belongs to uid \(consumer.uid)")
        }
    }

    /// Each holds back what may be dropped.
    private static let consumerLimit = 256

    /// `start` counts only for a name that is new; a filter or window that is given replaces the stored one.
    fileprivate func subscribe(_ request: Request, _ turn: inout Turn) throws -> JSON {
        let params = request.params
        let name = try params.needText("consumer")
        guard (1...64).contains(name.utf8.count), name.utf8.allSatisfy({ $0 > 32 && $0 != 127 }) else {
            throw Params.wrong("consumer", "a name of 1 to 64 bytes without spaces")
        }
        let window = try params.integer("window", 1...1000)
        let filter = try params.json("filter").map { json in
            guard let object = json.object else { throw Params.wrong("filter", "an object") }
            return try self.filter(try Params(object, known: ["sender", "receiver", "group", "type"]))
        }
        var consumer: Consumer
        if let known = try store.consumer(name) {
            try checkOwner(of: known, request)
            consumer = known
        } else {
            guard try store.consumers().count < Self.consumerLimit else {
                throw Refusal(.notNow, "too-many-consumers", "there are \(Self.consumerLimit) consumers; forget one")
            }
            consumer = Consumer(
                name: name, uid: request.call.peer.uid, cursor: try start(params), filter: InboxFilter(), window: 32,
                created: turn.now.wall)
        }
        if let window { consumer.window = Int(window) }
        consumer.filter = try limited(filter ?? consumer.filter, request)
        if try store.consumer(name) != consumer { try store.put(consumer) }
        let connection = request.call.connection
        let kept = try store.consumer(name) ?? consumer
        turn.after { self.consumers.subscribe(kept, connection) }
        return ["consumer": .string(name), "cursor": .integer(kept.cursor)]
    }

    private func start(_ params: Params) throws -> Int64 {
        switch params.json("start") {
        case nil, .string("oldest")?: return 0
        case .string("new")?: return try store.newestSequence()
        case let json?:
            guard let seq = json.integer, seq >= 0 else { throw Params.wrong("start", "oldest, new or a seq") }
            return max(0, seq - 1)
        }
    }
}
