import Testing

@testable import Transport

@Suite("The wait before another attempt")
struct BackoffTests {
    private func backoff(dice: Double) -> Backoff {
        var timing = LinkTiming()
        timing.dice = { dice }
        return Backoff(timing)
    }

    @Test("the ceiling doubles from 1 s to 2 min and stays there")
    func doubles() {
        var backoff = backoff(dice: 1)
        #expect((0..<9).map { _ in backoff.wait(after: nil) } == [1, 2, 4, 8, 16, 32, 64, 120, 120])
    }

    @Test("jitter takes anything below the ceiling, but never nothing at all")
    func jitter() {
        var half = backoff(dice: 0.5)
        #expect([half.wait(after: nil), half.wait(after: nil)] == [0.5, 1])
        var none = backoff(dice: 0)
        #expect(none.wait(after: nil) == 0.1)
    }

    @Test("only a connection that lasted ten seconds starts anew")
    func steady() {
        var backoff = backoff(dice: 1)
        _ = (0..<4).map { _ in backoff.wait(after: nil) }
        #expect(backoff.wait(after: 9) == 16)
        #expect(backoff.wait(after: 10) == 1)
    }
}
