import DIMP
import Format

/// What one message to a peer may hold: as many contents as the peer's visa says, and as many bytes as everybody on the way
/// takes. How its JSON may be built is the same for each reader (`JSONLimits`).
struct BatchLimits {
    /// Contents; 1 for a peer that takes one in a message.
    var count: Int
    /// Bytes on the wire.
    var bytes: Int64

    /// Seconds between the times of two contents. The receiver refuses a batch for the time of one content (extensions.md
    /// 6): what was written under another clock is not to keep others back.
    private static let spread = 3600.0
    /// What the contents are inside of: the message's content and its list.
    private static let depth = 2
    /// Bytes and values that each content has around it: `seq`, commas.
    private static let overhead = 96
    private static let values = 4

    /// How many from the beginning may share a message; one goes in any case.
    func fitting(_ drafts: [Draft]) -> Int {
        guard count > 1, drafts.count > 1 else { return min(1, drafts.count) }
        let json = JSONLimits()
        var (bytes, values) = (Tuning.wireOverhead, 16)
        for (number, draft) in drafts.enumerated() {
            guard number < count, Self.mayShare(draft), isOfOneTime(draft, as: drafts[0]) else { return max(1, number) }
            let form = JSON.object(draft.content.json).form
            values += form.values + Self.values
            // Base64 makes it a third longer.
            bytes += Int64((draft.row.content?.utf8.count ?? 0) + Self.overhead) / 3 * 4 + 4
            guard bytes <= self.bytes, values <= json.values, form.depth + Self.depth <= json.depth else {
                return max(1, number)
            }
        }
        return drafts.count
    }

    private func isOfOneTime(_ draft: Draft, as first: Draft) -> Bool {
        guard let time = draft.content.time, let other = first.content.time else { return false }
        return abs(time - other) <= Self.spread
    }

    /// A content for a group is in an envelope of its own, and one that asks for a signed receipt has its own.
    private static func mayShare(_ draft: Draft) -> Bool {
        draft.content.mayShareMessage && draft.content.json["seq"]?["receipt"] == nil
            && draft.content.json["group"] == nil && draft.row.recipient.group == nil
    }
}

extension JSON {
    /// How deep it is, and how many values it has: at least as many as `JSONLimits` counts in its text.
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
