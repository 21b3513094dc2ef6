import DIMP
import Format
import Records

/// Answers to the calls of this board. They are kept until the call is forgotten, so that a program that was cut off asks
/// again and is told.
enum CallAnswers {
    static func take(_ content: CallContent, in context: inout Context) throws(LedgerError) {
        let object = content.object
        guard content.isSealed, let call = content.name, let part = object["part"]?.integer,
            0...ServedCalls.lastPart ~= part, let status = object["status"]?.integer, 0...255 ~= status,
            let output = object["output"]?.string, let isFinal = object["final"]?.bool
        else {
            return try context.reject(Rejection(.content, "an answer that cannot be read"), from: content.sender)
        }
        guard let calling = try context.ledger.calling(call) else {
            return try context.reject(Rejection(.content, "an answer to no call"), from: content.sender)
        }
        // Of a group that was called each member answers for itself.
        let isCalled =
            calling.receiver.address == content.sender.address
            || context.book.group(calling.receiver.address)?.membership.contains(content.sender) == true
        guard isCalled, calling.sender.address == content.owner.address else {
            return try context.reject(Rejection(.trust, "an answer by somebody else"), from: content.sender)
        }
        var answer: JSONObject = ["part": .integer(part), "status": .integer(status), "output": .string(output)]
        if let error = CallContent.label(object["error"]) { answer["error"] = .string(error) }
        answer["final"] = .bool(isFinal)
        let row = CallAnswer(call: call, sender: content.sender, part: part, text: JSON.object(answer).text)
        guard try context.ledger.hasRoom(for: row, isFinal: isFinal) else {
            return try context.reject(Rejection(.content, "more answers than a call takes"), from: content.sender)
        }
        try context.ledger.apply(.answered(row))
        context.perform(.call(.answered(call: call)))
    }
}
