import Agent
import Control
import DIMP
import Dispatch
import Format
import Operations
import Records

extension Method {
    static let messages: [Method] = [
        .later("message.send", .sender, ["to", "from", "text", "content", "expiry", "ref"]) { daemon, request, turn in
            try daemon.send(request, &turn)
        },
        .plain("message.show", .reader, ["id"]) { daemon, request, _ in
            .object(daemon.shown(try daemon.readable(request)))
        },
        .plain("message.list", .reader, ["state", "start", "limit"]) { daemon, request, _ in
            let limit = try request.params.limit()
            let start = try request.params.integer("start", 0...Int64.max)
            let state = try request.params.text("state").map { text in
                guard let state = DeliveryState(rawValue: text) else {
                    throw Params.wrong(
                        "state", "one of " + DeliveryState.allCases.map(\.rawValue).joined(separator: ", "))
                }
                return state
            }
            let rows = try daemon.store.outbox(state: state, start: start, limit: start == nil ? limit : limit + 1)
            let allowed = daemon.identities(request, as: .reader)
            return Rows.page(
                "messages", rows.map { ($0.order, $0.isOf(allowed) ? daemon.shown($0) : nil) }, limit: limit,
                isForward: start != nil)
        },
        .later("message.wait", .reader, ["id", "until", "timeout"]) { daemon, request, turn in
            try daemon.wait(request, &turn)
        },
        .later("message.cancel", .sender, ["id"]) { daemon, request, turn in
            let row = try daemon.row(request)
            if let sender = ID(row.sender) { try daemon.checkMaySend(as: sender, request) }
            let call = request.call
            let token = daemon.expect(&turn) { answer in
                switch answer {
                case .accepted(let id, _, let state, _): call.answer(["id": .string(id), "state": .string(state)])
                case .refused(let refusal): call.fail(RPCError(refusal))
                }
            }
            try turn.handle(.cancelled(id: row.id, token: token))
        },
        .later("message.pack", .sender, ["from", "to", "text", "content", "attach"]) { daemon, request, turn in
            try daemon.pack(request, &turn)
        },
        .later("message.open", .sender, ["message"]) { daemon, request, turn in
            guard let message = request.params.json("message") else { throw Params.missing("message") }
            let call = request.call
            let opening = daemon.operations.opening(message)
            turn.after { daemon.open(opening, call) }
        },
    ]
}

extension Outgoing {
    /// Sent by one of these; `nil` for everybody.
    fileprivate func isOf(_ allowed: [ID]?) -> Bool {
        allowed.map { allowed in ID(sender).map { allowed.contains($0.bare) } ?? false } ?? true
    }
}

/// A call of `message.wait`.
struct Waiter {
    let number: UInt64
    let call: Call
    let id: String
    let until: DeliveryState
    let timer: any DispatchSourceTimer

    func isMet(by row: Outgoing) -> Bool {
        row.state.isEnd || row.state == until || (until == .published && row.published != nil)
    }
}

extension Daemon {
    // MARK: - Sending

    fileprivate func send(_ request: Request, _ turn: inout Turn) throws {
        let params = request.params
        let identity = try sender(request)
        let receiver = try operations.id(try params.needText("to"))
        let (type, members) = try FileOperations.content(text: try params.text("text"), content: params.json("content"))
        let ref = try params.text("ref")
        if let ref, !(1...64).contains(ref.utf8.count) { throw Params.wrong("ref", "1 to 64 bytes") }
        let expiry = try params.seconds("expiry")
        let call = request.call
        let token = expect(&turn) { [weak self] answer in
            switch answer {
            case .accepted(let id, let sn, let state, let isRepeat):
                var result: JSONObject = ["id": .string(id), "sn": .integer(sn), "state": .string(state)]
                if isRepeat { result["repeat"] = true }
                let isOver = DeliveryState(rawValue: state)?.isEnd ?? true
                if !isOver { self?.senders[call.connection, default: []].insert(id.hashValue) }
                call.answer(.object(result))
            case .refused(let refusal): call.fail(RPCError(refusal))
            }
        }
        try turn.handle(
            .submitted(
                Submission(
                    token: token, sender: identity.id, receiver: receiver, type: type, members: members, ref: ref,
                    expiry: expiry)))
    }

    /// A token for an answer of the messenger's. It is only good if the turn is: one that failed is tried again.
    fileprivate func expect(_ turn: inout Turn, _ action: @escaping @MainActor (Answer) -> Void) -> UInt64 {
        let token = newToken()
        turn.after { self.answers[token] = action }
        return token
    }

