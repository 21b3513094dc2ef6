import Dispatch
import Testing

@testable import culverd

@MainActor @Suite struct PoolTests {
    @Test("results of one lane come in the order of the work, those of others do not wait for it")
    func lanes() async {
        let pool = Pool(width: 2)
        let gate = DispatchSemaphore(value: 0)
        var heard: [String] = []
        await withCheckedContinuation { continuation in
            let hear = { @MainActor (name: String) in
                heard.append(name)
                if name == "other" { gate.signal() }
                if heard.count == 3 { continuation.resume() }
            }
            // The first ends last.
            pool.run(lane: "a", { gate.wait() }, then: { hear("first") })
            pool.run(lane: "a", {}, then: { hear("second") })
            pool.run(lane: "b", {}, then: { hear("other") })
        }
        #expect(heard == ["other", "first", "second"])
        #expect(pool.load == 0)
    }

    @Test("no more work runs at once than the pool is wide, and all of it is done")
    func width() async {
        let pool = Pool(width: 1)
        var done: [Int] = []
        await withCheckedContinuation { continuation in
            for number in 0..<100 {
                pool.run(lane: "\(number % 7)", { number }) {
                    done.append($0)
                    if done.count == 100 { continuation.resume() }
                }
            }
        }
        #expect(done == Array(0..<100))
    }

    @Test("a thread goes on with the next work while the main queue is busy")
    func busy() {
        let pool = Pool(width: 1)
        let last = DispatchSemaphore(value: 0)
        for number in 0..<3 { pool.run(lane: "a", { if number == 2 { last.signal() } }, then: {}) }
        #expect(last.wait(timeout: .now() + 60) == .success)
    }
}
