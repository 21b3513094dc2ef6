import Agent
import DIMP
import Format
import Records
import TestSupport

/// Two boards and a program on each, which write to each other through pipes of one name, one pipe after the other, while the
/// post loses, the power is cut, disks fail and programs are away. All of it by one seed.
final class PipeWorld {
    /// What one program wrote into and read out of one pipe.
    struct Round {
        var chunks: [[UInt8]]
        var read: [UInt8] = []
        var error: String?
        var isWell = false

        var written: [UInt8] { chunks.flatMap { $0 } }
        var isOver: Bool { isWell || error != nil }
    }

    /// A program as the tool is one: it remembers what it wrote until that is on disk, and what it has read.
    private struct Program {
        var rounds: [Round]
        /// Which of them is its present one.
        var round = 0
        var pipe: String?
        var isThere = false
        /// It has to say that it is away, or the board that it has begun, until that is written down.
        var owesLeave = false
        var next: Int64 = 0
        var asked: [Int64: UInt64] = [:]
        var readNext: Int64 = 0
        /// The word about this pipe that it was told up to, among all of its board.
        var heard = 0

        var isDone: Bool { round >= rounds.count }
    }

    let isDeadly: Bool
    private let pair: Pair
    private let dice: Dice
    private var programs: [Program] = []
    private(set) var mostPieces = 0
    private(set) var mostRows = 0

    init(seed: UInt64) {
        let dice = Dice(seed: seed &* 0x9E37_79B9_7F4A_7C15)
        self.dice = dice
        isDeadly = dice.once(in: 4)
        pair = Pair(
            [Board([People.moki], seed: dice.next()), Board([People.hulk], seed: dice.next())],
            brokers: dice.once(in: 3) ? ["home", "lan"] : ["home"], seed: dice.next())
        pair.a.befriend(People.hulk)
        pair.b.befriend(People.moki)
        pair.linkAll()
        let count = 1 + dice.below(3)
        programs = [0, 1].map { board in
            Program(
                rounds: (0..<count).map { round in
                    // All of a round's bytes tell whose they are.
                    Round(
                        chunks: (0..<dice.below(isDeadly ? 12 : 60)).map { number in
                            [UInt8(board), UInt8(round), UInt8(number), UInt8(dice.below(256))]
                        })
                })
        }
    }

    func rounds(of board: Int) -> [Round] { programs[board].rounds }

    func run() -> [String] {
        pair.trouble = Pair.Trouble(
            lost: 3 + dice.below(5), doubled: 3 + dice.below(5), held: 4 + dice.below(6),
            delay: dice.once(in: 3) ? 0 : dice.seconds(upTo: 20))
        for step in 0..<(20 + dice.below(60)) {
            act()
            // Nobody is away for so long that it is given up, unless it is to be.
            if !isDeadly, step % 8 == 7 {
                mendDisks()
                for board in 0..<2 { live(board, isEager: true) }
            }
            for board in 0..<2 { live(board, isEager: false) }
            if dice.once(in: 2) { pair.advance(dice.seconds(upTo: 15)) } else { pair.feedSome(dice.below(12)) }
            measure()
        }
        mend()
        var steps = 0
        while steps < 500, !programs.allSatisfy(\.isDone) {
            steps += 1
            for board in 0..<2 { live(board, isEager: true) }
            pair.advance(5)
            measure()
        }
        pair.advance(700)
        return faults
    }

    private func measure() {
        for board in pair.boards {
            mostPieces = max(mostPieces, board.ledger.state.pieces.count)
            mostRows = max(
                mostRows,
                board.ledger.state.outgoing.count { $0.isLiving && $0.priority == .bulk })
        }
    }

    // MARK: - Bad luck

    private func act() {
        let board = dice.below(2)
        switch dice.below(14) {
        case 0: cutPower(of: board)
        case 1: pair.unlink(board, dice.pick(pair.brokers))
        case 2: pair.wipe(dice.pick(pair.brokers))
        case 3, 4: linkAll()
        case 5:
            let ledger = pair.boards[board].ledger
            if dice.once(in: 2) { ledger.isFull = true } else { ledger.failures = (dice, 2 + dice.below(8)) }
        case 6, 7: mendDisks()
        case 8: leave(board)
        case 9 where isDeadly: beDeadly(board)
        default: break
        }
    }

