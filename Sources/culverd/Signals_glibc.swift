import Control
import Dispatch
import Glibc
import Records
import Store

/// SIGTERM and SIGINT end the daemon cleanly, SIGHUP reloads the configuration.
@MainActor final class Signals {
    private var sources: [any DispatchSourceSignal] = []

    init(_ daemon: Daemon) {
        // All is saved. exit(3) would take the libraries away from threads of the pool that may still be at work.
        on(SIGTERM) { daemon.stop { _exit(0) } }
        on(SIGINT) { daemon.stop { _exit(0) } }
        on(SIGHUP) { daemon.reload() }
    }

    /// Writing to who is gone, or beyond a limit of file sizes, is an error of that call and not our end. To be called
    /// before anything else.
    nonisolated static func ignoreFaults() {
        signal(SIGPIPE, SIG_IGN)
        signal(SIGXFSZ, SIG_IGN)
    }

    private func on(_ number: Int32, _ action: @escaping @MainActor () -> Void) {
        signal(number, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: number, queue: .main)
        source.setEventHandler { MainActor.assumeIsolated(action) }
        source.activate()
        sources.append(source)
    }
}

/// The exit status of a start that failed.
func exitStatus(of error: any Error) -> Int32 {
    switch error {
    case let error as FileError: error.isHeld ? 75 : 74
    case is ExposedKey, is Retired, is Unfinished: 78
    case is LedgerError: 74
    case let error as ControlError: error.exit.rawValue
    default: 74
    }
}
