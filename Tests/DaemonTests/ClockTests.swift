import Agent
import Control
import Store
import TestSupport
import Testing

@testable import culverd

@Suite("The board's clocks, over restarts")
final class ClockTests {
    private static let right = Release.built + 86_400
    private static let year = 365.0 * 86_400

    private var boot = "first"
    private var boottime = 1000.0
    private var realtime = ClockTests.right
    private let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
    }

    private func store() throws -> MessageStore { try MessageStore(path: directory.path + "/messages.db") }

    private func begin(_ store: MessageStore) throws -> culverd.Clock {
        try culverd.Clock(store, Readings(boot: boot, boottime: { self.boottime }, realtime: { self.realtime }))
    }

    /// One run of the daemon: begins, lives, writes the clock down and ends.
    private func run(seconds: Double) throws -> Moment {
        let store = try store()
        var clock = try begin(store)
        boottime += seconds
        realtime += seconds
        let now = clock.now
        try clock.save(now, in: store)
        try store.commit()
        return now
    }

    private func pass(_ seconds: Double) {
        boottime += seconds
        realtime += seconds
    }

    @Test("within one boot the time between two runs is lived")
    func restart() throws {
        #expect(try run(seconds: 50).lived == 50)
        pass(30)
        #expect(try begin(store()).now.lived == 80)
    }

    @Test("over a boot the time lived goes on where it was, whatever the new boot has counted", arguments: [2, 5000])
    func overBoot(counted: Double) throws {
        #expect(try run(seconds: 50).lived == 50)
        boot = "second"
        boottime = counted
        #expect(try run(seconds: 7).lived == 57)
    }

    @Test("a board that does not name its boots takes no two for the same")
    func namelessBoots() throws {
        boot = ""
        #expect(try run(seconds: 50).lived == 50)
        boottime = 5000
        #expect(try run(seconds: 7).lived == 57)
    }

    @Test("the time lived takes no notice of a clock that jumps", arguments: [-right, -year, year, 10 * year])
    func jump(by seconds: Double) throws {
        let before = try run(seconds: 50)
        realtime += seconds
        #expect(try begin(store()).now.lived == before.lived)
        #expect(try run(seconds: 10).lived == before.lived + 10)
    }

    @Test("a clock that is not set goes on from our last time on disk, over any number of boots")
    func unset() throws {
        let last = try run(seconds: 50)
        #expect(last.isClockSet)
        for number in 1...3 {
            boot = "later \(number)"
            boottime = 3
            realtime = 3
            let now = try run(seconds: 10)
            #expect(!now.isClockSet)
            #expect(now.wall == last.wall + 10 * Double(number))
        }
    }

    @Test("a clock that is lost in the first run goes on from what was written down in it")
    func lost() throws {
        let store = try store()
        var clock = try begin(store)
        pass(50)
        let last = clock.now
        try clock.save(last, in: store)
        boottime += 10
        realtime = 10
        #expect(!clock.now.isClockSet)
        #expect(clock.now.wall == last.wall + 10)
        try clock.save(clock.now, in: store)
        boottime += 5
        #expect(clock.now.wall == last.wall + 15)
    }

    @Test("a clock that was years ahead in the last run and is right now is believed")
    func ahead() throws {
        realtime += 5 * Self.year
        let wrong = try run(seconds: 50)
        realtime -= 5 * Self.year
        pass(10)
        let now = try begin(store()).now
        #expect(now.isClockSet)
        #expect(now.wall == wrong.wall - 5 * Self.year + 10)
        #expect(now.lived == wrong.lived + 10)
    }
}
