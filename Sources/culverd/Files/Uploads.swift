import Control
import DIMP
import Format

/// Files that local programs are handing over. Each is of one connection and goes with it.
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
        /// How much of it is here.
        var offset: Int64 = 0
        var place: Place

        enum Place {
            /// For the inside of its message.
            case inline([UInt8])
            case large(HandOver, PartialTransfer)
        }

        var isWhole: Bool { offset == size }
    }

    private let transfers: FileTransfers
    private var all: [String: Upload] = [:]

    /// Of all clients together.
    static let limit = 32

    init(_ transfers: FileTransfers) {
        self.transfers = transfers
    }

    var isFull: Bool { all.count >= Self.limit }

    /// The one that this connection has begun.
    func upload(_ id: String, by connection: ConnectionID) -> Upload? {
        all[id].flatMap { $0.connection == connection ? $0 : nil }
    }

    func set(_ id: String, to upload: Upload) { all[id] = upload }

    /// It is where it belongs, or does not go.
    func remove(_ id: String) { all[id] = nil }

    func disconnected(_ connection: ConnectionID) {
        for (id, upload) in all where upload.connection == connection {
            all[id] = nil
            if case .large = upload.place { transfers.forget(id) }
        }
    }
}
