import DIMP
import Records

/// Whom an identity mutes or blocks, as its other devices know it (wire.md 7.1). Those run stock software, since of two
/// culver agents with the same keys one stands back. A device asks for a list, or says what it is from now on.
enum ContactList {
    case muted, blocked

    var commandName: String { self == .muted ? "mute" : "block" }

    /// Those who are in it; `nil` while that is not known for all contacts.
    func ids(in context: Context) -> [ID]? { self == .muted ? context.book.muted : context.book.blocked }

    /// From now on these are in the list as well. Nobody leaves it: such a list has no seal, and an old one can be laid
    /// again, or be shown by whomever it was written to. Declared contacts, groups of everybody and identities of this
    /// board stay as they are. Returns those that are blocked by this.
    func take(_ list: [ID], in context: Context) throws(LedgerError) -> [ID] {
        var blocked: [ID] = []
        for id in list where try add(id, in: context) && self == .blocked { blocked.append(id.bare) }
        return blocked
    }

    /// False when that changes nothing.
    private func add(_ id: ID, in context: Context) throws(LedgerError) -> Bool {
        guard !id.isBroadcast, !context.book.isOurs(id.address) else { return false }
        let known = context.book.contact(id.address)
        var contact = known ?? Contact(id: id.bare, trust: .stranger)
        switch self {
        case .muted: contact.isMuted = true
        case .blocked: contact.isBlocked = true
        }
        guard contact != known, !contact.isDeclared else { return false }
        context.book.apply(.contact(contact))
        let word = self == .muted ? "muted" : "blocked"
        try context.note(
            .contact, level: .info, text: "\(word) \(contact.id), as another device of ours says", did: contact.id)
        return true
    }
}
