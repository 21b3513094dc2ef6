import Agent
import Control
import DIMP
import Format
import Operations
import Records

/// `call.*`: programs of this board call others, and serve the calls of others.
@MainActor struct CallMethods {
    let loop: Loop
    let rights: CallerRights
    let answers: PendingAnswers
    let waiters: CallWaiters
    let programs: CallPrograms
    let running: RunningConfiguration

    /// Seconds: what is further ahead no board takes.
    private static let longest = 86_400.0

    /// Under a name of the caller's the same is asked once, and who asks again is told the answers that are there.
    func send(_ request: CheckedCall, in turn: inout Turn) throws {
        let params = request.params
        let sender = try rights.sender(of: request).id.bare
        let receiver = try loop.names.id(try params.needText("to")).bare
        let command = try label("command", try params.needText("command"))
        let call = try params.text("call").map { try label("call", $0) } ?? Self.newName()
        let wish = try wish(params)
        let timeout = try params.seconds("timeout") ?? 30
        guard timeout >= 1, timeout <= Self.longest else {
            throw Params.wrong("timeout", isNot: "1 second to a day")
        }
        let text = JSON.object(["command": .string(command), "wish": .object(wish)]).text
        var calling = Calling(call: call, sender: sender, receiver: receiver, request: text, deadline: 0)
        if let known = try loop.store.calling(call) {
            calling.deadline = known.deadline
            guard known == calling else {
                throw Refusal(.exists, "call-reused", "the name \(call) was used for another call")
            }
        } else {
            guard turn.now.isClockSet else {
                throw Refusal(.notNow, "clock-unset", "a call needs a deadline, and the clock of this board is not set")
            }
            calling.deadline = (turn.now.wall + timeout).rounded(.up)
            try loop.store.apply(.calling(calling))
        }
        let boards = try called(calling, in: turn)
        let collected = Collected(boards)
        for board in boards {
            try submit(calling, command, wish, to: board, in: &turn) { answer in
                collected.take(answer, of: board)
                if collected.isWhole { told(collected, of: calling, for: request.call.withoutParams) }
            }
        }
    }

    /// The board, or the other members of the group.
    private func called(_ calling: Calling, in turn: Turn) throws -> [ID] {
        guard calling.receiver.hasMembers else { return [calling.receiver] }
        guard let group = loop.book.group(calling.receiver.address), group.membership.contains(calling.sender) else {
            throw Refusal(.unknownName, "unknown-group", "\(calling.sender) is in no group \(calling.receiver)")
        }
        let members = group.membership.members.filter { loop.book.identity($0.address) == nil }
        guard !members.isEmpty else { throw Refusal(.unknownName, "no-members", "nobody else is in this group") }
        guard members.count <= Self.mostBoards else {
            throw Refusal(.badData, "too-many-members", "a call goes to \(Self.mostBoards) boards at the most")
        }
        return members
    }

    private static let mostBoards = 64

    /// What became of one call's messages.
    @MainActor private final class Collected {
        private var answers: [Address: Answer] = [:]
        let boards: [ID]

        init(_ boards: [ID]) {
            self.boards = boards
        }

        var isWhole: Bool { answers.count == boards.count }

        func take(_ answer: Answer, of board: ID) { answers[board.address] = answer }

        func answer(of board: ID) -> Answer? { answers[board.address] }
    }

    /// A board that cannot be written to is one fewer to wait for; where that is every one, the call is refused.
    private func told(_ collected: Collected, of calling: Calling, for call: Call) {
        var result: JSONObject = ["call": .string(calling.call), "deadline": .number(calling.deadline)]
        var (members, count) = (JSONObject(), 0)
        for board in collected.boards {
            switch collected.answer(of: board) {
            case .accepted(let id, let sn, let state, let isRepeat)?:
                count += 1
                if isRepeat { result["repeat"] = true }
                guard calling.receiver.hasMembers else {
                    result["id"] = .string(id)
                    result["sn"] = .integer(sn)
                    result["state"] = .string(state)
                    continue
                }
                members[board.text] = .string(id)
            case .refused(let refusal)?:
                guard calling.receiver.hasMembers else { return call.fail(RPCError(refusal)) }
                members[board.text] = .null
                if board == collected.boards.last, count == 0 { return call.fail(RPCError(refusal)) }
            case nil: return
            }
        }
        if calling.receiver.hasMembers { result["members"] = .object(members) }
        call.answer(.object(result))
        waiters.wait(for: calling.call, of: count, on: call.connection)
        loop.wake()
    }

