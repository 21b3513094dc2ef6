import Agent
import DIMP
import Testing

@Suite("What is over its age goes")
struct TidyTests {
    @Test("once an hour, and by no wall clock while it is unset")
    func hourly() throws {
        let board = Board([People.moki])
        let start = Moment(wall: 1_800_000_000, lived: 100)
        _ = board.handle(.ticked, at: start)
        _ = board.handle(.ticked, at: Moment(wall: 1_800_000_010, lived: 110))
        #expect(board.ledger.state.prunes == [[1_800_000_000, 100]])
        #expect(board.nextTick(start) <= 3700)
        _ = board.handle(.ticked, at: Moment(wall: 50, isClockSet: false, lived: 3701))
        #expect(board.ledger.state.prunes == [[1_800_000_000, 100], [0, 3701]])
    }

    @Test("what does not go at once goes soon after, and then the hour begins")
    func inPortions() throws {
        let board = Board([People.moki])
        board.ledger.morePrunes = 3
        var now = Moment(wall: 1_800_000_000, lived: 100)
        for count in 1...3 {
            _ = board.handle(.ticked, at: now)
            #expect(board.ledger.state.prunes.count == count)
            now.lived = board.nextTick(now)
        }
        #expect(now.lived > 3600)
    }

    @Test("the hour comes however often something else happens in between")
    func busy() throws {
        let board = Board([People.moki])
        _ = board.handle(.ticked, at: Moment(wall: 1_800_000_000, lived: 0))
        let later = Moment(wall: 1_800_003_000, lived: 3000)
        _ = board.handle(.acknowledged(1, .taken), at: later)
        #expect(board.nextTick(later) == 3600)
    }

    @Test("reused keys are destroyed on both sides when they have lived for a day, whether or not anything is sent")
    func reusedKeys() {
        let pair = Pair.friends()
        pair.send("one")
        pair.settle()
        #expect(pair.a.book.state.sending.count == 1)
        #expect(pair.b.book.state.received.count == 1)
        pair.advance(ProtocolLimits.reusedKeyLife - 60)
        #expect(pair.b.book.state.received.count == 1)
        pair.advance(120)
        for board in pair.boards {
            #expect(board.book.state.sending.isEmpty)
            #expect(board.book.state.received.isEmpty)
        }
    }
}
