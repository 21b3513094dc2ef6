import Glibc
import Synchronization

/// Ends the wait for one address of a name, so that libmosquitto connects to the next one.
///
/// libmosquitto takes the addresses in turn, and waits for each as long as the kernel does: two minutes for one that
/// swallows packets. A signal that is handled ends connect(2) with EINTR, which it takes for a failure of this address
/// alone. The signal is SIGURG: nothing else in the process uses it, and without a handler it would do nothing.
final class InterruptibleConnect: Sendable {
    /// The thread that connects; a thread is signalled under this lock only, so while it is there.
    private let thread = Mutex<pthread_t?>(nil)

    private static let isHandled: Bool = {
        var action = sigaction()
        // No SA_RESTART: the call is to end.
        action.__sigaction_handler.sa_handler = { _ in }
        return sigaction(SIGURG, &action, nil) == 0
    }()

    /// Runs what connects, on the thread of the caller. Dispatch's threads have signals blocked.
    func run<T>(_ connect: () -> T) -> T {
        guard Self.isHandled else { return connect() }
        var (urgent, before) = (sigset_t(), sigset_t())
        sigemptyset(&urgent)
        sigaddset(&urgent, SIGURG)
        pthread_sigmask(SIG_UNBLOCK, &urgent, &before)
        thread.withLock { $0 = pthread_self() }
        defer {
            thread.withLock { $0 = nil }
            pthread_sigmask(SIG_SETMASK, &before, nil)
        }
        return connect()
    }

    var isRunning: Bool { thread.withLock { $0 != nil } }

    /// Without effect when nothing is being connected, and on a look-up of the name.
    func interrupt() {
        thread.withLock { if let thread = $0 { _ = pthread_kill(thread, SIGURG) } }
    }
}
