import Agent
import DIMP
import Records
import Store

/// The state directory as this run holds it: locked, looked through, and everything in it open.
struct OpenedState {
    let directory: StateDirectory
    /// Held as long as the daemon lives.
    let lock: DirectoryLock
    let installation: Installation
    let store: MessageStore
    let clock: Clock
    let book: Book
    /// The presence of the start before this one, in seconds since 1970; 0 for none.
    let lastPresence: Double

    /// Throws what stops a daemon.
    init(_ path: String, limits: StoreLimits) throws {
        try makeAncestors(of: path)
        directory = try StateDirectory(path)
        lock = try directory.lock()
        try directory.checkIsLive()
        if let exposed = try directory.exposedKeys().first { throw exposed }
        _ = try directory.sweep()
        try directory.removeBackup()
        installation = try directory.installation()
        store = try MessageStore(path: "\(directory.path)/\(StatePath.messages)", limits: limits)
        clock = try Clock(store)
        book = Book(facebook: try Facebook(directory, time: clock.now.wall), keys: KeyStore(directory))
        lastPresence = try store.value(.presenceAt).flatMap(Double.init) ?? 0
    }
}
