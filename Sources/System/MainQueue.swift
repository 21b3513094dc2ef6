import Dispatch

/// The thread that owns everything: the main queue, which is the main actor's.
package enum MainQueue {
    /// Runs `work` in a later turn, so not from inside the caller. From any thread.
    package static func async(_ work: @escaping @MainActor () -> Void) {
        DispatchQueue.main.async { MainActor.assumeIsolated { work() } }
    }

    /// Runs `work` once, when so many seconds have passed.
    package static func after(_ seconds: Double, _ work: @escaping @MainActor () -> Void) {
        DispatchQueue.main.asyncAfter(deadline: .now() + seconds) { MainActor.assumeIsolated { work() } }
    }
}

/// A timer on the main queue. It starts at once, and its owner cancels it.
@MainActor
package final class MainQueueTimer {
    private let source: any DispatchSourceTimer

    package init(after seconds: Double, _ ring: @escaping @MainActor () -> Void) {
        source = DispatchSource.makeTimerSource(queue: .main)
        source.schedule(deadline: .now() + seconds, leeway: Self.leeway(seconds))
        start(ring)
    }

    package init(every seconds: Double, _ ring: @escaping @MainActor () -> Void) {
        source = DispatchSource.makeTimerSource(queue: .main)
        source.schedule(deadline: .now() + seconds, repeating: seconds, leeway: Self.leeway(seconds))
        start(ring)
    }

    package func cancel() { source.cancel() }

    private func start(_ ring: @escaping @MainActor () -> Void) {
        source.setEventHandler { MainActor.assumeIsolated { ring() } }
        source.resume()
    }

    /// A tenth: the kernel may then wake the process for several things at once.
    private static func leeway(_ seconds: Double) -> DispatchTimeInterval {
        .milliseconds(Int(min(seconds * 100, 5_000)))
    }
}
