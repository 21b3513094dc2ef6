import Control
import Format
import Operations

/// One of several messages that a `message.send` asks for: its own parameters and one receiver.
struct SendingWish {
    var params: Params
    var receiver: String

    /// In one call.
    static let limit: Int64 = 1_000

    /// What the call asks for in `messages`, or for several receivers in `to`; `nil` for a single message. Of a list each
    /// entry is good or bad by itself; a parameter beside `messages` counts for each entry that does not say its own.
    static func list(in params: Params) throws -> [Result<SendingWish, RPCError>]? {
        let common = params.members.filter { $0.name != "messages" }
        let entries: [JSON]
        if let messages = params.json("messages") {
            guard let list = messages.array else { throw Params.wrong("messages", isNot: "a list") }
            entries = list
        } else if params.json("to")?.array != nil {
            entries = [[:]]
        } else {
            return nil
        }
        var wishes: [Result<SendingWish, RPCError>] = []
        for entry in entries {
            wishes += expanded(entry, beside: common)
            guard wishes.count <= limit else { break }
        }
        guard 1...limit ~= Int64(wishes.count) else {
            let words = "one call sends 1 to \(limit) messages"
            throw RPCError.invalidParams(words, reason: "too-many-messages")
        }
        return wishes
    }

    /// One for each receiver.
    private static func expanded(
        _ entry: JSON, beside common: [(name: String, value: JSON)]
    ) -> [Result<SendingWish, RPCError>] {
        guard var object = entry.object else { return [.failure(Params.wrong("messages", isNot: "a list of objects"))] }
        for (name, value) in common where object[name] == nil { object[name] = value }
        do {
            let params = try Params(object, known: Self.parameters)
            guard let to = params.json("to") else { throw Params.missing("to") }
            let receivers = to.array ?? [to]
            guard !receivers.isEmpty else { throw Params.wrong("to", isNot: "one receiver or several") }
            return receivers.map { receiver in
                guard let receiver = receiver.string else {
                    return .failure(Params.wrong("to", isNot: "an ID or a name"))
                }
                return .success(SendingWish(params: params, receiver: receiver))
            }
        } catch {
            return [.failure(error as? RPCError ?? .internalError("\(error)"))]
        }
    }

    private static let parameters = Method.byName["message.send"]?.parameters.filter { $0 != "messages" } ?? []
}

/// The answers to the messages of one call, given together when the last is known.
@MainActor final class ListedAnswers {
    private let call: Call
    private var answers: [JSON]
    /// And one for the turn, which may still fail.
    private var missing: Int

    init(to call: Call, count: Int) {
        self.call = call.withoutParams
        answers = Array(repeating: .null, count: count)
        missing = count + 1
    }

    func take(_ result: Result<JSONObject, RPCError>, at place: Int) {
        switch result {
        case .success(let accepted): answers[place] = .object(accepted)
        case .failure(var error):
            // A thousand that repeat what they were asked would be more than a reply holds.
            error.message = String(error.message.unicodeScalars.prefix(120))
            answers[place] = ["error": error.json]
        }
        close()
    }

    /// The turn is on disk, or one more answer is there.
    func close() {
        missing -= 1
        if missing == 0 { call.answer(["messages": .array(answers)]) }
    }
}
