package import Format

/// A message that came in, read and not checked: the first station of the one order of checks (extensions.md 4).
///
///     IncomingMessage ─ addressed ─▶ AddressedMessage ─ verified ─▶ VerifiedMessage ─ opened ─▶ OpenedMessage
///
/// Each station offers only the steps that may come next; between them the caller applies its own policy:
///
///      1  size        init(parsing:)                       9  trust        caller: stranger under `ask`
///      2  JSON        init(parsing:), init(_:)            10  budget       caller: private-key operations
///      3  receiver    addressed(to:including:)            11  key          broadcastKey, keptKey, unwrapped
///      4  blocked     caller: also closed to strangers    12  decrypt      opened(with:)
///      5  meta        meta(known:)                        13  content      opened(with:)
///      6  seen        caller: de-duplication              14  seal         checkSeal(isRequired:)
///      7  budget      caller: public-key operations       15  time         checkTime(at:), for a caller with a clock
///      8  signature   verified(by:)                       16  inbox        caller
///
/// All steps are pure. `verified(by:)` is a public-key operation and `unwrapped(with:)` a private-key one, so both fit
/// a pool; everything else is quick. Messages inside a forward take the same way with their own sender.
package struct IncomingMessage: Sendable {
    /// The caller may attach a meta that it found meanwhile.
    package var message: ReliableMessage

    /// Steps 1 and 2. `maximumSize` is in bytes; a caller that bounds its input elsewhere gives none.
    package init(
        parsing wire: [UInt8], maximumSize: Int? = nil, limits: JSONLimits = JSONLimits()
    ) throws(Rejection) {
        if let maximumSize, wire.count > maximumSize {
            throw Rejection(.parse, "the message is larger than \(maximumSize) bytes")
        }
        message = try ReliableMessage(parsing: wire, limits: limits)
    }

    /// Step 2 for a message whose JSON is read already, because it came inside another message or a request.
    package init(_ json: JSON) throws(Rejection) {
        message = try ReliableMessage(json)
    }

    package init(_ message: ReliableMessage) {
        self.message = message
    }

    /// A claim until the signature is verified; without the terminal, which stays one.
    package var sender: ID { message.envelope.sender.bare }

    /// Step 3: the one of `owners` that the message is for. A broadcast or a group message is for the first of them,
    /// if the caller takes such messages. Whether a group is one of the caller's is for the caller to know.
    package func addressed(
        to owners: [ID], including shared: SharedReceivers = []
    ) throws(Rejection) -> AddressedMessage {
        let receiver = message.envelope.receiver
        let owner = owners.first { $0 == receiver } ?? (shared.includes(receiver) ? owners.first : nil)
        guard let owner else { throw Rejection(.receiver, "the message is for somebody else") }
        guard !sender.isBroadcast else { throw Rejection(.meta, "the sender is nobody") }
        return AddressedMessage(message: message.trimmed(for: owner), owner: owner.bare)
    }

    /// Step 3 for a message inside a forward. A broadcast there is meant for whoever the outer message was for
    /// (wire.md 6.6); every other message is for one of `owners`.
    package func addressed(to owners: [ID], inside outer: AddressedMessage) throws(Rejection) -> AddressedMessage {
        try addressed(to: [outer.owner] + owners, including: .broadcasts)
    }
}

/// Receivers that stand for several entities.
package struct SharedReceivers: OptionSet, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    package static let broadcasts = SharedReceivers(rawValue: 1)
    package static let groups = SharedReceivers(rawValue: 2)

    fileprivate func includes(_ receiver: ID) -> Bool {
        receiver.isBroadcast ? contains(.broadcasts) : receiver.isGroup && contains(.groups)
    }
}

/// Why something that a peer sent is not taken. The peer's fault, never ours: dropped, counted, not answered.
public struct Rejection: Error, Sendable, Hashable, CustomStringConvertible {
    public package(set) var stage: Stage
    public package(set) var reason: String

    package init(_ stage: Stage, _ reason: String) {
        self.stage = stage
        self.reason = reason
    }

    public var description: String { "\(stage.rawValue): \(reason)" }

    /// Where on the way in it ended, in the order of extensions.md 4. `replay` is reserved: the daemon receipts again what
    /// it has seen, and to open a message that was kept is no replay.
    public enum Stage: String, Sendable, CaseIterable {
        case parse, receiver, meta, replay, signature, trust, key, decrypt, content, seal, time
    }
}
