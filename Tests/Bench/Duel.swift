import Glibc
import System

/// So little of everything that the figures mean nothing: for a test.
let isShort = CommandLine.arguments.last == "short"

/// Two pieces of work in one run, in turns: A B A B. What disturbs the machine for a moment disturbs both, and the
/// middle of the ratios of neighbours is little moved by a turn that was disturbed.
struct Duel {
    private var ours: [Double] = []
    private var raw: [Double] = []

    static let turns = isShort ? 2 : 60
    /// Seconds of this thread's own time.
    static let turn = 0.025

    init(_ ours: () throws -> Void, _ raw: () throws -> Void) rethrows {
        let oursCount = try Self.count(ours)
        let rawCount = try Self.count(raw)
        for _ in 0..<Self.turns {
            self.ours.append(Double(oursCount) / (try Self.seconds(oursCount, ours)))
            self.raw.append(Double(rawCount) / (try Self.seconds(rawCount, raw)))
        }
    }

    /// Per second of one core.
    var oursPerSecond: Double { median(ours) }
    var rawPerSecond: Double { median(raw) }
    var ratio: Double { median(zip(ours, raw).map { $0 / $1 }) }

    /// How often the work fits into a turn; warms it up, too.
    private static func count(_ work: () throws -> Void) rethrows -> Int {
        var count = 1
        while true {
            let time = try seconds(count, work)
            if time >= turn / 2 { return max(1, Int(Double(count) * turn / time)) }
            count *= 2
        }
    }

    private static func seconds(_ count: Int, _ work: () throws -> Void) rethrows -> Double {
        let start = now
        for _ in 0..<count { try work() }
        return now - start
    }

    /// The thread's own time: what other programs take does not count.
    private static var now: Double { KernelClock.thread.now }
}

private func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
}
