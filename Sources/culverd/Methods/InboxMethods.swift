import Control
import DIMP
import Format
import Operations
import Records
import Store

/// `inbox.*`: messages that came, and the consumers that read them.
@MainActor struct InboxMethods {
    let loop: Loop
    let rights: CallerRights
    let consumers: Consumers
    let watchers: InboxWatchers

    private var store: MessageStore { loop.store }

    func list(_ request: CheckedCall) throws -> JSON {
        let limit = try request.params.limit()
        let start = try request.params.integer("start", in: 0...Int64.max)
        let filter = try limited(try filter(request.params), to: request)
        // A row may have a mebibyte: no more are read than are shown.
        var rows = try store.inbox(start: start, limit: limit, filter: filter, bytes: 1 << 20)
        if start != nil, let last = rows.last {
            rows += try store.inbox(start: last.seq + 1, limit: 1, filter: filter)
        }
        let shown = rows.map { ($0.seq, Rows.incoming($0, names: loop.names.name, isMuted: loop.names.isMuted)) }
        return Rows.page("messages", shown, limit: limit, isForward: start != nil)
    }

    func acknowledge(_ request: CheckedCall, in turn: inout Turn) throws -> JSON {
        let consumer = try consumer(of: request)
        guard let seq = try request.params.integer("seq", in: 0...Int64.max) else { throw Params.missing("seq") }
        guard seq <= consumers.highest(consumer.name) else {
            throw Refusal(.badData, "not-handed-out", "message \(seq) was not handed to \(consumer.name)")
        }
        let cursor = try store.acknowledge(consumer: consumer.name, seq: seq) ?? consumer.cursor
        turn.after { consumers.acknowledged(consumer.name, upTo: seq) }
        return ["consumer": .string(consumer.name), "cursor": .integer(cursor)]
    }

    /// The consumer could not handle this message. After so many `tries` it is acknowledged, with everything before it, and
    /// an event says so. The count is kept, so that it does not begin anew with the program.
    func fail(_ request: CheckedCall, in turn: inout Turn) throws -> JSON {
        let consumer = try consumer(of: request)
        guard let seq = try request.params.integer("seq", in: 1...Int64.max) else { throw Params.missing("seq") }
        guard let tries = try request.params.integer("tries", in: 1...1_000_000) else { throw Params.missing("tries") }
        guard seq > consumer.cursor, seq <= consumers.highest(consumer.name) else {
            throw Refusal(.badData, "not-handed-out", "message \(seq) was not handed to \(consumer.name)")
        }
        let failures = try store.fail(consumer: consumer.name, at: seq)
        var answer: JSONObject = ["consumer": .string(consumer.name), "failures": .integer(failures)]
        guard failures >= tries else {
            answer["aside"] = false
            return .object(answer)
        }
        answer["aside"] = true
        answer["cursor"] = .integer(try store.acknowledge(consumer: consumer.name, seq: seq) ?? consumer.cursor)
        turn.after { consumers.acknowledged(consumer.name, upTo: seq) }
        let message = try store.incoming(seq: seq)
        let sender = message.map { " of \($0.sender)" } ?? ""
        try store.apply(
            .event(
                EventRecord(
                    time: turn.now.isClockSet ? turn.now.wall : 0, kind: .inbox, level: .warning, did: message?.sender,
                    id: message?.id, reason: "handler-failed",
                    text: "consumer \(consumer.name) set message \(seq)\(sender) aside after \(failures) tries")))
        return .object(answer)
    }

    func seek(_ request: CheckedCall, in turn: inout Turn) throws -> JSON {
        let consumer = try consumer(of: request)
        guard let seq = try request.params.integer("seq", in: 0...Int64.max) else { throw Params.missing("seq") }
        let cursor = try store.seek(consumer: consumer.name, seq: seq) ?? consumer.cursor
        turn.after { consumers.restart(consumer.name, cursor: cursor) }
        return ["consumer": .string(consumer.name), "cursor": .integer(cursor)]
    }

    func forget(_ request: CheckedCall, in turn: inout Turn) throws -> JSON {
        let consumer = try consumer(of: request)
        _ = try store.forget(consumer: consumer.name)
        turn.after { consumers.forget(consumer.name) }
        return ["consumer": .string(consumer.name)]
    }

    func listConsumers() throws -> JSON {
        let rows = try store.consumers().map { consumer -> JSON in
            [
                "name": .string(consumer.name), "cursor": .integer(consumer.cursor),
                "pending": .integer(Int64(try store.pending(of: consumer))),
                "window": .integer(Int64(consumer.window)),
                "connected": .bool(consumers.isConnected(consumer.name)),
            ]
        }
        return ["consumers": .array(rows)]
    }

    // MARK: - Subscribing

    /// Each holds back what may be dropped. No user takes all of them from the others; an admin may, who could forget
    /// theirs as well.
    private static let consumerLimit = 256
    private static let consumerLimitOfUser = 64

    /// Without a consumer's name the connection looks on from now, and nothing is kept for it.
    func subscribe(_ request: CheckedCall, in turn: inout Turn) throws -> JSON {
        guard request.params.json("consumer") != nil else { return try watch(request, in: &turn) }
        return try consume(request, in: &turn)
    }

