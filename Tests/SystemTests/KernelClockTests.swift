import Glibc
import System
import Testing

@Suite("The kernel's clocks")
struct KernelClockTests {
    @Test("the date is the one that time(2) tells")
    func date() {
        let seconds = Double(time(nil))
        #expect(abs(KernelClock.realtime.now - seconds) < 5)
    }

    @Test("time passes as the sleep lasts", arguments: [KernelClock.realtime, .boottime, .monotonic])
    func passes(_ clock: KernelClock) {
        let before = clock.now
        usleep(50_000)
        let passed = clock.now - before
        #expect(passed > 0.04 && passed < 5)
    }

    @Test("the machine has run at least as long as it was awake")
    func sleep() {
        let awake = KernelClock.monotonic.now
        #expect(KernelClock.boottime.now >= awake)
    }

    @Test("work costs time of the processor, sleep costs the thread next to none")
    func processor() {
        let (process, thread) = (KernelClock.processor.now, KernelClock.thread.now)
        usleep(200_000)
        #expect(KernelClock.thread.now - thread < 0.1)
        var sum: UInt64 = 0
        for number in 0..<3_000_000 as Range<UInt64> { sum = sum &* 31 &+ number }
        #expect(sum != 0)
        let spent = KernelClock.thread.now - thread
        #expect(spent > 0)
        #expect(KernelClock.processor.now - process >= spent)
    }
}