    private func beDeadly(_ board: Int) {
        switch dice.below(3) {
        case 0:
            leave(board)
            pair.advance(150)
        case 1:
            let rows = pair.boards[board].ledger.state.outgoing.filter(\.isLiving)
            guard !rows.isEmpty else { return }
            pair.feed(board, .cancelled(id: dice.pick(rows).id, token: pair.boards[board].newToken()))
        default:
            guard let pipe = programs[board].pipe, programs[board].isThere else { return }
            pair.feed(board, .pipe(.closed(pipe: pipe, error: "cancelled")))
        }
    }

    private func cutPower(of board: Int) {
        pair.restart(board)
        leave(board)
    }

    private func leave(_ board: Int) {
        programs[board].isThere = false
        programs[board].asked = [:]
        programs[board].owesLeave = true
    }

    private func linkAll() {
        for broker in pair.brokers { for board in pair.boards.indices { pair.link(board, broker) } }
    }

    private func mendDisks() {
        for board in pair.boards {
            board.ledger.isFull = false
            board.ledger.failures = nil
        }
    }

    private func mend() {
        pair.trouble = Pair.Trouble()
        mendDisks()
        linkAll()
    }

    // MARK: - Programs

    private func live(_ board: Int, isEager: Bool) {
        hear(board)
        guard !programs[board].isDone else { return }
        if programs[board].owesLeave { sayAway(board) }
        if !programs[board].isThere, isEager || dice.once(in: 2) { open(board) }
        guard programs[board].isThere else { return }
        takeAnswers(board)
        write(board, atMost: isEager ? 8 : Int64(dice.below(6)))
        if isEager || dice.once(in: 3) { read(board, atMost: isEager ? 16 : dice.below(12)) }
    }

    /// As a duty of the daemon's is, until it is on disk.
    private func sayAway(_ board: Int) {
        pair.feed(board, .pipe(.restarted(back: [])))
        let rows = pair.boards[board].ledger.state.pipes
        programs[board].owesLeave = rows.contains { $0.state == .open && $0.due == nil }
    }

    private func key(_ board: Int) -> PipeRecord.PipeKey {
        PipeRecord.PipeKey(owner: pair.boards[board].id.address, peer: pair.boards[1 - board].id.address, name: "pipe")
    }

    private func row(_ board: Int) -> PipeRecord? {
        programs[board].pipe.flatMap { pair.boards[board].ledger.pipe(output: $0) }
    }

    private func open(_ board: Int) {
        guard !programs[board].owesLeave else { return }
        let (own, peer) = (pair.boards[board].id.bare, pair.boards[1 - board].id.bare)
        let resumed = programs[board].pipe
        if let resumed, row(board) == nil {
            guard let last = pair.boards[board].ledger.pipe(key(board))?.last, last.stream == resumed else {
                return end(board, error: "unknown")
            }
            return end(board, error: last.error)
        }
        pair.feed(board, .pipe(.opened(key(board), owner: own, peer: peer, resuming: resumed)))
        guard let row = pair.boards[board].ledger.pipe(key(board)), let pipe = row.output.stream else { return }
        if let resumed, resumed != pipe { return end(board, error: "unknown") }
        if row.state == .over {
            guard resumed != nil else { return }
            return end(board, error: row.error)
        }
        guard row.due == nil else { return }
        programs[board].isThere = true
        programs[board].pipe = pipe
        programs[board].next = row.written
        if resumed == nil { programs[board].readNext = row.input.taken }
    }

    private func takeAnswers(_ board: Int) {
        for (number, token) in programs[board].asked {
            switch pair.boards[board].answers[token] {
            case .accepted: programs[board].asked[number] = nil
            case .refused:
                programs[board].asked[number] = nil
                programs[board].next = min(programs[board].next, number)
            case nil: break
            }
        }
    }

