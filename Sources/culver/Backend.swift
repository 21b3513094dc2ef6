import Control
import Format

/// Who does the work of a verb: the daemon behind its socket, or the files of a state directory.
protocol Backend {
    /// Throws `RPCError` when the answer is one.
    func call(_ method: String, _ params: JSONObject) throws -> JSON
}

/// The daemon. One connection, which waits for each answer.
struct Daemon: Backend {
    let client: Client

    init(path: String, patience: Double = 2) throws {
        client = try Client(path: path, patience: patience)
    }

    func call(_ method: String, _ params: JSONObject) throws -> JSON {
        try client.call(method, params)
    }
}
