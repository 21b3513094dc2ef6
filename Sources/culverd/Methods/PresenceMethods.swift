import Agent
import DIMP
import Format
import Operations
import Records
import Store

/// `presence.*`: how contacts were seen last.
@MainActor struct PresenceMethods {
    let loop: Loop

    /// Of one contact, which is watched from now on; or of all that are watched.
    func get(_ request: CheckedCall, in turn: inout Turn) throws -> JSON {
        guard let text = try request.params.text("did") else {
            return try Rows.page(
                "contacts", turn.messenger.watchedContacts.map { row(of: $0, in: turn) }, request.params)
        }
        let id = try loop.names.id(text)
        guard let contact = loop.book.facebook.contact(id.address), contact.id == id else {
            throw Refusal(.unknownName, "unknown-contact", "\(id) is no contact")
        }
        try turn.handle(.presenceWanted(contact.id))
        return row(of: contact.id, in: turn)
    }

    private func row(of id: ID, in turn: Turn) -> JSON {
        let facebook = loop.book.facebook
        let presence = turn.messenger.presence(of: id) ?? PeerPresence(state: .unknown)
        var row: JSONObject = ["did": .string(id.bare.text)]
        if let name = loop.names.name(of: id) { row["name"] = .string(name) }
        row["state"] = .string(presence.state.rawValue)
        row["since"] = presence.since.map { .number($0) }
        row["boot"] = presence.boot.map { .string($0) }
        row["seen"] = presence.seen.map { .number($0) }
        row["agent"] = presence.agent.map { .string($0) }
        let isCulver = facebook.contact(id.address)?.isCulver == true || facebook.visa(of: id)?.isOfCulver == true
        row["culver"] = .bool(isCulver)
        return .object(row)
    }
}
