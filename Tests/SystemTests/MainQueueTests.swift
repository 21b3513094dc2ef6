import System
import TestSupport
import Testing

@Suite("The main queue", .serialized)
@MainActor
struct MainQueueTests {
    private final class Record {
        var entries: [String] = []
    }

    private func until(_ condition: () -> Bool) async throws {
        for _ in 0..<1_000 where !condition() { try await Task.sleep(for: .milliseconds(10)) }
        guard condition() else { throw TestFailure("waited in vain") }
    }

    @Test("work comes in a later turn, in order, and after some seconds no sooner than that")
    func order() async throws {
        let record = Record()
        let start = KernelClock.monotonic.now
        MainQueue.after(0.1) { record.entries.append("late") }
        MainQueue.async { record.entries.append("first") }
        MainQueue.async { record.entries.append("second") }
        #expect(record.entries.isEmpty)
        try await until { record.entries.count == 3 }
        #expect(record.entries == ["first", "second", "late"])
        #expect(KernelClock.monotonic.now - start >= 0.1)
    }

    @Test("a timer rings once or again and again, until it is cancelled")
    func timers() async throws {
        let record = Record()
        let once = MainQueueTimer(after: 0.05) { record.entries.append("once") }
        let often = MainQueueTimer(every: 0.02) { record.entries.append("often") }
        let never = MainQueueTimer(after: 0.05) { record.entries.append("never") }
        never.cancel()
        try await until { record.entries.count { $0 == "often" } >= 5 && record.entries.contains("once") }
        often.cancel()
        let count = record.entries.count
        try await Task.sleep(for: .milliseconds(100))
        #expect(record.entries.count == count)
        #expect(record.entries.count { $0 == "once" } == 1 && !record.entries.contains("never"))
        once.cancel()
    }
}
