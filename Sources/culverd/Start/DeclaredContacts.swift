import Agent
import DIMP
import Records
import Store

/// `[contact NAME]` sections are contacts while they stand in the configuration.
@MainActor struct DeclaredContacts {
    let loop: Loop
    let running: RunningConfiguration

    /// At the start and whenever the configuration was read.
    func declare() {
        let declared = running.configuration.contacts
        loop.add(
            .duty { turn in
                for section in declared { try declare(section, in: &turn) }
                turn.after { lookForUndeclared() }
            })
    }

    private var facebook: Facebook { loop.book.facebook }

    /// Which contacts were declared once is known when all were looked at. That is done a portion in a turn, so that a
    /// board with ten thousand does other things meanwhile.
    private func lookForUndeclared() {
        loop.add(
            .duty { turn in
                guard facebook.readContacts(upTo: 32) else { return turn.after { lookForUndeclared() } }
                for address in facebook.declaredContacts where !isInConfiguration(address) {
                    guard let contact = facebook.contact(address) else { continue }
                    try undeclare(contact, in: &turn)
                }
            })
    }

    private func isInConfiguration(_ address: Address) -> Bool {
        running.configuration.contacts.contains { ID($0.id)?.address == address }
    }

    private func undeclare(_ contact: Contact, in turn: inout Turn) throws {
        try turn.handle(.forgot(contact.id))
        try turn.note(
            .contact, level: .info, text: "\(contact.id) stands no longer in the configuration", did: contact.id)
    }

    private func declare(_ section: ContactSettings, in turn: inout Turn) throws {
        guard let id = ID(section.id) else { return }
        guard facebook.identity(id.address) == nil, !id.isBroadcast else {
            let text = "[contact \(section.name)] is not used: \(id) is no other's identity"
            turn.after { loop.log(.warning, text) }
            return try turn.note(.config, level: .warning, text: text, did: id, reason: "bad-contact")
        }
        var contact = facebook.contact(id.address) ?? Contact(id: id.bare, trust: .contact)
        guard !contact.isDeclared || contact.name != section.name else { return }
        try clear(section.name, for: id, in: &turn)
        contact.name = section.name
        contact.isDeclared = true
        if contact.trust == .stranger { contact.trust = .contact }
        loop.book.apply(.contact(contact))
        try turn.handle(.befriended(id))
    }

    /// The configuration has the last word about a name, but for one of the board's own identities.
    private func clear(_ name: String, for id: ID, in turn: inout Turn) throws {
        let other = facebook.id(ofContactNamed: name).flatMap { facebook.contact($0.address) }
        if let other, other.isDeclared, !isInConfiguration(other.id.address) {
            try undeclare(other, in: &turn)
        } else if let other, other.id.address != id.address {
            var nameless = other
            nameless.name = nil
            loop.book.apply(.contact(nameless))
            let text = "\(other.id) is no longer \(name): the configuration gives it to \(id)"
            turn.after { loop.log(.warning, text) }
            try turn.note(.contact, level: .warning, text: text, did: other.id, reason: "name-taken")
        }
        if let own = facebook.identities.first(where: { $0.id.name == name }) {
            let text = "[contact \(name)]: \(name) goes on meaning our own \(own.id), not \(id)"
            turn.after { loop.log(.warning, text) }
            try turn.note(.config, level: .warning, text: text, did: id, reason: "name-taken")
        }
    }
}
