import Dispatch

/// A timer on the main queue. Started at once, and to be cancelled by whoever let it start.
@MainActor
final class Alarm {
    private let timer: any DispatchSourceTimer

    init(after seconds: Double, _ ring: @escaping @MainActor () -> Void) {
        timer = DispatchSource.makeTimerSource(queue: .main)
        timer.schedule(deadline: .now() + seconds, leeway: Self.leeway(seconds))
        start(ring)
    }

    init(every seconds: Double, _ ring: @escaping @MainActor () -> Void) {
        timer = DispatchSource.makeTimerSource(queue: .main)
        timer.schedule(deadline: .now() + seconds, repeating: seconds, leeway: Self.leeway(seconds))
        start(ring)
    }

    func cancel() { timer.cancel() }

    private func start(_ ring: @escaping @MainActor () -> Void) {
        timer.setEventHandler { MainActor.assumeIsolated { ring() } }
        timer.resume()
    }

    /// A tenth: the kernel may then wake us for several things at once.
    private static func leeway(_ seconds: Double) -> DispatchTimeInterval {
        .milliseconds(Int(min(seconds * 100, 5_000)))
    }
}
