import DIMP
import Records

/// Whom an identity mutes or blocks, as its other devices know it (wire.md 7.1). Those run stock software, since of two
/// culver agents with the same keys one stands back. A device asks for a list, or says what it is from now on.
enum ContactList {
    case muted, blocked

    var commandName: String { self == .muted ? "mute" : "block" }

    /// Those who are in it; `nil` while that is not known for all contacts.
    func ids(in context: Context) -> [ID]? { self == .muted ? context.book.muted : context.book.blocked }

    /// From now on these are in the list, and no others. Declared contacts, groups of everybody and identities of this board
    /// stay as they are. Returns those that are blocked by this.
    func take(_ list: [ID], in context: Context) throws(LedgerError) -> [ID] {
        let wanted = Set(list.map(\.address))
        for id in ids(in: context) ?? [] where !wanted.contains(id.address) {
            try set(false, for: id, in: context)
        }
        var blocked: [ID] = []
        for id in list where try set(true, for: id, in: context) && self == .blocked { blocked.append(id.bare) }
        return blocked
    }

    /// False when that changes nothing.
    @discardableResult
    private func set(_ isIn: Bool, for id: ID, in context: Context) throws(LedgerError) -> Bool {
        guard !id.isBroadcast, !context.book.isOurs(id.address) else { return false }
        let known = context.book.contact(id.address)
        var contact = known ?? Contact(id: id.bare, trust: .stranger)
        switch self {
        case .muted: contact.isMuted = isIn
        case .blocked: contact.isBlocked = isIn
        }
        guard contact != known, !contact.isDeclared else { return false }
        context.book.apply(.contact(contact))
        let word = "\(isIn ? "" : "un")\(commandName)\(self == .muted ? "d" : "ed")"
        try context.note(
            .contact, level: .info, text: "\(word) \(contact.id), as another device of ours says", did: contact.id)
        return true
    }
}
