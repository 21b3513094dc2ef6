import Format

/// The answers of one line on their way back: one object, or the array of a batch, sent when all have come.
@MainActor final class Reply {
    private weak var connection: Connection?
    private let isBatch: Bool
    private let limit: Int
    private var answers: [JSON] = []
    private var bytes = 0
    private var missing: Int
    private let onEnd: @MainActor () -> Void

    /// `calls` counts all of the line, notifications and refused ones too. `onEnd` is called when all are over.
    init(
        to connection: Connection, calls: Int, isBatch: Bool, limit: Int,
        onEnd: @escaping @MainActor () -> Void
    ) {
        self.connection = connection
        self.onEnd = onEnd
        self.missing = calls
        self.isBatch = isBatch
        self.limit = limit
    }

    /// One call of the line is over; `nil` for a notification.
    func add(_ answer: JSON?) {
        missing -= 1
        if let answer { answers.append(isBatch ? fitting(answer) : answer) }
        if missing == 0 { onEnd() }
        connection?.answered()
        guard missing == 0, !answers.isEmpty else { return }
        connection?.send(isBatch ? .array(answers) : answers[0])
        answers = []
    }

    /// A batch may ask for more than a client's queue holds.
    private func fitting(_ answer: JSON) -> JSON {
        let size = answer.bytes.count
        guard bytes + size < limit else {
            let error = RPCError(
                exit: .notNow, reason: "reply-too-large", message: "the batch asks for too much at once")
            return .failure(error, id: answer["id"] ?? .null)
        }
        bytes += size
        return answer
    }
}

extension JSON {
    static func success(_ result: JSON, id: JSON) -> JSON {
        ["jsonrpc": "2.0", "id": id, "result": result]
    }

    static func failure(_ error: RPCError, id: JSON) -> JSON {
        ["jsonrpc": "2.0", "id": id, "error": error.json]
    }
}