    /// An outgoing row changed: tell who waits for it, who sent it, and who watches.
    func tell(_ row: Outgoing) {
        var listeners = Set(watchers.filter { $0.value.takes(.message) }.keys)
        let hash = row.id.hashValue
        for (connection, sent) in senders where sent.contains(hash) { listeners.insert(connection) }
        for waiter in waiters where waiter.id == row.id {
            listeners.insert(waiter.call.connection)
            if waiter.isMet(by: row) { finish(waiter, row) }
        }
        if row.state.isEnd {
            for connection in listeners { senders[connection]?.remove(hash) }
        }
        guard !listeners.isEmpty else { return }
        var params: JSONObject = ["id": .string(row.id), "state": .string(row.state.rawValue)]
        if let reason = row.reason { params["reason"] = .string(reason) }
        for connection in listeners {
            _ = server?.notify(connection, method: "message.state", params: .object(params))
        }
    }

    // MARK: - Looking

    func shown(_ row: Outgoing) -> JSONObject {
        Rows.outgoing(row, name: ID(row.receiver).flatMap { operations.name(of: $0) })
    }

    fileprivate func row(_ request: Request) throws -> Outgoing {
        let id = try request.params.needText("id")
        guard let row = try store.outgoing(id: id) else {
            throw Refusal(.noInput, "unknown-message", "there is no message \(id)")
        }
        return row
    }

    /// One that the caller may know of.
    fileprivate func readable(_ request: Request) throws -> Outgoing {
        let row = try row(request)
        guard row.isOf(identities(request, as: .reader)) else {
            throw Refusal(.notPermitted, "not-yours", "the message \(row.id) is of another identity")
        }
        return row
    }

    // MARK: - Waiting

    fileprivate func wait(_ request: Request, _ turn: inout Turn) throws {
        let row = try readable(request)
        let until: DeliveryState =
            switch try request.params.text("until") ?? "delivered" {
            case "published": .published
            case "delivered": .delivered
            default: throw Params.wrong("until", "published or delivered")
            }
        let timeout = min(try request.params.seconds("timeout") ?? 60, 14 * 86_400)
        let number = newToken()
        let call = request.call
        // Later turns tell of later changes, and this one's are told after this.
        turn.after {
            let timer = DispatchSource.makeTimerSource(queue: .main)
            let waiter = Waiter(number: number, call: call, id: row.id, until: until, timer: timer)
            timer.schedule(deadline: .now() + timeout)
            timer.setEventHandler { [weak self] in MainActor.assumeIsolated { self?.expire(waiter) } }
            timer.activate()
            self.waiters.append(waiter)
            if waiter.isMet(by: row) { self.finish(waiter, row) }
        }
    }

    private func finish(_ waiter: Waiter, _ row: Outgoing) {
        end(waiter)
        waiter.call.answer(.object(shown(row)))
    }

    func finish(_ waiter: Waiter, _ error: RPCError) {
        end(waiter)
        waiter.call.fail(error)
    }

    private func end(_ waiter: Waiter) {
        waiter.timer.cancel()
        waiters.removeAll { $0.number == waiter.number }
    }

    private func expire(_ waiter: Waiter) {
        guard waiters.contains(where: { $0.number == waiter.number }) else { return waiter.timer.cancel() }
        finish(
            waiter,
            RPCError(
                exit: .notNow, reason: "timed-out", message: "the message is not \(waiter.until.rawValue) yet",
                hint: "it is still accepted; do not send it again"))
    }

    // MARK: - Packing

    /// Signed by the pool: nothing is stored.
    fileprivate func pack(_ request: Request, _ turn: inout Turn) throws {
        let params = request.params
        let identity = try sender(request)
        let receiver = try operations.id(try params.needText("to"))
        let (type, members) = try FileOperations.content(text: try params.text("text"), content: params.json("content"))
        let draft = operations.draft(
            from: identity, to: receiver, type: type, members: members, sn: Int64.random(in: 1...0x7FFF_FFFF),
            attach: try params.flag("attach"))
        let call = request.call
        turn.after {
            self.pool.run(
                lane: "operations \(call.connection)", { Result { () throws(Refusal) in try draft.packed() } }
            ) {
                switch $0 {
                case .success(let message): call.answer(["message": message])
                case .failure(let refusal): call.fail(RPCError(refusal))
                }
            }
        }
    }

    fileprivate func open(_ opening: FileOperations.Opening, _ call: Call) {
        switch opening {
        case .refused(let answer): call.answer(answer)
        case .request(let request):
            pool.run(lane: "operations \(call.connection)", { request.opened() }) { call.answer($0) }
        }
    }
}
