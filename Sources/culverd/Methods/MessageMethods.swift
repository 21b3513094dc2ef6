import Agent
import Control
import DIMP
import Format
import Operations
import Records
import Store

/// `message.*`: sending, and what became of what was sent.
@MainActor struct MessageMethods {
    let loop: Loop
    let pool: Pool
    let rights: CallerRights
    let answers: PendingAnswers
    let senders: MessageSenders
    let waiters: MessageWaiters

    /// One message, or several that are one transaction and have one answer.
    func send(_ request: CheckedCall, in turn: inout Turn) throws {
        let call = request.call.withoutParams
        guard let wishes = try SendingWish.list(in: request.params) else {
            let parties = try parties(of: request, to: try request.params.needText("to"))
            return try submit(request, between: parties, in: &turn) { result in
                switch result {
                case .success(let accepted): call.answer(.object(accepted))
                case .failure(let error): call.fail(error)
                }
            }
        }
        let answers = ListedAnswers(to: call, count: wishes.count)
        var last: Parties?
        for (place, wish) in wishes.enumerated() {
            do {
                let wish = try wish.get()
                let checked = CheckedCall(call: call, params: wish.params)
                // Most go to one receiver.
                let parties = try parties(of: checked, to: wish.receiver, like: last)
                last = parties
                try submit(checked, between: parties, in: &turn) { answers.take($0, at: place) }
            } catch let error as RPCError {
                answers.take(.failure(error), at: place)
            } catch let refusal as Refusal {
                answers.take(.failure(RPCError(refusal)), at: place)
            }
        }
        turn.after { answers.close() }
    }

    /// One message, whose answer the caller gives.
    func sendOne(
        _ request: CheckedCall, in turn: inout Turn,
        answering answer: @escaping @MainActor (Result<JSONObject, RPCError>) -> Void
    ) throws {
        let parties = try parties(of: request, to: try request.params.needText("to"))
        try submit(request, between: parties, in: &turn, answering: answer)
    }

    /// From whom and to whom a message goes, with the words that said so.
    private struct Parties {
        var from: String?
        var to: String
        var sender: ID
        var receiver: ID
    }

    private func parties(of request: CheckedCall, to receiver: String, like last: Parties? = nil) throws -> Parties {
        let from = try request.params.text("from")
        if let last, last.from == from, last.to.utf8.elementsEqual(receiver.utf8) { return last }
        return Parties(
            from: from, to: receiver, sender: try rights.sender(of: request).id,
            receiver: try loop.names.id(receiver))
    }

    private func submit(
        _ request: CheckedCall, between parties: Parties, in turn: inout Turn,
        answering answer: @escaping @MainActor (Result<JSONObject, RPCError>) -> Void
    ) throws {
        let params = request.params
        let (type, members) = try MessageOperations.content(in: params)
        let ref = try params.text("ref")
        if let ref, !(1...64).contains(ref.utf8.count) { throw Params.wrong("ref", isNot: "1 to 64 bytes") }
        let expiry = try params.seconds("expiry")
        let receipt = try params.text("receipt")
        if let receipt, receipt != "signed" { throw Params.wrong("receipt", isNot: "signed") }
        let priority = try params.text("priority").map(Self.priority) ?? .normal
        let connection = request.call.connection
        let token = answers.expect(in: &turn) {
            switch $0 {
            case .accepted(let id, let sn, let state, let isRepeat):
                var result = JSONObject(
                    distinct: [("id", .string(id)), ("sn", .integer(sn)), ("state", .string(state))])
                if isRepeat { result["repeat"] = true }
                let isOver = DeliveryState(rawValue: state)?.isEnd ?? true
                if !isOver { senders.sent(id, by: connection) }
                answer(.success(result))
            case .refused(let refusal): answer(.failure(RPCError(refusal)))
            }
        }
        try turn.handle(
            .submitted(
                Submission(
                    token: token, sender: parties.sender, receiver: parties.receiver, type: type, members: members,
                    ref: ref,
                    expiry: expiry, wantsSignedReceipt: receipt != nil, priority: priority)))
    }

    func cancel(_ request: CheckedCall, in turn: inout Turn) throws {
        let row = try row(of: request)
        try rights.checkMaySend(request, as: row.sender)
        let call = request.call
        let token = answers.expect(in: &turn) { answer in
            switch answer {
            case .accepted(let id, _, let state, _): call.answer(["id": .string(id), "state": .string(state)])
            case .refused(let refusal): call.fail(RPCError(refusal))
            }
        }
        try turn.handle(.cancelled(id: row.id, token: token))
    }

