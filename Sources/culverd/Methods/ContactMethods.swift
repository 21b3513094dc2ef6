import Agent
import Control
import DIMP
import Format
import Operations
import Records
import Store

/// `contact.*`: whom this board knows, and strangers that wait for its owner's word.
@MainActor struct ContactMethods {
    let loop: Loop
    let rights: CallerRights

    private var store: MessageStore { loop.store }
    private var book: Book { loop.book }
    private var facebook: Facebook { loop.book.facebook }

    func list(_ request: CheckedCall) throws -> JSON {
        let start = try request.params.integer("start", in: 0...Int64.max).map { Int(clamping: $0) } ?? 0
        let limit = try request.params.limit(unlessTold: 1000)
        let part = facebook.contacts(from: start, limit: limit + 1)
        return Rows.page(
            "contacts", part.map { (Int64($0.place), $0.contact.map(Rows.contact)) }, limit: limit, isForward: true)
    }

    func show(_ request: CheckedCall) throws -> JSON {
        let contact = try contact(request)
        var object = Rows.contact(contact)
        object["culver"] = .bool(contact.isCulver)
        object["declared"] = .bool(contact.isDeclared)
        if let meta = facebook.meta(of: contact.id) { object["meta"] = .object(meta.json) }
        if let visa = facebook.visa(of: contact.id) { object["visa"] = .object(visa.json) }
        return .object(object)
    }

    /// A group has its name in the same way.
    func rename(_ request: CheckedCall) throws -> JSON {
        if let id = try? loop.names.id(request.params.needText("did")), var group = facebook.groups.group(id.address) {
            let name = try request.params.needText("name")
            try loop.names.checkName(name, for: group.id)
            group.name = name
            book.apply(.group(group))
            return ["did": .string(group.id.text), "name": .string(name)]
        }
        var contact = try changeable(request)
        let name = try request.params.needText("name")
        try loop.names.checkName(name, for: contact.id)
        contact.name = name
        book.apply(.contact(contact))
        return .object(Rows.contact(contact))
    }

    func block(_ request: CheckedCall, in turn: inout Turn) throws -> JSON {
        let id = try loop.names.id(try request.params.needText("did"))
        try checkIsPeer(id)
        var contact = try known(id) ?? Contact(id: id.bare, trust: .stranger)
        contact.isBlocked = true
        book.apply(.contact(contact))
        try turn.handle(.refusedStranger(id))
        try turn.note(.contact, level: .info, text: "blocked \(id)", did: id)
        return .object(Rows.contact(contact))
    }

    func unblock(_ request: CheckedCall, in turn: inout Turn) throws -> JSON {
        var contact = try changeable(request)
        contact.isBlocked = false
        book.apply(.contact(contact))
        try turn.note(.contact, level: .info, text: "unblocked \(contact.id)", did: contact.id)
        return .object(Rows.contact(contact))
    }

    /// `isMuted`: from now on, or no more.
    func mute(_ request: CheckedCall, _ isMuted: Bool, in turn: inout Turn) throws -> JSON {
        let id = try loop.names.id(try request.params.needText("did"))
        try checkIsPeer(id)
        var contact = try isMuted ? known(id) ?? Contact(id: id.bare, trust: .stranger) : changeable(request)
        contact.isMuted = isMuted
        book.apply(.contact(contact))
        try turn.note(.contact, level: .info, text: "\(isMuted ? "muted" : "unmuted") \(contact.id)", did: contact.id)
        return .object(Rows.contact(contact))
    }

    func remove(_ request: CheckedCall, in turn: inout Turn) throws -> JSON {
        let contact = try changeable(request)
        try turn.handle(.forgot(contact.id))
        try turn.note(.contact, level: .info, text: "removed \(contact.id)", did: contact.id)
        return ["did": .string(contact.id.bare.text)]
    }

    // MARK: - Adding

    /// By ID, or with a card whose meta and visa are checked before anything is kept. What is there already stays as it
    /// is, unless an admin adds it.
    func add(_ request: CheckedCall, in turn: inout Turn) throws -> JSON {
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
        try checkMayAdd(id, named: name, for: request)
        let checked = try card.map { try Self.checked($0, of: id) }
        if name != nil { _ = try known(id) }
        let wasKnown = facebook.contact(id.address)?.isTrusted == true
        try turn.handle(.befriended(id))
        var contact = facebook.contact(id.address) ?? Contact(id: id.bare, trust: .contact)
        if let name { contact.name = name }
        book.apply(.contact(contact))
        if let (meta, visa) = checked {
            book.apply(.meta(meta, of: id))
            if let visa, visa.time > facebook.visa(of: id)?.time ?? -1 { book.keep(visa, of: id) }
        }
        if !wasKnown { try turn.note(.contact, level: .info, text: "added \(id)", did: id) }
        var object = Rows.contact(contact)
        object["known"] = .bool(wasKnown)
        return .object(object)
    }

