import Glibc

/// The clocks of the kernel, each read in seconds.
package enum KernelClock: Sendable {
    /// Since 1970, as far as the board knows the date: it jumps when the clock is set.
    case realtime
    /// Since the machine started, its sleep included: no setting of the clock moves it.
    case boottime
    /// Since some moment in the past, sleep not included: no setting of the clock moves it.
    case monotonic
    /// Spent by the processor on this process.
    case processor
    /// Spent by the processor on this thread.
    case thread

    package var now: Double {
        var time = timespec()
        clock_gettime(id, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    private var id: clockid_t {
        switch self {
        case .realtime: CLOCK_REALTIME
        case .boottime: CLOCK_BOOTTIME
        case .monotonic: CLOCK_MONOTONIC
        case .processor: CLOCK_PROCESS_CPUTIME_ID
        case .thread: CLOCK_THREAD_CPUTIME_ID
        }
    }
}
