import Agent
import Control
import DIMP
import Format
import Operations
import Records

/// `pipe.*`: an ordered stream of bytes in each direction between programs of two boards.
@MainActor struct PipeMethods {
    let loop: Loop
    let rights: CallerRights
    let answers: PendingAnswers
    let programs: PipePrograms

    /// Begins a pipe, joins one that the peer has begun, or goes on with one that a program left open.
    func open(_ request: CheckedCall, in turn: inout Turn) throws -> JSON {
        let params = request.params
        let owner = try rights.sender(of: request).id.bare
        let peer = try peer(named: try params.needText("to"), of: owner)
        let name = try params.text("name") ?? "pipe"
        guard (1...64).contains(name.utf8.count), name.utf8.allSatisfy(Values.isLabelByte) else {
            throw Params.wrong("name", isNot: "1 to 64 letters, digits, points, dashes and underscores")
        }
        let key = PipeRecord.PipeKey(owner: owner.address, peer: peer.address, name: name)
        let resumed = try params.text("pipe")
        let connection = request.call.connection
        let known = try loop.store.pipe(key)
        if let pipe = known?.output.stream, let holder = programs.connection(of: pipe), holder != connection {
            throw Refusal(.exists, "pipe-in-use", "another program has the pipe \(name) to \(peer) open")
        }
        if let resumed, let known, let last = known.last, last.stream == resumed {
            turn.after { programs.attach(last, to: connection) }
            return .object(Self.opened(known, as: resumed))
        }
        if let resumed {
            guard known?.output.stream == resumed else { throw Self.unknown(resumed) }
        } else if known == nil || known?.state == .over {
            let count = try loop.store.openPipes(owner: key.owner, peer: key.peer)
            guard count.ofPeer < PipeLimits.ofPeer, count.all < PipeLimits.all else {
                throw Refusal(.notNow, "too-many-pipes", "too many pipes are open")
            }
        }
        if loop.book.identity(peer.address) == nil, loop.book.contact(peer.address)?.isTrusted != true {
            try turn.handle(.befriended(peer))
        }
        try turn.handle(.pipe(.opened(key, owner: owner, peer: peer, resuming: resumed)))
        guard let row = try loop.store.pipe(key), let pipe = row.output.stream else { throw Self.unknown(name) }
        turn.after { programs.attach(row, to: connection) }
        var result = Self.opened(row, as: pipe)
        result["next"] = .integer(row.written)
        result["taken"] = .integer(row.output.taken)
        result["window"] = .integer(PipeLimits.window)
        result["size"] = .integer(Int64(turn.messenger.pieceSize(to: peer, at: turn.now)))
        if row.output.end != nil { result["closed"] = true }
        return .object(result)
    }

    private static func opened(_ row: PipeRecord, as pipe: String) -> JSONObject {
        ["pipe": .string(pipe), "did": .string(row.peer.text), "name": .string(row.key.name)]
    }

    private func peer(named text: String, of owner: ID) throws -> ID {
        let peer = try loop.names.id(text).bare
        guard !peer.hasMembers, !peer.isBroadcast else {
            throw Refusal(.badData, "no-pipe", "\(peer) is not one: a pipe has two ends")
        }
        guard peer.address != owner.address else {
            throw Refusal(.badData, "own-identity", "\(peer) is this identity itself")
        }
        guard loop.book.contact(peer.address)?.isBlocked != true else {
            throw Refusal(.notPermitted, "blocked", "\(peer) is blocked")
        }
        guard loop.messenger.mayTakePipes(peer) else {
            throw Refusal(.badData, "no-culver-agent", "\(peer) is no culver agent, and knows no pipes")
        }
        return peer
    }

    func write(_ request: CheckedCall, in turn: inout Turn) throws {
        let params = request.params
        let row = try row(of: request)
        let text = try params.needText("data")
        guard let data = Base64.decode(text), !data.isEmpty else {
            throw Params.wrong("data", isNot: "Base64 of at least one byte")
        }
        let size = turn.messenger.pieceSize(to: row.peer, at: turn.now)
        guard data.count <= size else {
            throw Refusal(.badData, "too-large", "a piece has at most \(size) bytes")
        }
        try write(Base64.encode(data), as: try number(in: params), request, of: row, in: &turn)
    }

    /// The end of what this program writes or, with an error, of both directions.
    func close(_ request: CheckedCall, in turn: inout Turn) throws {
        let row = try row(of: request)
        guard let error = try request.params.text("error") else {
            return try write(nil, as: try number(in: request.params), request, of: row, in: &turn)
        }
        guard (1...64).contains(error.utf8.count), error.utf8.allSatisfy(Values.isLabelByte) else {
            throw Params.wrong("error", isNot: "1 to 64 letters, digits, points, dashes and underscores")
        }
        let pipe = row.output.stream ?? ""
        try turn.handle(.pipe(.closed(pipe: pipe, error: error)))
        let call = request.call.withoutParams
        turn.after { call.answer(["pipe": .string(pipe)]) }
    }

    private func write(
        _ data: String?, as number: Int64, _ request: CheckedCall, of row: PipeRecord, in turn: inout Turn
    ) throws {
        let call = request.call.withoutParams
        let pipe = row.output.stream ?? ""
        let token = answers.expect(in: &turn) {
            switch $0 {
            case .accepted(_, _, _, let isRepeat):
                var result: JSONObject = ["pipe": .string(pipe), "n": .integer(number)]
                if isRepeat { result["repeat"] = true }
                call.answer(.object(result))
            case .refused(let refusal): call.fail(RPCError(refusal))
            }
        }
        try turn.handle(.pipe(.write(PipeWrite(token: token, pipe: pipe, number: number, data: data))))
    }

    func acknowledge(_ request: CheckedCall, in turn: inout Turn) throws -> JSON {
        let row = try row(of: request)
        let number = try number(in: request.params)
        let pipe = row.output.stream ?? ""
        guard number < programs.handedOver(pipe) else {
            throw Params.wrong("n", isNot: "the number of something that was handed over")
        }
        try turn.handle(.pipe(.taken(pipe: pipe, upTo: number)))
        return ["pipe": .string(pipe), "n": .integer(number)]
    }

    private func number(in params: Params) throws -> Int64 {
        guard let number = try params.integer("n", in: 0...PipeLimits.greatest) else { throw Params.missing("n") }
        return number
    }

    /// One that this connection has open.
    private func row(of request: CheckedCall) throws -> PipeRecord {
        let pipe = try request.params.needText("pipe")
        guard programs.connection(of: pipe) == request.call.connection, let row = try loop.store.pipe(output: pipe)
        else { throw Self.unknown(pipe) }
        return row
    }

    private static func unknown(_ pipe: String) -> Refusal {
        Refusal(.noInput, "unknown-pipe", "no pipe \(pipe) is open on this connection")
    }
}
