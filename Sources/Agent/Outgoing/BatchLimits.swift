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
    private static let overhead: Int64 = 96
    private static let values = 4

    /// How many from the beginning may share a message; one goes in any case.
    func fitting(_ drafts: [Draft]) -> Int {
        guard count > 1, drafts.count > 1 else { return min(1, drafts.count) }
        let json = JSONLimits()
        var (bytes, values) = (Tuning.wireOverhead, 16)
        for (number, draft) in drafts.enumerated() {
            guard number < count, draft.mayShareMessage, isOfOneTime(draft, as: drafts[0]) else {
                return max(1, number)
            }
            values += draft.form.values + Self.values
            // Base64 makes it a third longer.
            bytes += (draft.size + Self.overhead) / 3 * 4 + 4
            guard bytes <= self.bytes, values <= json.values, draft.form.depth + Self.depth <= json.depth else {
                return max(1, number)
            }
        }
        return drafts.count
    }

    private func isOfOneTime(_ draft: Draft, as first: Draft) -> Bool {
        guard let time = draft.time, let other = first.time else { return false }
        return abs(time - other) <= Self.spread
    }
}
