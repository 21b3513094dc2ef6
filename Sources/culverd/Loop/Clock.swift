import Agent
import Glibc
import Records

/// The board's clocks, and what the store remembers of them (design section 5.5).
struct Clock {
    /// What the machine says: seconds since 1970, seconds since its boot, and which boot that was.
    struct Machine {
        var wall = { Clock.read(CLOCK_REALTIME) }
        var boottime = { Clock.read(CLOCK_BOOTTIME) }
        var boot = Clock.bootID()
    }

    private let machine: Machine
    private let wallAtStart: Double
    private let livedAtStart: Double
    private let boottimeAtStart: Double

    /// Goes on where the last run ended; within one boot of the board the time between two runs counts as lived.
    init(_ ledger: some Ledger, _ machine: Machine = Machine()) throws(LedgerError) {
        self.machine = machine
        boottimeAtStart = machine.boottime()
        let lived = try ledger.value(key: "lived").flatMap(Double.init) ?? 0
        wallAtStart = try ledger.value(key: "wall").flatMap(Double.init) ?? 0
        if try ledger.value(key: "boot") == machine.boot,
            let last = try ledger.value(key: "boottime").flatMap(Double.init)
        {
            livedAtStart = lived + max(0, boottimeAtStart - last)
        } else {
            livedAtStart = lived
        }
    }

    var now: Moment {
        let elapsed = machine.boottime() - boottimeAtStart
        let wall = machine.wall()
        let isSet = wall >= Version.built
        return Moment(
            wall: isSet ? wall : max(wallAtStart, 0) + elapsed, isClockSet: isSet, lived: livedAtStart + elapsed)
    }

    /// What the next run goes on from.
    func save(_ now: Moment, in ledger: some Ledger) throws(LedgerError) {
        try ledger.apply(.value(key: "lived", String(now.lived)))
        try ledger.apply(.value(key: "wall", String(now.wall)))
        try ledger.apply(.value(key: "boot", machine.boot))
        try ledger.apply(.value(key: "boottime", String(machine.boottime())))
    }

    static func read(_ clock: clockid_t) -> Double {
        var time = timespec()
        clock_gettime(clock, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    private static func bootID() -> String {
        guard let file = fopen("/proc/sys/kernel/random/boot_id", "r") else { return "" }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 36)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }
}
