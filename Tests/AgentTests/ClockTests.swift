import Agent
import DIMP
import Records
import Testing

@Suite("Clocks that lie")
struct ClockTests {
    private static let year = 365.0 * 86_400

    @Test("a board that begins in 1970 sends and receives, and what waits stays when its clock is set")
    func unset() throws {
        let pair = Pair.friends()
        pair.a.isClockSet = false
        pair.a.clockError = -pair.now.wall
        let early = pair.send("from 1970")
        pair.send("to 1970", from: 1)
        pair.settle()
        #expect(pair.row(early)?.state == .delivered)
        #expect(pair.b.texts == ["from 1970"])
        #expect(pair.a.texts == ["to 1970"])
        #expect(pair.a.inbox.first?.received == 0)

        pair.unlink(1)
        let waiting = pair.send("waits")
        pair.advance(30)
        pair.a.isClockSet = true
        pair.a.clockError = 0
        pair.advance(30)
        pair.link(1)
        pair.advance(700)
        #expect(pair.row(waiting)?.state == .delivered)
        #expect(pair.b.texts == ["from 1970", "waits"])
    }

    @Test("what was forgotten is not taken again, whatever the clock says", arguments: [true, false])
    func forgotten(isClockSet: Bool) throws {
        let pair = Pair.friends()
        pair.b.isClockSet = isClockSet
        pair.b.clockError = isClockSet ? -40 * 86_400 : -pair.now.wall
        let until = Pair.start - 41 * 86_400
        pair.b.ledger.state.values[.forgottenUntil] = String(until)
        for (sn, time) in [(1, until - 86_400), (2, until), (3, until + 1)] as [(Int64, Double)] {
            let content = Content(type: .text, sn: sn, time: time, ["text": .string("\(sn)")])
            pair.lay(try People.moki.sealedMessage(content, to: People.hulk))
        }
        #expect(pair.b.texts == ["3"])
        #expect(pair.b.rejections.map(\.stage) == [.time, .time])
    }

    @Test("without a clock nothing goes by its age")
    func noPruning() throws {
        let pair = Pair.friends()
        pair.b.isClockSet = false
        pair.b.clockError = -pair.now.wall
        let content = Content(type: .text, sn: 1, time: Pair.start - Self.year, ["text": "old"])
        pair.lay(try People.moki.sealedMessage(content, to: People.hulk))
        #expect(pair.b.texts == ["old"])
        pair.advance(4000)
        #expect(pair.b.ledger.state.prunes.count == 1)
        #expect(pair.b.ledger.state.prunes.allSatisfy { $0[0] == 0 })
    }

    @Test(
        "repeats and expiry count elapsed time, whatever the sender's clock says",
        arguments: [0, 3600, -3600, year, -year / 2, 10 * year])
    func elapsed(jump: Double) throws {
        let pair = Pair.friends()
        pair.unlink(1)
        pair.outcome = .taken
        let token = pair.send("patience", expiry: 1000)
        pair.advance(15)
        pair.a.clockError = jump
        pair.advance(900)
        // At 0, 10, 30, 70, 150, 310 and 630 s.
        #expect(pair.messages(from: 0, to: People.hulk.id.address).count == 7)
        #expect(pair.row(token)?.state == .published)
        pair.a.clockError = 0
        pair.advance(86)
        #expect(pair.row(token)?.state == .expired)
    }

    @Test(
        "messages under way come once, whichever clock jumps, and when it is right again at the latest",
        arguments: [0, 1], [3600, -3600, year, -year / 2, 10 * year])
    func jumps(board: Int, jump: Double) throws {
        let pair = Pair.friends()
        pair.unlink(1)
        let tokens = (0..<3).map { pair.send("number \($0)") }
        pair.advance(20)
        pair.boards[board].clockError = jump
        pair.link(1)
        pair.advance(2 * 3600)
        pair.boards[board].clockError = 0
        pair.advance(1000)
        #expect(tokens.allSatisfy { pair.row($0)?.state == .delivered })
        #expect(pair.b.texts.sorted() == ["number 0", "number 1", "number 2"])
    }

    @Test("what is young stays young when the clock jumps ahead by years")
    func ahead() throws {
        let board = Board([People.moki])
        let start = Moment(wall: 1_800_000_000, lived: 100)
        _ = board.handle(.ticked, at: start)
        board.restart()
        _ = board.handle(.ticked, at: Moment(wall: start.wall + Self.year, lived: 3700))
        _ = board.handle(.ticked, at: Moment(wall: start.wall + Self.year, lived: 7300))
        _ = board.handle(.ticked, at: Moment(wall: start.wall - Self.year, lived: 10_900))
        let walls = board.ledger.state.prunes.map { $0[0] - start.wall }
        #expect(walls == [0, 7200, 14_400, -Self.year])
    }
}
