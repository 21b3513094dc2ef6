import Agent
import Control
import DIMP
import Format
import Operations
import Records

extension Method {
    static let contacts: [Method] = [
        .plain("contact.add", .sender, ["did", "card", "name"]) { daemon, request, turn in
            try daemon.addContact(request, &turn)
        },
        .plain("contact.list", .reader, ["start", "limit"]) { daemon, request, _ in
            try Rows.page("contacts", daemon.facebook.contacts.map { .object(Rows.contact($0)) }, request.params)
        },
        .plain("contact.show", .reader, ["did"]) { daemon, request, _ in
            let contact = try daemon.contact(request)
            var object = Rows.contact(contact)
            object["culver"] = .bool(contact.isCulver)
            object["declared"] = .bool(contact.isDeclared)
            if let meta = daemon.facebook.meta(of: contact.id) { object["meta"] = .object(meta.json) }
            if let visa = daemon.facebook.visa(of: contact.id) { object["visa"] = .object(visa.json) }
            return .object(object)
        },
        .plain("contact.rename", .admin, ["did", "name"]) { daemon, request, _ in
            var contact = try daemon.changeable(request)
            let name = try request.params.needText("name")
            try daemon.operations.checkName(name, for: contact.id)
            contact.name = name
            daemon.loop.book.apply(.contact(contact))
            return .object(Rows.contact(contact))
        },
        .plain("contact.block", .admin, ["did"]) { daemon, request, turn in
            let id = try daemon.operations.id(try request.params.needText("did"))
            try daemon.checkIsPeer(id)
            var contact = try daemon.known(id) ?? Contact(id: id.bare, trust: .stranger)
            contact.isBlocked = true
            daemon.loop.book.apply(.contact(contact))
            try turn.handle(.refusedStranger(id))
            try turn.note(.contact, .info, "blocked \(id)", did: id.text)
            return .object(Rows.contact(contact))
        },
        .plain("contact.unblock", .admin, ["did"]) { daemon, request, turn in
            var contact = try daemon.changeable(request)
            contact.isBlocked = false
            daemon.loop.book.apply(.contact(contact))
            try turn.note(.contact, .info, "unblocked \(contact.id)", did: contact.id.text)
            return .object(Rows.contact(contact))
        },
        .plain("contact.remove", .admin, ["did"]) { daemon, request, turn in
            let contact = try daemon.changeable(request)
            try turn.handle(.forgot(contact.id))
            try turn.note(.contact, .info, "removed \(contact.id)", did: contact.id.text)
            return ["did": .string(contact.id.bare.text)]
        },
        .plain("contact.requests", .reader, ["start", "limit"]) { daemon, request, _ in
            try Rows.page("requests", try daemon.requests(), request.params)
        },
        .plain("contact.accept", .admin, ["did", "name"]) { daemon, request, turn in
            let id = try daemon.requester(request)
            let name = try request.params.text("name")
            if let name { try daemon.operations.checkName(name, for: id) }
            try turn.handle(.befriended(id))
            var contact = daemon.facebook.contact(id.address) ?? Contact(id: id.bare, trust: .contact)
            if let name {
                contact.name = name
                daemon.loop.book.apply(.contact(contact))
            }
            try turn.note(.contact, .info, "accepted \(id)", did: id.text)
            return .object(Rows.contact(contact))
        },
        .plain("contact.refuse", .admin, ["did"]) { daemon, request, turn in
            let id = try daemon.requester(request)
            try turn.handle(.refusedStranger(id))
            try turn.note(.contact, .info, "refused \(id)", did: id.text)
            return ["did": .string(id.bare.text)]
        },
    ]
}

extension Daemon {
    fileprivate func contact(_ request: Request) throws -> Contact {
        let id = try operations.id(try request.params.needText("did"))
        guard let contact = facebook.contact(id.address), contact.id == id else {
            throw Refusal(.unknownName, "unknown-contact", "\(id) is no contact")
        }
        return contact
    }

    fileprivate func changeable(_ request: Request) throws -> Contact {
        let contact = try contact(request)
        guard !contact.isDeclared else { throw Self.declared(contact.id) }
        return contact
    }

    fileprivate func known(_ id: ID) throws -> Contact? {
        guard let contact = facebook.contact(id.address) else { return nil }
        guard !contact.isDeclared else { throw Self.declared(id) }
        return contact
    }

