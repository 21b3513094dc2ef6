import Dispatch

/// A Dispatch source on the main queue that may be paused. Ends with `end()` or with its last owner.
final class Watch {
    enum Direction { case reading, writing }

    private let source: any DispatchSourceProtocol
    private var isPaused = true

    /// Starts paused.
    init(_ direction: Direction, _ descriptor: Descriptor, then act: @escaping @MainActor () -> Void) {
        source = Watch.source(direction, descriptor, act)
    }

    func resume() {
        guard isPaused, !source.isCancelled else { return }
        isPaused = false
        source.resume()
    }

    func pause() {
        guard !isPaused, !source.isCancelled else { return }
        isPaused = true
        source.suspend()
    }

    /// For good. A paused source would trap when it is released.
    func end() {
        guard !source.isCancelled else { return }
        source.cancel()
        if isPaused { source.resume() }
    }

    deinit {
        guard !source.isCancelled else { return }
        source.cancel()
        if isPaused { source.resume() }
    }

    private nonisolated static func source(
        _ direction: Direction, _ descriptor: Descriptor, _ act: @escaping @MainActor () -> Void
    ) -> any DispatchSourceProtocol {
        let source: any DispatchSourceProtocol =
            switch direction {
            case .reading: DispatchSource.makeReadSource(fileDescriptor: descriptor.number, queue: .main)
            case .writing: DispatchSource.makeWriteSource(fileDescriptor: descriptor.number, queue: .main)
            }
        source.setEventHandler { MainActor.assumeIsolated(act) }
        source.setCancelHandler { withExtendedLifetime(descriptor) {} }
        return source
    }
}
