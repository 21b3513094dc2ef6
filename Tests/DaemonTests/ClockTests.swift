import Agent
import Store
import TestSupport
import Testing

@testable import culverd

/// The board's clocks over restarts (design section 5.5), with the real store between them.
@Suite struct ClockTests {
    /// A machine whose clocks a test sets.
    private final class Board {
        let place: TemporaryDirectory
        var wall = 1_800_000_000.0
        var boottime = 100.0
        var boot = "first"

        init() throws { place = try TemporaryDirectory() }

        /// A run of the daemon: its time when it begins, and when it ended `seconds` later.
        func run(_ seconds: Double) throws -> (begun: Moment, ended: Moment) {
            let store = try MessageStore(path: place.file("messages.sqlite"))
            let machine = culverd.Clock.Machine(wall: { self.wall }, boottime: { self.boottime }, boot: boot)
            let clock = try culverd.Clock(store, machine)
            let begun = clock.now
            boottime += seconds
            wall += seconds
            let ended = clock.now
            try clock.save(ended, in: store)
            try store.commit()
            return (begun, ended)
        }
    }

    @Test("within one boot the time between two runs counts as lived")
    func restart() throws {
        let board = try Board()
        #expect(try board.run(50).ended.lived == 50)
        board.boottime += 30
        board.wall += 30
        #expect(try board.run(0).begun.lived == 80)
    }

    @Test("after a boot the time lived goes on where it ended")
    func boot() throws {
        let board = try Board()
        _ = try board.run(50)
        (board.boot, board.boottime) = ("second", 3)
        let run = try board.run(10)
        #expect(run.begun.lived == 50)
        #expect(run.ended.lived == 60)
    }

    @Test("a clock that jumps either way changes nothing of the time lived")
    func jumps() throws {
        let board = try Board()
        _ = try board.run(50)
        board.wall += 400 * 86_400
        #expect(try board.run(10).ended.lived == 60)
        board.wall -= 300 * 86_400
        let run = try board.run(10)
        #expect(run.ended.lived == 70)
        #expect(run.ended.wall == board.wall)
    }

    @Test("without a clock it is the time of the last run, and goes on from there")
    func unset() throws {
        let board = try Board()
        let last = try board.run(50).ended.wall
        (board.boot, board.boottime, board.wall) = ("second", 3, 7)
        let run = try board.run(20)
        #expect(!run.begun.isClockSet)
        #expect(run.begun.wall == last)
        #expect(run.ended.wall == last + 20)
        // And once more, still without: it never goes back.
        (board.boot, board.boottime, board.wall) = ("third", 3, 7)
        #expect(try board.run(0).begun.wall == last + 20)
    }

    @Test("a clock that is set while we run is the time from then on")
    func set() throws {
        let board = try Board()
        board.wall = 7
        #expect(try !board.run(20).ended.isClockSet)
        board.wall = 1_800_000_000
        let run = try board.run(5)
        #expect(run.begun.isClockSet)
        #expect(run.begun.wall == 1_800_000_000)
    }
}