    private func watch(_ request: CheckedCall, in turn: inout Turn) throws -> JSON {
        for name in ["start", "window", "limit"] where request.params.json(name) != nil {
            throw RPCError.invalidParams("\(name) goes with a consumer", reason: "bad-parameter")
        }
        let filter = try limited(try givenFilter(request.params) ?? InboxFilter(), to: request)
        let (connection, newest) = (request.call.connection, store.newestSequence)
        turn.after { watchers.watch(filter, after: newest, on: connection) }
        return ["seq": .integer(newest)]
    }

    private func givenFilter(_ params: Params) throws -> InboxFilter? {
        try params.json("filter").map { json in
            guard let object = json.object else { throw Params.wrong("filter", isNot: "an object") }
            return try filter(try Params(object, known: ["sender", "receiver", "group", "type", "subject"]))
        }
    }

    /// `start` counts only for a name that is new; a filter that is given replaces the stored one. `limit` is how many
    /// this subscription takes at the most: what is handed out counts as read when it comes again.
    private func consume(_ request: CheckedCall, in turn: inout Turn) throws -> JSON {
        let params = request.params
        let name = try params.needText("consumer")
        guard (1...64).contains(name.utf8.count), name.utf8.allSatisfy({ $0 > 32 && $0 != 127 }) else {
            throw Params.wrong("consumer", isNot: "a name of 1 to 64 bytes without spaces")
        }
        let window = try params.integer("window", in: 1...1000) ?? 32
        let limit = try params.integer("limit", in: 1...Int64(Int32.max))
        let filter = try givenFilter(params)
        if turn.now.isClockSet { try store.expireInbox(at: turn.now.wall) }
        var consumer: Consumer
        if let known = try store.consumer(name) {
            try checkOwner(of: known, for: request)
            consumer = known
        } else {
            try checkRoom(for: request)
            consumer = Consumer(
                name: name, uid: request.call.peer.uid, cursor: try cursor(params), filter: InboxFilter(), window: 32,
                created: turn.now.wall)
        }
        consumer.window = Int(window)
        consumer.filter = try limited(filter ?? consumer.filter, to: request)
        if try store.consumer(name) != consumer { try store.put(consumer) }
        let connection = request.call.connection
        let kept = try store.consumer(name) ?? consumer
        turn.after { consumers.subscribe(kept, on: connection, limit: limit) }
        return ["consumer": .string(name), "cursor": .integer(kept.cursor)]
    }

    private func checkRoom(for request: CheckedCall) throws {
        let (all, uid) = (try store.consumers(), request.call.peer.uid)
        guard all.count < Self.consumerLimit else {
            throw Refusal(.notNow, "too-many-consumers", "there are \(Self.consumerLimit) consumers; forget one")
        }
        let own = all.count { $0.uid == uid }
        guard own < Self.consumerLimitOfUser || rights.role(of: request) == .admin else {
            throw Refusal(.notNow, "too-many-consumers", "uid \(uid) has \(own) consumers; forget one")
        }
    }

    private func cursor(_ params: Params) throws -> Int64 {
        switch params.json("start") {
        case nil, .string("oldest")?: return 0
        case .string("new")?: return store.newestSequence
        case let json?:
            guard let seq = json.integer, seq >= 0 else { throw Params.wrong("start", isNot: "oldest, new or a seq") }
            return max(0, seq - 1)
        }
    }

    // MARK: - Looking

    /// A filter's IDs may be names.
    private func filter(_ params: Params) throws -> InboxFilter {
        InboxFilter(
            sender: try params.text("sender").map { try loop.names.id($0).bare },
            receiver: try params.text("receiver").map { try loop.names.id($0).bare },
            group: try params.text("group").map { try loop.names.id($0).bare },
            type: try params.integer("type", in: 0...Int64.max),
            subject: try params.text("subject").map { text in
                guard let filter = SubjectFilter(text) else {
                    throw Refusal(
                        .badData, "bad-subject",
                        "\(text) is no filter of subjects: + and # stand for whole levels, # last")
                }
                return filter
            })
    }

    /// A caller that may read for some identities only reads what these received.
    private func limited(_ filter: InboxFilter, to request: CheckedCall) throws -> InboxFilter {
        guard let allowed = rights.identities(of: request, as: .reader) else { return filter }
        var filter = filter
        if filter.receiver == nil, allowed.count == 1 { filter.receiver = allowed[0] }
        guard let receiver = filter.receiver, allowed.contains(receiver) else {
            let names = allowed.map(\.text).joined(separator: ", ")
            throw RPCError(
                exit: .notPermitted, reason: "not-permitted",
                message: "you may read only what these received: \(names)",
                hint: "name one of them as receiver")
        }
        return filter
    }

    /// One that exists and belongs to the caller's uid; root and the daemon's user may touch every one.
    private func consumer(of request: CheckedCall) throws -> Consumer {
        let name = try request.params.needText("consumer")
        guard let consumer = try store.consumer(name) else {
            throw Refusal(.unknownName, "unknown-consumer", "there is no consumer \(name)")
        }
        try checkOwner(of: consumer, for: request)
        return consumer
    }

    private func checkOwner(of consumer: Consumer, for request: CheckedCall) throws {
        guard consumer.uid == request.call.peer.uid || rights.role(of: request) == .admin else {
            throw Refusal(.notPermitted, "not-yours", "the consumer \(consumer.name) belongs to uid \(consumer.uid)")
        }
    }
}
