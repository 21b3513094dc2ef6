import Agent
import Control
import Format
import Records
import Store

/// The connections that have pipes open. Each is told what came, how far the peer's program has taken what it wrote, and the
/// end; all of it is read from the store, so that a program that was away is told the same as one that was there.
@MainActor final class PipePrograms {
    private struct PipeProgram {
        var connection: ConnectionID
        /// The next piece to hand over, and how far the peer's program had come when this one was told last.
        var next: Int64
        var room: Int64
        /// It is over, and this is what is to be told.
        var isOver = false
        var error: String?
    }

    private let loop: Loop
    private let notify: Notify
    /// By the stream that the program writes.
    private var programs: [String: PipeProgram] = [:]
    /// Pipes with something to tell.
    private var news: Set<String> = []

    init(loop: Loop, notify: @escaping Notify) {
        self.loop = loop
        self.notify = notify
    }

    /// The last that opens it has it.
    func attach(_ row: PipeRecord, to connection: ConnectionID) {
        guard let pipe = row.output.stream else { return }
        programs[pipe] = PipeProgram(connection: connection, next: row.input.taken, room: row.output.taken)
        if row.state == .over { over(pipe, error: row.error) }
        news.insert(pipe)
    }

    /// One that ended while its program was away.
    func attach(_ last: PipeRecord.Last, to connection: ConnectionID) {
        programs[last.stream] = PipeProgram(connection: connection, next: 0, room: 0)
        over(last.stream, error: last.error)
    }

    func changed(_ pipe: String) { news.insert(pipe) }

    func over(_ pipe: String, error: String?) {
        programs[pipe]?.isOver = true
        programs[pipe]?.error = error
        news.insert(pipe)
    }

    func connection(of pipe: String) -> ConnectionID? { programs[pipe]?.connection }

    /// The number after the last that was handed over; the end counts.
    func handedOver(_ pipe: String) -> Int64 { programs[pipe]?.next ?? 0 }

    func disconnected(_ connection: ConnectionID) {
        for (pipe, program) in programs where program.connection == connection {
            programs[pipe] = nil
            if !program.isOver { leave(pipe) }
        }
    }

    /// Tried until it is on disk. Who is back meanwhile is not away.
    private func leave(_ pipe: String) {
        loop.add(
            .duty { [weak self] turn in
                guard self?.programs[pipe] == nil else { return }
                try turn.handle(.pipe(.left(pipe: pipe)))
            })
    }

    /// Programs of the last run of the daemon are away.
    func restart() {
        loop.add(
            .duty { [weak self] turn in
                try turn.handle(.pipe(.restarted(back: Set((self?.programs ?? [:]).keys))))
            })
    }

    /// To be called between turns only: what was not told yet is, as far as sockets take it.
    func pump() throws(LedgerError) {
        for pipe in news.sorted() {
            if try tell(pipe) { news.remove(pipe) }
        }
    }

    /// Says whether all was told.
    private func tell(_ pipe: String) throws(LedgerError) -> Bool {
        guard var program = programs[pipe] else { return true }
        if program.isOver {
            var params: JSONObject = ["pipe": .string(pipe)]
            params["error"] = program.error.map { .string($0) }
            guard notify(program.connection, "pipe.closed", .object(params)) else { return false }
            programs[pipe] = nil
            return true
        }
        guard let row = try loop.store.pipe(output: pipe) else { return true }
        defer { programs[pipe] = program }
        if row.output.taken > program.room {
            guard tell("pipe.taken", pipe, number: row.output.taken, to: program) else { return false }
            program.room = row.output.taken
        }
        while program.next <= row.input.end ?? .max {
            if program.next == row.input.end {
                guard tell("pipe.end", pipe, number: program.next, to: program) else { return false }
            } else {
                guard let piece = try loop.store.piece(program.next, of: row.key) else { return true }
                guard tell("pipe.data", pipe, number: piece.number, data: piece.data, to: program) else {
                    return false
                }
            }
            program.next += 1
        }
        return true
    }

    private func tell(
        _ method: String, _ pipe: String, number: Int64, data: [UInt8]? = nil, to program: PipeProgram
    ) -> Bool {
        var params: JSONObject = ["pipe": .string(pipe), "n": .integer(number)]
        params["data"] = data.map { .string(Base64.encode($0)) }
        return notify(program.connection, method, .object(params))
    }
}
