/// The numbers that culver agents agree on, each with its paragraph. What only tunes one board stands with its owner
/// (`[limits]` of culver.conf(5)).
package enum ProtocolLimits {
    /// Seconds that the time of a content may be ahead of the reader's clock (extensions.md 6).
    package static let contentAhead = 600.0
    /// Seconds after which a content is too old to be taken (extensions.md 6).
    package static let contentAge = 31.0 * 86_400
    /// 2024-01-01: a content time before it is as good as none (extensions.md 6).
    package static let earliestContentTime = 1_704_067_200.0
    /// Bytes of a meta or a document as JSON text, whatever way it came (extensions.md 1).
    package static let cardBytes = 64 << 10
    /// IDs in one list of a command (wire.md 7): each costs two hashes. What names more is handed on unread.
    package static let listedIDs = 1_024
    /// Bytes on the wire of a message that every agent takes whose visa does not say less, and the least that one can say
    /// (extensions.md 2).
    package static let messageSize: Int64 = 1 << 20
    package static let leastMessageSize: Int64 = 16 << 10
    /// Contents in one array (extensions.md 5).
    package static let arrayContents = 64
    /// Forwards around one message (extensions.md 4).
    package static let forwardDepth = 3
    /// Messages in one forward (extensions.md 4).
    package static let forwardedMessages = 16
    /// Boards that hand one message on, one to the other (extensions.md 4).
    package static let traces = 8
    /// Wrapped keys of one message that are tried: each costs a private-key operation per secret (extensions.md 4).
    package static let wrappedKeys = 4
    /// Visa keys that an identity keeps: the last one opens what was under way when it was replaced (wire.md 6.3).
    package static let visaKeys = 2
    /// Visas of one stock user, each for another device (wire.md 4).
    package static let devices = 8
    /// Seconds after which both sides destroy a reused key (extensions.md 2).
    package static let reusedKeyLife = 86_400.0
    /// Messages after which both sides destroy a reused key (extensions.md 2).
    package static let reusedKeyUses = 1_000
    /// Seconds in which a repeat of one message is receipted once (extensions.md 5).
    package static let receiptPause = 10.0
    /// Messages that one acknowledgement names, and its bytes (extensions.md 5).
    package static let acknowledgedTogether = 64
    package static let acknowledgementBytes = 4 << 10
    /// Bytes of ciphertext in one piece of a file, the pieces of one file, and the ranges that one word about it names
    /// (extensions.md 10).
    package static let pieceBytes = (least: 1 << 10, most: 64 << 10)
    package static let pieces = 16_384
    package static let pieceRanges = 64
}
