import DIMP
import Format

/// Messages inside a forward that are for somebody else: a board hands them on whose owner says for whom (extensions.md 4).
/// It keeps none of them and cannot read them; the forward has its receipt when a broker has all that is inside.
enum Relay {
    /// The message as it goes on, with this board among its traces. `nil` for one that this board does not hand on, so that
    /// it takes the usual way. Throws for one that was here before, or has been handed on too often.
    static func next(
        _ message: ReliableMessage, from outer: Opened, in context: Context
    ) throws(Rejection) -> ReliableMessage? {
        let receiver = message.envelope.receiver
        guard !context.book.isOurs(receiver.address), isServed(receiver, in: context),
            context.book.isPersonallyTrusted(outer.sender)
        else { return nil }
        let own = context.book.identities.map(\.id)
        guard !message.traces.contains(where: { trace in own.contains { isTrace(trace, of: $0) } }) else {
            throw Rejection(.receiver, "the message was handed on by this board before")
        }
        guard message.traces.count < ProtocolLimits.traces else {
            throw Rejection(.receiver, "the message was handed on too often")
        }
        var next = message
        next.traces.append(.string(outer.owner.bare.text))
        return next
    }

    private static func isServed(_ receiver: ID, in context: Context) -> Bool {
        guard !receiver.isBroadcast, !receiver.isGroup else { return false }
        return switch context.policy.relaying {
        case .forNobody: false
        case .forContacts: context.book.contact(receiver.address)?.isTrusted == true
        case .forThese(let ids): ids.contains { $0.address == receiver.address }
        }
    }

    /// Stations write texts, or objects with the ID among the members.
    private static func isTrace(_ trace: JSON, of id: ID) -> Bool {
        let text = trace.string ?? trace.object?.first("did", "ID")?.string
        return text.flatMap { ID($0) }?.address == id.address
    }
}