    // MARK: - Looking

    /// Of a message to a group with the state for each member.
    func show(_ request: CheckedCall) throws -> JSON {
        let row = try readable(request)
        var object = shown(row)
        if row.recipient.isGroup {
            let members = try loop.store.outgoing(message: row.id)
            object["members"] = .object(
                JSONObject(members.map { ($0.receiver.text, .string($0.state.rawValue)) }))
        }
        return .object(object)
    }

    func list(_ request: CheckedCall) throws -> JSON {
        let limit = try request.params.limit()
        let start = try request.params.integer("start", in: 0...Int64.max)
        let state = try request.params.text("state").map(Self.state)
        let rows = try loop.store.outbox(state: state, start: start, limit: start == nil ? limit : limit + 1)
        let allowed = rights.identities(of: request, as: .reader)
        return Rows.page(
            "messages", try rows.map { (position: $0.order, row: try listed($0, to: allowed)) }, limit: limit,
            isForward: start != nil)
    }

    /// A message to a group stands once, where its first row does.
    private func listed(_ row: Outgoing, to allowed: [ID]?) throws -> JSONObject? {
        guard row.isOf(allowed) else { return nil }
        guard row.recipient.group != nil else { return shown(row) }
        guard row.messageID == row.id else { return nil }
        return Outgoing.message(of: try loop.store.outgoing(message: row.id)).map(shown)
    }

    func wait(_ request: CheckedCall, in turn: inout Turn) throws {
        let row = try readable(request)
        let until: DeliveryState =
            switch try request.params.text("until") ?? "delivered" {
            case "published": .published
            case "delivered": .delivered
            default: throw Params.wrong("until", isNot: "published or delivered")
            }
        let timeout = min(try request.params.seconds("timeout") ?? 60, 14 * 86_400)
        let call = request.call
        // Later turns tell of later changes, and this one's are told after this.
        turn.after { waiters.add(call, for: row, until: until, timeout: timeout) }
    }

    private func shown(_ row: Outgoing) -> JSONObject { Rows.outgoing(row, names: loop.names.name) }

    private static func state(_ text: String) throws -> DeliveryState {
        guard let state = DeliveryState(rawValue: text) else {
            throw Params.wrong(
                "state", isNot: "one of " + DeliveryState.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return state
    }

    private static func priority(_ text: String) throws -> Priority {
        guard let priority = Priority(rawValue: text) else {
            throw Params.wrong(
                "priority", isNot: "one of " + Priority.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return priority
    }

    private func row(of request: CheckedCall) throws -> Outgoing {
        let id = try request.params.needText("id")
        guard let row = Outgoing.message(of: try loop.store.outgoing(message: id)) else {
            throw Refusal(.noInput, "unknown-message", "there is no message \(id)")
        }
        return row
    }

    /// One that the caller may know of.
    private func readable(_ request: CheckedCall) throws -> Outgoing {
        let row = try row(of: request)
        guard row.isOf(rights.identities(of: request, as: .reader)) else {
            throw Refusal(.notPermitted, "not-yours", "the message \(row.id) is of another identity")
        }
        return row
    }

    // MARK: - Packing

    /// Signed by the pool: nothing is stored.
    func pack(_ request: CheckedCall, in turn: inout Turn) throws {
        let work = try loop.messageOperations.pack(request.params, from: try rights.sender(of: request))
        let call = request.call
        turn.after {
            pool.run(
                lane: "operations \(call.connection)", { Result { () throws(Refusal) in try work.packed() } }
            ) {
                switch $0 {
                case .success(let answer): call.answer(answer)
                case .failure(let refusal): call.fail(RPCError(refusal))
                }
            }
        }
    }

    func open(_ request: CheckedCall, in turn: inout Turn) throws {
        let step = try loop.messageOperations.open(request.params, mayRead: { rights.mayRead(request, for: $0) })
        let call = request.call
        turn.after { finish(step, for: call) }
    }

    private func finish(_ step: MessageOperations.OpenStep, for call: Call) {
        switch step {
        case .refused(let answer): call.answer(answer)
        case .work(let work):
            pool.run(lane: "operations \(call.connection)", { work.opened() }) { call.answer($0) }
        }
    }
}
