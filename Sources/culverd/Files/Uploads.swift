import Control
import DIMP
import Format

/// Files that local programs are handing over, in pieces. Each is of one connection and goes with it.
@MainActor final class Uploads {
    /// One on its way in.
    struct Upload {
        var connection: ConnectionID
        /// What goes to `message.send` beside the content.
        var message: JSONObject
        var type: ContentType
        /// The content's members but the bytes.
        var members: JSONObject
        var size: Int64
        /// What is here of it.
        var bytes: [UInt8] = []

        var isWhole: Bool { Int64(bytes.count) == size }
    }

    private var all: [String: Upload] = [:]

    /// Of all clients together; each holds at most `inline` bytes.
    static let limit = 32

    var isFull: Bool { all.count >= Self.limit }

    /// The one that this connection has begun.
    func upload(_ id: String, by connection: ConnectionID) -> Upload? {
        all[id].flatMap { $0.connection == connection ? $0 : nil }
    }

    func set(_ id: String, to upload: Upload) { all[id] = upload }

    func remove(_ id: String) { all[id] = nil }

    func disconnected(_ connection: ConnectionID) {
        all = all.filter { $0.value.connection != connection }
    }
}
