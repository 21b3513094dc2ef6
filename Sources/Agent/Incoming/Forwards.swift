import DIMP
import Records

/// Messages that carry others (extensions.md 4): each message inside has an end of its own, and the one around them is taken,
/// and receipted, when all of them have. A message inside that is dropped has none: then nothing is said of the forward,
/// its sender repeats it, and what was taken is known.
///
/// Of a forward only what is to be written down is kept, not the messages: those inside are in flight by themselves.
struct Forwards {
    private var open: [Int64: OpenForward] = [:]
    private var last: Int64 = 0

    private struct OpenForward {
        var confirmation: Confirmation
        /// The forward that this one came in.
        var outer: Int64?
        /// Messages inside that have not ended.
        var left: Int
        var isComplete = true
    }

    /// A forward whose last message inside has ended.
    struct Ended {
        var confirmation: Confirmation
        var outer: Int64?
        /// Each message inside was taken, parked or refused.
        var isComplete: Bool
    }

    /// A forward of so many messages, at least one. Returns the number by which those inside name it.
    mutating func begin(_ confirmation: Confirmation, in outer: Int64?, count: Int) -> Int64 {
        last += 1
        open[last] = OpenForward(confirmation: confirmation, outer: outer, left: count)
        return last
    }

    /// A message inside was taken, parked or refused, or else dropped. Returns the forward when that was the last.
    mutating func ended(_ number: Int64, isDropped: Bool) -> Ended? {
        guard var forward = open[number] else { return nil }
        forward.left -= 1
        if isDropped { forward.isComplete = false }
        guard forward.left <= 0 else {
            open[number] = forward
            return nil
        }
        open[number] = nil
        return Ended(
            confirmation: forward.confirmation, outer: forward.outer, isComplete: forward.isComplete)
    }
}

/// What is written down when a message is taken.
struct Confirmation {
    var record: AcceptedRecord
    /// The numbers that its contents have.
    var marks: [SequenceMark]
    /// Where it is parked, if it was.
    var parked: Arrival.ParkedAt?
    /// The message's key, where it is to be acknowledged under that; `nil` for a signed receipt.
    var key: SymmetricKey?
    /// What is said of this program, in answer to a ping.
    var agent: String?
}