    private static func declared(_ id: ID) -> Refusal {
        Refusal(.notPermitted, "declared", "\(id) stands in the configuration and is changed there")
    }

    /// By ID, or with a card whose meta and visa are checked before anything is kept.
    fileprivate func addContact(_ request: Request, _ turn: inout Turn) throws -> JSON {
        let card = request.params.json("card")
        let text = try card.map { try Self.did(of: $0) } ?? request.params.needText("did")
        guard let id = ID(text) else {
            throw Refusal(.badData, "bad-id", "\(text) is no ID: its check bytes or its form are wrong")
        }
        if card != nil, let did = try request.params.text("did"), ID(did) != id {
            throw Refusal(.badData, "bad-card", "the card is of \(id), not of \(did)")
        }
        try checkIsPeer(id)
        let name = try request.params.text("name")
        if let name { try operations.checkName(name, for: id) }
        let checked = try card.map { try Self.checked($0, id) }
        if name != nil { _ = try known(id) }
        let wasKnown = facebook.contact(id.address)?.isTrusted == true
        try turn.handle(.befriended(id))
        var contact = facebook.contact(id.address) ?? Contact(id: id.bare, trust: .contact)
        if let name { contact.name = name }
        loop.book.apply(.contact(contact))
        if let (meta, visa) = checked {
            loop.book.apply(.meta(meta, of: id))
            if let visa, visa.time > facebook.visa(of: id)?.time ?? -1 { loop.book.apply(.visa(visa, of: id)) }
        }
        if !wasKnown { try turn.note(.contact, .info, "added \(id)", did: id.text) }
        var object = Rows.contact(contact)
        object["known"] = .bool(wasKnown)
        return .object(object)
    }

    fileprivate func checkIsPeer(_ id: ID) throws {
        guard facebook.identity(id.address) == nil else {
            throw Refusal(.badData, "own-identity", "\(id) is an identity of this board")
        }
        guard !id.isBroadcast else { throw Refusal(.badData, "broadcast", "\(id) is everybody, and no contact") }
    }

    private static func did(of card: JSON) throws -> String {
        guard let text = card["did"]?.string ?? card["ID"]?.string else {
            throw Refusal(.badData, "bad-card", "the card has no did")
        }
        return text
    }

    private static func checked(_ card: JSON, _ id: ID) throws -> (Meta, Document?) {
        do {
            let meta = try Meta(card["meta"])
            guard meta.vouches(for: id) else { throw Rejection(.meta, "the meta is of another ID") }
            guard let json = card["visa"], !json.isNull else { return (meta, nil) }
            let visa = try Document(json)
            try visa.check(about: id, meta: meta)
            return (meta, visa)
        } catch let error as Rejection {
            throw Refusal(.badData, "bad-card", error.reason)
        }
    }

    // MARK: - Requests

    /// Who wrote to us and waits for the owner's word, with what they call themselves: a claim.
    fileprivate func requests() throws -> [JSON] {
        var rows: [JSON] = []
        for sender in try store.parkedSenders(isVerified: true, limit: 1000) {
            guard let id = ID(sender) else { continue }
            guard let first = try store.parked(sender: id.address.text, isVerified: true, limit: 1).first else {
                continue
            }
            var row: JSONObject = ["did": .string(sender)]
            if let name = Self.claimedName(first.wire) ?? id.name { row["name"] = .string(name) }
            row["first"] = .number(first.received)
            row["messages"] = .integer(Int64(try store.parkedCount(sender: id.address.text, isVerified: true)))
            rows.append(.object(row))
        }
        return rows
    }

    private static func claimedName(_ wire: [UInt8]) -> String? {
        guard let message = try? ReliableMessage(parsing: wire), let visa = try? Document(message.visa) else {
            return nil
        }
        return visa.name
    }

    /// A stranger with a request; names do not resolve here, because a stranger has none.
    fileprivate func requester(_ request: Request) throws -> ID {
        let id = try operations.id(try request.params.needText("did"))
        guard try !store.parked(sender: id.address.text, isVerified: true, limit: 1).isEmpty else {
            throw Refusal(.unknownName, "unknown-request", "\(id) has not asked for anything")
        }
        return id
    }
}
