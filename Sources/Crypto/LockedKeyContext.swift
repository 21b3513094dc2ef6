import Synchronization

/// A context without a mutex of its own, used by one thread at a time.
final class LockedKeyContext: Sendable {
    private let context: Mutex<KeyContext>

    init(_ context: KeyContext) {
        self.context = Mutex(context)
    }

    func with<R: Sendable, E: Error>(_ body: (KeyContext) throws(E) -> R) throws(E) -> R {
        try context.withLock { context throws(E) in try body(context) }
    }
}