    private func checkIsPeer(_ id: ID) throws {
        guard facebook.identity(id.address) == nil else {
            throw Refusal(.badData, "own-identity", "\(id) is an identity of this board")
        }
        guard !id.isBroadcast else { throw Refusal(.badData, "broadcast", "\(id) is everybody, and no contact") }
        guard !id.hasMembers else { throw Refusal(.badData, "is-group", "\(id) is a group, and no contact") }
    }

    private static func did(of card: JSON) throws -> String {
        guard let text = card["did"]?.string ?? card["ID"]?.string else {
            throw Refusal(.badData, "bad-card", "the card has no did")
        }
        return text
    }

    /// The one rule of who may add: whoever may send makes a new contact, with a new name. A contact, a name or a block
    /// that is there is changed by an admin alone.
    private func checkMayAdd(_ id: ID, named name: String?, for request: CheckedCall) throws {
        if let name { try loop.names.checkName(name, for: id) }
        guard rights.role(of: request) < .admin, let contact = facebook.contact(id.address) else { return }
        guard !contact.isBlocked else { throw Self.lacking("\(id) is blocked, and to unblock it") }
        guard let name, contact.isTrusted, contact.name != name else { return }
        let known = contact.name.map { "\(id) is the contact \($0)" } ?? "\(id) is a contact without a name"
        throw Self.lacking("\(known), and to rename it")
    }

    private static func lacking(_ words: String) -> RPCError {
        RPCError(
            exit: .notPermitted, reason: "not-permitted", message: "\(words) needs the role admin",
            hint: "call it as root, or give the role in [access] of culver.conf")
    }

    private static func checked(_ card: JSON, of id: ID) throws -> (Meta, Document?) {
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

    func requests(_ request: CheckedCall) throws -> JSON {
        try Rows.page("requests", try waiting(), request.params)
    }

    func accept(_ request: CheckedCall, in turn: inout Turn) throws -> JSON {
        let id = try requester(request)
        let name = try request.params.text("name")
        try checkMayAdd(id, named: name, for: request)
        try turn.handle(.befriended(id))
        var contact = facebook.contact(id.address) ?? Contact(id: id.bare, trust: .contact)
        if let name {
            contact.name = name
            book.apply(.contact(contact))
        }
        try turn.note(.contact, level: .info, text: "accepted \(id)", did: id)
        return .object(Rows.contact(contact))
    }

    func refuse(_ request: CheckedCall, in turn: inout Turn) throws -> JSON {
        let id = try requester(request)
        try turn.handle(.refusedStranger(id))
        try turn.note(.contact, level: .info, text: "refused \(id)", did: id)
        return ["did": .string(id.bare.text)]
    }

    /// Strangers that wrote and wait for the owner's word. Their messages are verified, so the name in the ID is theirs; the
    /// visa that came along was not looked at.
    private func waiting() throws -> [JSON] {
        try store.parkedRequests(limit: 1000).map { request in
            var row: JSONObject = ["did": .string(request.sender.text)]
            if let name = request.sender.name { row["name"] = .string(name) }
            row["first"] = .number(request.first)
            row["messages"] = .integer(request.messages)
            return .object(row)
        }
    }

    /// A stranger with a request; names do not resolve here, because a stranger has none.
    private func requester(_ request: CheckedCall) throws -> ID {
        let id = try loop.names.id(try request.params.needText("did"))
        guard try store.parkedCount(sender: id.address, isVerified: true) > 0 else {
            throw Refusal(.unknownName, "unknown-request", "\(id) has not asked for anything")
        }
        return id
    }

    // MARK: - Looking

    private func contact(_ request: CheckedCall) throws -> Contact {
        let id = try loop.names.id(try request.params.needText("did"))
        guard let contact = facebook.contact(id.address), contact.id == id else {
            throw Refusal(.unknownName, "unknown-contact", "\(id) is no contact")
        }
        return contact
    }

    private func changeable(_ request: CheckedCall) throws -> Contact {
        let contact = try contact(request)
        guard !contact.isDeclared else { throw Self.declared(contact.id) }
        return contact
    }

    private func known(_ id: ID) throws -> Contact? {
        guard let contact = facebook.contact(id.address) else { return nil }
        guard !contact.isDeclared else { throw Self.declared(id) }
        return contact
    }

    private static func declared(_ id: ID) -> Refusal {
        Refusal(.notPermitted, "declared", "\(id) stands in the configuration and is changed there")
    }
}
