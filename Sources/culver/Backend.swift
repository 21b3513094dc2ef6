import Control
import Format

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
        case "message.wait": params["timeout"]?.double.map { $0 + 30 }
        default: 60
        }
    }
}
