import Control
import Dispatch
import Glibc
import Records
import Store

/// SIGTERM and SIGINT end the daemon cleanly, SIGHUP reloads the configuration.
@MainActor final class Signals {
    private var sources: [any DispatchSourceSignal] = []

    init(_ daemon: Daemon) {
        signal(SIGPIPE, SIG_IGN)
        on(SIGTERM) { daemon.stop { exit(0) } }
        on(SIGINT) { daemon.stop { exit(0) } }
        on(SIGHUP) { daemon.reload() }
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
    case is ExposedKey: 78
    case is LedgerError: 74
    case let error as ControlError: error.exit.rawValue
    default: 74
    }
}