    private func write(_ board: Int, atMost: Int64) {
        let program = programs[board]
        guard let pipe = program.pipe, let row = row(board) else { return }
        let chunks = program.rounds[program.round].chunks
        var left = atMost
        while left > 0, programs[board].next <= chunks.count,
            programs[board].next < row.output.taken + PipeLimits.window
        {
            left -= 1
            let number = programs[board].next
            programs[board].next += 1
            guard programs[board].asked[number] == nil else { continue }
            let token = pair.boards[board].newToken()
            programs[board].asked[number] = token
            let data = number < chunks.count ? Base64.encode(chunks[Int(number)]) : nil
            pair.feed(board, .pipe(.write(PipeWrite(token: token, pipe: pipe, number: number, data: data))))
        }
    }

    private func read(_ board: Int, atMost: Int) {
        guard let pipe = programs[board].pipe else { return }
        for _ in 0..<atMost {
            guard let row = row(board), row.state == .open else { return }
            let number = programs[board].readNext
            if number == row.input.end {
                programs[board].readNext += 1
            } else if let piece = pair.boards[board].ledger.piece(number, of: row.key) {
                programs[board].rounds[programs[board].round].read += piece.data
                programs[board].readNext += 1
            }
        }
        // Also what it said before and what was not written down.
        if programs[board].readNext > row(board)?.input.taken ?? .max {
            pair.feed(board, .pipe(.taken(pipe: pipe, upTo: programs[board].readNext - 1)))
        }
    }

    /// What its board told.
    private func hear(_ board: Int) {
        let orders = pair.boards[board].pipeOrders
        for order in orders[programs[board].heard...] {
            guard case .over(let pipe, let error) = order, pipe == programs[board].pipe, programs[board].isThere else {
                continue
            }
            end(board, error: error)
        }
        programs[board].heard = orders.count
    }

    private func end(_ board: Int, error: String?) {
        let round = programs[board].round
        programs[board].rounds[round].error = error
        programs[board].rounds[round].isWell = error == nil
        programs[board].round += 1
        programs[board].pipe = nil
        programs[board].isThere = false
        programs[board].asked = [:]
        (programs[board].next, programs[board].readNext) = (0, 0)
    }

    // MARK: - The judgement

    private var faults: [String] {
        var faults: [String] = []
        for board in 0..<2 {
            for (number, round) in programs[board].rounds.enumerated() {
                let what = "round \(number) of \(board)"
                let others = programs[1 - board].rounds
                if round.isWell, !others.contains(where: { $0.written == round.read }) {
                    faults.append("\(what) ended well and read \(round.read.count) bytes")
                }
                if round.isWell, !others.contains(where: { $0.read == round.written }) {
                    faults.append("\(what) ended well, and nobody read its \(round.written.count) bytes")
                }
                if !others.contains(where: { $0.written.starts(with: round.read) }) {
                    faults.append("\(what) read what nobody wrote so")
                }
                guard !isDeadly else { continue }
                if !round.isOver { faults.append("\(what) does not end") }
                if round.error != nil { faults.append("\(what) ended with \(round.error ?? "")") }
                if others[number].written != round.read { faults.append("\(what) read something else") }
            }
            // After an error one of them may wait for a pipe that the other does not begin any more.
            guard !isDeadly else { continue }
            let ledger = pair.boards[board].ledger
            if !ledger.state.pieces.isEmpty { faults.append("pieces are left") }
            if ledger.state.pipes.contains(where: { $0.state == .open }) { faults.append("a pipe is left open") }
            let living = ledger.state.outgoing.count { $0.isLiving && $0.priority == .bulk }
            if living > 0 { faults.append("\(living) pieces are still sent") }
        }
        if mostPieces > PipeLimits.window { faults.append("\(mostPieces) pieces waited") }
        // Of what was taken some may not be receipted yet.
        if mostRows > 2 * PipeLimits.window { faults.append("\(mostRows) pieces were in the outbox") }
        return faults
    }
}

extension Dice {
    fileprivate func pick<T>(_ all: [T]) -> T { all[below(all.count)] }
}
