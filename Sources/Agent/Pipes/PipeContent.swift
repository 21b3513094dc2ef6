package import DIMP
import Format
package import Records

/// A content of the module `pipe` as it came, with who sent it (extensions.md 13).
///
///     {"type": 204, "app": "culver", "mod": "pipe", "act": "data", "pipe": NAME, "stream": STREAM, "n": N, "data": base64}
///     {…, "act": "end", "pipe": NAME, "stream": STREAM, "n": N}
///     {…, "act": "taken", "pipe": NAME, "stream": STREAM of the reader of this, "n": COUNT}
///     {…, "act": "error", "pipe": NAME, "stream"?: STREAM, "to"?: STREAM of the reader of this, "error": WORD}
struct PipeContent {
    enum PipeAct: String {
        case data, end, taken, error
    }

    var act: PipeAct?
    var object: JSONObject
    var sender: ID
    var owner: ID
    /// Only what nobody can replay, re-address or re-date is of a pipe.
    var isSealed: Bool

    /// `nil` for every other content.
    init?(_ content: Content, in opened: Opened) {
        guard content.json.culverModule == "pipe", !opened.arrival.isForAll else { return nil }
        act = content.json["act"]?.string.flatMap(PipeAct.init)
        object = content.json
        sender = opened.sender.bare
        owner = opened.owner.bare
        isSealed =
            opened.isSealed && opened.isEncrypted && content.group == nil && !opened.envelope.target.isGroup
    }

    /// `nil` without a name that can be one.
    var key: PipeRecord.PipeKey? {
        CallContent.label(object["pipe"]).map {
            PipeRecord.PipeKey(owner: owner.address, peer: sender.address, name: $0)
        }
    }

    var stream: PipeStream? { object["stream"]?.string.flatMap(PipeStream.init) }
    var number: Int64? { object["n"]?.integer.flatMap { 0...PipeLimits.greatest ~= $0 ? $0 : nil } }
}

/// The name of a stream: `EPOCH-NUMBER`. The epoch is random for an installation, and new when its books are a copy; the
/// number rises with every stream that is begun, so that of two streams under one name the later one is known.
struct PipeStream: Equatable {
    var epoch: String
    var number: Int64

    init(epoch: String, number: Int64) {
        self.epoch = epoch
        self.number = number
    }

    /// `nil` for a text that is none. One spelling for each.
    init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, (1...32).contains(parts[0].utf8.count), let number = Int64(parts[1]),
            0...PipeLimits.greatest ~= number, String(number) == parts[1],
            parts[0].utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) })
        else { return nil }
        (epoch, self.number) = (String(parts[0]), number)
    }

    var text: String { "\(epoch)-\(number)" }

    /// Whether it was begun after that one. What another installation began is taken for newer: that one is gone.
    func isNewer(than other: String?) -> Bool {
        guard let other = other.flatMap(PipeStream.init), other.epoch == epoch else { return true }
        return number > other.number
    }
}

/// What a program is told of, and held to.
package enum PipeLimits {
    /// Pieces of a program that may lie between it and the peer's program.
    package static let window: Int64 = 32
    /// Pipes of one peer with one identity, and of all, that are not over.
    package static let ofPeer: Int64 = 8
    package static let all: Int64 = 64
    /// The greatest number of a piece: JSON's numbers are exact up to it.
    package static let greatest: Int64 = 1 << 53
}

/// What a program writes into a pipe: a piece or, without data, the end.
package struct PipeWrite: Sendable {
    /// Whom to answer, when it is on disk.
    package var token: UInt64
    /// The stream that it writes.
    package var pipe: String
    package var number: Int64
    /// Base64.
    package var data: String?

    package init(token: UInt64, pipe: String, number: Int64, data: String?) {
        self.token = token
        self.pipe = pipe
        self.number = number
        self.data = data
    }
}

/// What happens to pipes besides messages.
package enum PipeNews: Sendable {
    /// The daemon has begun: programs that had a pipe open have some time to come back, but for those that are back.
    case restarted(back: Set<String>)
    /// A program opens a pipe, or one that it had open: `resuming` is the stream that it writes. Nothing happens to one that
    /// is over.
    case opened(PipeRecord.PipeKey, owner: ID, peer: ID, resuming: String?)
    case write(PipeWrite)
    /// The program has taken everything up to this number.
    case taken(pipe: String, upTo: Int64)
    /// The program gives the pipe up, for this reason.
    case closed(pipe: String, error: String)
    /// The program is away.
    case left(pipe: String)
}

/// What is to be done about pipes, after the turn is on disk. A pipe goes by the stream that this board's program writes.
package enum PipeOrder: Sendable, Equatable {
    /// Something came, or there is room for more.
    case changed(String)
    /// It is over, well or for this reason.
    case over(String, error: String?)
}
