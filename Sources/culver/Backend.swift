import Control
import Format
import Glibc
import System

/// Who does the work of a verb: the daemon behind its socket, or the files of a state directory.
protocol Backend {
    /// Throws `RPCError` when the answer is one.
    func call(_ method: String, _ params: JSONObject) throws -> JSON
}

/// The daemon. One connection, which waits for each answer.
struct DaemonBackend: Backend {
    let client: Client

    init(path: String, patience: Double = 2) throws {
        client = try Client(path: path, patience: patience)
    }

    func call(_ method: String, _ params: JSONObject) throws -> JSON {
        try client.call(method, params, timeout: DaemonBackend.patience(method, params))
    }

    /// Seconds for an answer. A small board takes minutes for a long RSA key, and a wait is as long as was asked for.
    private static func patience(_ method: String, _ params: JSONObject) -> Double? {
        switch method {
        case "identity.create", "identity.rotate", "backup.begin", "backup.end": nil
        // Each broker is tried for a minute and a half at the most, all at once.
        case "doctor": 150
        // A program may have to fetch it first.
        case "file.get", "file.put": 150
        case "message.wait": params["timeout"]?.double.map { $0 + 30 }
        default: 60
        }
    }
}

extension DaemonBackend {
    /// Whether the daemon ended while it was asked, or was about to.
    static func hasGone(_ error: any Error) -> Bool {
        (error as? ControlError) == .closed || (error as? RPCError)?.reason == "stopping"
    }
}

/// The daemon across its restarts: what was cut off is asked once more. So it is asked only what may be asked twice.
final class LastingDaemon: Backend {
    /// Seconds that an upgrade may take in which a daemon ends and the next begins.
    static let restart = 30.0

    /// The last call was cut off, and what became of it is not known.
    private(set) var hasLostAnswer = false
    private let globals: Globals
    private var daemon: DaemonBackend

    init(_ globals: Globals) throws {
        self.globals = globals
        daemon = try globals.daemon()
    }

    func call(_ method: String, _ params: JSONObject) throws -> JSON {
        try call(method, until: KernelClock.monotonic.now + Self.restart) { params }
    }

    /// Asks until this time of the monotonic clock; `params` are made anew for each time.
    func call(_ method: String, until end: Double, _ params: () -> JSONObject) throws -> JSON {
        hasLostAnswer = false
        while true {
            do {
                return try daemon.call(method, params())
            } catch  where DaemonBackend.hasGone(error) && KernelClock.monotonic.now < end {
                if error is ControlError { hasLostAnswer = true }
                usleep(200_000)
                daemon = try globals.daemon(patience: max(0, end - KernelClock.monotonic.now))
            }
        }
    }
}
