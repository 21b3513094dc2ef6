import DIMP
import Format
package import Records

/// A row of the outbox on its way through the pool, and the callers that wait for its number. Its content is the row's text:
/// a tree takes more memory, and a thousand may wait. The pool reads it again.
///
/// A class that never changes: each turn works on a copy of all that wait, which costs a reference for each.
package final class Draft: Sendable {
    package let row: Outgoing
    /// The number that it was given for a culver peer.
    let number: Int64?
    let tokens: [UInt64]
    /// The members for whom a message to a group is made, once it was given to the pool.
    let audience: [ID]
    /// The content's own; `nil` when it has none that can be read.
    let time: Double?
    /// How deep the content's JSON is, and how many values it has: at least as many as `JSONLimits` counts in its text.
    let form: (depth: Int, values: Int)
    /// A content for a group is in an envelope of its own, a ping has an answer of its own, and one that asks for a signed
    /// receipt has its own.
    let mayShareMessage: Bool
    let namesGroup: Bool
    let wantsSignedReceipt: Bool

    /// `content`: what the row's text says.
    init(row: Outgoing, content: Content, tokens: [UInt64]) {
        self.row = row
        self.tokens = tokens
        number = nil
        audience = []
        time = content.time
        form = JSON.object(content.json).form
        let wantsReceipt = content.json["seq"]?["receipt"] != nil
        wantsSignedReceipt = wantsReceipt
        namesGroup = content.json["group"] != nil
        mayShareMessage =
            content.mayShareMessage && !content.isPing && !wantsReceipt && !namesGroup && row.recipient.group == nil
    }

    private init(_ draft: Draft, number: Int64?, audience: [ID]) {
        (row, tokens, time, form) = (draft.row, draft.tokens, draft.time, draft.form)
        (mayShareMessage, namesGroup) = (draft.mayShareMessage, draft.namesGroup)
        wantsSignedReceipt = draft.wantsSignedReceipt
        self.number = number
        self.audience = audience
    }

    /// The same with another number, or with none.
    func numbered(_ number: Int64?) -> Draft { Draft(self, number: number, audience: audience) }

    /// The same for these members of a group.
    func addressed(to audience: [ID]) -> Draft { Draft(self, number: number, audience: audience) }

    /// The bytes of the content.
    var size: Int64 { Int64(row.content?.utf8.count ?? 0) }

    /// The content as it is sealed: with its number in that stream, or without what a receiver that is no culver agent does
    /// not know. `nil` when the text cannot be read.
    func content(in stream: String?) -> Content? {
        // Of this board's own making: what it took is not too much for it.
        let limits = JSONLimits(depth: .max, values: .max)
        guard let text = row.content, let json = try? JSON(parsing: text, limits: limits),
            var content = try? Content(json)
        else { return nil }
        guard let stream, let number else {
            content.json["seq"] = nil
            return content
        }
        var sequence: JSONObject = ["s": .string(stream), "n": .integer(number)]
        // On disk since before it was sealed: a backup of then will seal it once more, as another ciphertext.
        if row.order > 0 { sequence["waited"] = true }
        sequence["receipt"] = content.json["seq"]?["receipt"]
        sequence["expires"] = content.json["seq"]?["expires"]
        content.json["seq"] = .object(sequence)
        return content
    }
}

extension JSON {
    fileprivate var form: (depth: Int, values: Int) {
        var (depth, values) = (0, 1)
        func add(_ inner: JSON) {
            let form = inner.form
            depth = max(depth, form.depth)
            values += form.values
        }
        switch self {
        case .array(let list): for inner in list { add(inner) }
        case .object(let object): for member in object.members { add(member.value) }
        default: return (0, 1)
        }
        return (depth + 1, values)
    }
}
