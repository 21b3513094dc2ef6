import Dispatch

/// A few threads for what takes long: private keys. Results of one lane come back on the main queue in the order in
/// which its work was given, so that the order per peer is kept.
@MainActor final class Pool {
    private struct Slot {
        var number: UInt64
        var finish: (@MainActor () -> Void)?
    }

    /// Serial queues that do nothing at the moment. Not one concurrent queue: for that Dispatch would look after its
    /// threads by a timer of its own, once a second for ever.
    private var idle: [DispatchQueue]
    private var running = 0
    private var waiting: [@Sendable () -> @MainActor () -> Void] = []
    private var waitingFrom = 0
    private var lanes: [String: [Slot]] = [:]
    private var next: UInt64 = 0

    init(width: Int) {
        idle = (0..<max(1, width)).map { DispatchQueue(label: "culver.pool.\($0)") }
    }

    /// Work given and not finished.
    var load: Int { running + waiting.count - waitingFrom }

    func run<Value: Sendable>(
        lane: String, _ work: @escaping @Sendable () -> Value, then finish: @escaping @MainActor (Value) -> Void
    ) {
        next += 1
        let number = next
        lanes[lane, default: []].append(Slot(number: number))
        waiting.append {
            let value = work()
            return { self.finished(number, lane) { finish(value) } }
        }
        startMore()
    }

    private func startMore() {
        while waitingFrom < waiting.count, let queue = idle.popLast() {
            let work = waiting[waitingFrom]
            waitingFrom += 1
            running += 1
            queue.async {
                let report = work()
                DispatchQueue.main.async {
                    MainActor.assumeIsolated {
                        self.idle.append(queue)
                        report()
                    }
                }
            }
        }
        if waitingFrom == waiting.count {
            waiting.removeAll(keepingCapacity: true)
            waitingFrom = 0
        }
    }

    private func finished(_ number: UInt64, _ lane: String, _ finish: @escaping @MainActor () -> Void) {
        running -= 1
        startMore()
        guard let index = lanes[lane]?.firstIndex(where: { $0.number == number }) else { return }
        lanes[lane]?[index].finish = finish
        while let first = lanes[lane]?.first, let finish = first.finish {
            lanes[lane]?.removeFirst()
            finish()
        }
        if lanes[lane]?.isEmpty == true { lanes[lane] = nil }
    }
}
