import Dispatch

/// A few threads for what takes long: private keys. Results of one lane come back on the main queue in the order in
/// which its work was given, so that the order per peer is kept.
///
/// Threads take work from the bench and lay results on it by themselves: while there is work none waits for the main
/// queue, which is told once for all results that lie there.
@MainActor final class Pool {
    private struct Slot {
        var number: UInt64
        var finish: (@MainActor () -> Void)?
    }

    /// Serial queues, not one concurrent queue: for that Dispatch would look after its threads by a timer of its own,
    /// once a second for ever.
    private let threads: [DispatchQueue]
    private let bench = Bench()
    private var lanes: [String: [Slot]] = [:]
    private var next: UInt64 = 0

    /// Work given and not finished.
    private(set) var load = 0
    /// The same in bytes, as far as they matter.
    private(set) var weight = 0

    init(width: Int) {
        threads = (0..<max(1, width)).map { DispatchQueue(label: "culver.pool.\($0)") }
        bench.idle = Array(threads.indices)
    }

    func run<Value: Sendable>(
        lane: String, weight: Int = 0, _ work: @escaping @Sendable () -> Value,
        then finish: @escaping @MainActor (Value) -> Void
    ) {
        next += 1
        load += 1
        self.weight += weight
        let number = next
        lanes[lane, default: []].append(Slot(number: number))
        let thread = bench.give {
            let value = work()
            return {
                self.weight -= weight
                self.finished(number, lane) { finish(value) }
            }
        }
        guard let thread else { return }
        let bench = bench
        threads[thread].async {
            while let work = bench.takeWork(thread) {
                if bench.lay(work()) { DispatchQueue.main.async { MainActor.assumeIsolated { self.collect() } } }
            }
        }
    }

    private func collect() {
        for result in bench.takeResults() { result() }
    }

    private func finished(_ number: UInt64, _ lane: String, _ finish: @escaping @MainActor () -> Void) {
        load -= 1
        guard let index = lanes[lane]?.firstIndex(where: { $0.number == number }) else { return }
        lanes[lane]?[index].finish = finish
        while let first = lanes[lane]?.first, let finish = first.finish {
            lanes[lane]?.removeFirst()
            finish()
        }
        if lanes[lane]?.isEmpty == true { lanes[lane] = nil }
    }

    /// What lies between the main queue and the threads.
    ///
    /// `@unchecked Sendable`: everything is behind the lock.
    private final class Bench: @unchecked Sendable {
        typealias Completion = @MainActor () -> Void
        typealias PoolItem = @Sendable () -> Completion

        private let lock = DispatchQueue(label: "culver.pool")
        private var waiting: [PoolItem] = []
        private var taken = 0
        private var results: [Completion] = []
        var idle: [Int] = []

        /// A thread that has to be woken for it, if one sleeps.
        func give(_ work: @escaping PoolItem) -> Int? {
            lock.sync {
                waiting.append(work)
                return idle.popLast()
            }
        }

        /// `nil`: there is none, and the thread counts as asleep.
        func takeWork(_ thread: Int) -> PoolItem? {
            lock.sync {
                guard taken < waiting.count else {
                    waiting.removeAll(keepingCapacity: true)
                    taken = 0
                    idle.append(thread)
                    return nil
                }
                defer { taken += 1 }
                // What was taken is not kept.
                if taken >= 32 {
                    waiting.removeFirst(taken)
                    taken = 0
                }
                return waiting[taken]
            }
        }

        /// Whether the main queue has to be told.
        func lay(_ result: @escaping Completion) -> Bool {
            lock.sync {
                results.append(result)
                return results.count == 1
            }
        }

        func takeResults() -> [Completion] {
            lock.sync {
                defer { results = [] }
                return results
            }
        }
    }
}
