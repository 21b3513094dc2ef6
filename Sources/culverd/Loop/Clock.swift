import Agent
import Control
import Records

/// The board's clocks, and what the store remembers of them (extensions.md 6).
struct Clock {
    private let readings: Readings
    /// Our own last time, less what has elapsed since the start.
    private var wallAtStart: Double
    private let livedAtStart: Double
    private let boottimeAtStart: Double

    /// Goes on where the last run ended; within one boot of the board the time between two runs counts as lived.
    init(_ ledger: some Ledger, _ readings: Readings = .system) throws(LedgerError) {
        self.readings = readings
        boottimeAtStart = readings.boottime()
        let lived = try ledger.value(.lived).flatMap(Double.init) ?? 0
        wallAtStart = try ledger.value(.wall).flatMap(Double.init) ?? 0
        if !readings.boot.isEmpty, try ledger.value(.boot) == readings.boot,
            let last = try ledger.value(.boottime).flatMap(Double.init)
        {
            livedAtStart = lived + max(0, boottimeAtStart - last)
        } else {
            livedAtStart = lived
        }
    }

    var now: Moment {
        let elapsed = readings.boottime() - boottimeAtStart
        let wall = readings.realtime()
        let isSet = wall >= Release.built
        return Moment(
            wall: isSet ? wall : max(wallAtStart + elapsed, 0), isClockSet: isSet, lived: livedAtStart + elapsed)
    }

    /// What the next run goes on from, and this one should the clock be lost.
    mutating func save(_ now: Moment, in ledger: some Ledger) throws(LedgerError) {
        try ledger.apply(.value(.lived, String(now.lived)))
        try ledger.apply(.value(.wall, String(now.wall)))
        try ledger.apply(.value(.boot, readings.boot))
        try ledger.apply(.value(.boottime, String(boottimeAtStart + now.lived - livedAtStart)))
        wallAtStart = now.wall - (now.lived - livedAtStart)
    }
}