    private func submit(
        _ calling: Calling, _ command: String, _ wish: JSONObject, to board: ID, in turn: inout Turn,
        then action: @escaping @MainActor (Answer) -> Void
    ) throws {
        var members: JSONObject = [
            "app": "culver", "mod": "call", "act": .string(command), "call": .string(calling.call),
            "deadline": .number(calling.deadline),
        ]
        for (name, value) in wish.members { members[name] = value }
        // A name in the outbox too: what was cut off before it was sealed is sent, and nothing twice.
        try turn.handle(
            .submitted(
                Submission(
                    token: answers.expect(in: &turn, action), sender: calling.sender, receiver: board,
                    type: .customized,
                    members: members, ref: "call \(calling.call)",
                    expiry: max(1, calling.deadline - turn.now.wall), priority: .urgent)))
    }

    private func wish(_ params: Params) throws -> JSONObject {
        var wish: JSONObject = [:]
        let list = try params.json("args").map { json in
            guard let list = json.array, list.count <= 64, list.allSatisfy({ $0.string != nil }) else {
                throw Params.wrong("args", isNot: "a list of at most 64 texts")
            }
            return list
        }
        wish["args"] = .array(list ?? [])
        if let input = try params.text("input") {
            guard input.utf8.count <= 64 << 10 else { throw Params.wrong("input", isNot: "at most 65536 bytes") }
            wish["input"] = .string(input)
        }
        return wish
    }

    private static func newName() -> String {
        Hex.encode((0..<8).map { _ in UInt8.random(in: .min ... .max) })
    }

    private func label(_ name: String, _ text: String) throws -> String {
        guard (1...64).contains(text.utf8.count), text.utf8.allSatisfy(Values.isLabelByte) else {
            throw Params.wrong(name, isNot: "1 to 64 letters, digits, points, dashes and underscores")
        }
        return text
    }

    // MARK: - Serving

    /// A section `[call NAME]` says who may call; without one the program does.
    func serve(_ request: CheckedCall, in turn: inout Turn) throws -> JSON {
        let command = try label("command", try request.params.needText("command"))
        let section = running.configuration.policy.calls.first { $0.command == command }
        guard section?.program == nil, !programs.isServed(command) else {
            throw Refusal(.exists, "served", "\(command) is served already")
        }
        // Only what the program says: the section is asked anew for each call.
        var rule = CallRule(command: command, allowed: [])
        if let allow = request.params.json("allow") {
            guard section == nil, let words = allow.array, !words.isEmpty else {
                throw Params.wrong("allow", isNot: "a list of names, or a section of the configuration says it")
            }
            rule.allowed = try words.map { word in
                guard let text = word.string else { throw Params.wrong("allow", isNot: "a list of names and IDs") }
                return text == "verified" ? .verified : .id(try loop.names.id(text))
            }
        }
        guard section != nil || !rule.allowed.isEmpty else { throw Params.missing("allow") }
        if let args = request.params.json("args") { rule.arguments = try CallSettings.rules(args) }
        if let timeout = try request.params.seconds("timeout") { rule.timeout = min(max(1, timeout), Self.longest) }
        let connection = request.call.connection
        turn.after { [rule] in programs.serve(rule, on: connection) }
        return ["command": .string(command)]
    }

    func reply(_ request: CheckedCall, in turn: inout Turn) throws -> JSON {
        let params = request.params
        let name = try params.needText("call")
        let connection = request.call.connection
        guard let key = programs.call(name, of: try params.text("sender"), handedTo: connection) else {
            throw Refusal(.noInput, "unknown-call", "no call \(name) waits for an answer of this connection")
        }
        let status = try params.integer("status", in: 0...255) ?? 0
        let result = CallResult(
            status: status, output: try params.text("output") ?? "",
            error: try params.text("error").map { try label("error", $0) },
            isFinal: try params.json("final").map { _ in try params.flag("final") } ?? true)
        turn.after { programs.reply(result, to: key) }
        return ["call": .string(name)]
    }

    /// The kill switch. It holds through restarts.
    func turnSwitch(_ request: CheckedCall, in turn: inout Turn) throws -> JSON {
        let isOn = try request.params.json("on").map { _ in try request.params.flag("on") }
        guard let isOn else { throw Params.missing("on") }
        try turn.handle(.call(.switched(on: isOn)))
        return ["on": .bool(isOn)]
    }
}
