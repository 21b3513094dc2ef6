import Dispatch
import Glibc
import System

/// What the cores of the machine do of one piece of work in a second, each core with keys of its own.
enum Bound {
    private static let all = Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    /// Seconds.
    private static let length = isShort ? 0.05 : 2.0

    static func perSecond<Key>(
        cores: Int = all, _ make: @Sendable () -> Key, work: @Sendable (Key) -> Void
    ) -> Double {
        let counts = Counts(cores)
        DispatchQueue.concurrentPerform(iterations: cores) { core in
            let key = make()
            let end = now + length
            var count = 0
            while now < end {
                work(key)
                count += 1
            }
            counts.set(core, count)
        }
        return Double(counts.sum) / length
    }

    private static var now: Double { KernelClock.monotonic.now }

    /// `@unchecked Sendable`: behind a lock.
    private final class Counts: @unchecked Sendable {
        private var counts: [Int]
        private let lock = DispatchQueue(label: "counts")

        init(_ count: Int) { counts = Array(repeating: 0, count: count) }
        func set(_ index: Int, _ count: Int) { lock.sync { counts[index] = count } }
        var sum: Int { lock.sync { counts.reduce(0, +) } }
    }
}
