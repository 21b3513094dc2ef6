import Synchronization

/// Contexts of one RSA private key. mbedTLS holds a context's mutex for a whole private operation, so every thread gets
/// one of its own for as long as it works; at most as many exist as threads ever worked at once.
final class RSAContexts: Sendable {
    /// Only copied and read, never worked with, so that copying it needs no lock.
    let original: KeyContext
    /// The lock protects the list of those that nobody works with.
    private let idle = Mutex<[KeyContext]>([])

    init(original: KeyContext) {
        self.original = original
    }

    func with<R>(_ body: (KeyContext) throws(CryptoError) -> R) throws(CryptoError) -> R {
        let context = try taken()
        defer { idle.withLock { $0.append(context) } }
        return try body(context)
    }

    private func taken() throws(CryptoError) -> KeyContext {
        if let context = idle.withLock({ $0.popLast() }) { return context }
        return try original.copyOfRSA()
    }
}

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
