import DIMP
import Format
import Operations
import Records
import Store

/// Rows of the store in the vocabulary of the socket (culver-protocol(7)). `names`: how this board calls somebody.
enum Rows {
    static func incoming(_ row: Incoming, names: (ID) -> String?, isMuted: (ID) -> Bool) -> JSONObject {
        var members: [(name: String, value: JSON)] = [
            ("seq", .integer(row.seq)), ("id", .string(row.id)), ("sn", .integer(row.sn)),
            ("sender", .string(row.sender.text)), ("receiver", .string(row.receiver.text)),
        ]
        if let name = names(row.sender) { members.append(("name", .string(name))) }
        if let group = row.group { members.append(("group", .string(group.text))) }
        let content = (try? JSON(parsing: row.content)) ?? .null
        if let subject = row.subject { members.append(("subject", .string(subject))) }
        if let data = content.object?.culverData { members.append(("data", data)) }
        if let expires = row.expires { members.append(("expires", .number(abs(expires)))) }
        members += [
            ("time", .number(row.time)), ("received", .number(row.received)), ("content", content),
            ("sealed", .bool(row.sealed)),
            ("encrypted", .bool(row.encrypted)), ("trust", .string(row.trust.rawValue)),
        ]
        if isMuted(row.sender) { members.append(("muted", true)) }
        return JSONObject(distinct: members)
    }

    static func outgoing(_ row: Outgoing, names: (ID) -> String?) -> JSONObject {
        var object: JSONObject = [
            "id": .string(row.id), "sn": .integer(row.sn), "sender": .string(row.sender.text),
            "receiver": .string(row.receiver.text),
        ]
        if let name = names(row.receiver) { object["name"] = .string(name) }
        object["state"] = .string(row.state.rawValue)
        object["created"] = .number(row.created)
        if let published = row.published { object["published"] = .number(published) }
        if let delivered = row.delivered { object["delivered"] = .number(delivered) }
        object["attempts"] = .integer(row.attempts)
        if let reason = row.reason { object["reason"] = .string(reason) }
        if let ref = row.ref { object["ref"] = .string(ref) }
        if row.priority != .normal { object["priority"] = .string(row.priority.rawValue) }
        return object
    }

    static func peer(_ peer: PeerCount, names: (ID) -> String?) -> JSON {
        var object: JSONObject = ["did": .string(peer.did.text)]
        if let name = names(peer.did) { object["name"] = .string(name) }
        object["sent"] = .integer(peer.sent)
        object["receipted"] = .integer(peer.receipted)
        object["pending"] = .integer(peer.pending)
        if let oldest = peer.oldest { object["oldest"] = .number(oldest) }
        object["gaps"] = .integer(peer.gaps)
        return .object(object)
    }

    static func event(_ row: EventRecord) -> JSONObject {
        var object: JSONObject = [
            "n": .integer(row.n), "time": .number(row.time), "kind": .string(row.kind.rawValue),
            "level": .string(row.level.rawValue),
        ]
        if let did = row.did { object["did"] = .string(did.text) }
        if let broker = row.broker { object["broker"] = .string(broker) }
        if let id = row.id { object["id"] = .string(id) }
        if let reason = row.reason { object["reason"] = .string(reason) }
        object["count"] = .integer(row.count)
        if let first = row.first { object["first"] = .number(first) }
        object["text"] = .string(row.text)
        return object
    }

    static func contact(_ contact: Contact) -> JSONObject {
        var object: JSONObject = ["did": .string(contact.id.bare.text)]
        if let name = contact.name { object["name"] = .string(name) }
        object["trust"] = .string(contact.trust.rawValue)
        object["blocked"] = .bool(contact.isBlocked)
        object["muted"] = .bool(contact.isMuted)
        return object
    }

    /// `{"<plural>": […], "next"?}`, ended before the reply passes 1 MiB; `next` is where the following page starts.
    ///
    /// Forwards, what comes first is kept, and a row beyond `limit` becomes `next`. Without a start, the newest are
    /// kept, and nothing follows. A row that is `nil` counts and is not shown.
    static func page(
        _ plural: String, _ rows: [(position: Int64, row: JSONObject?)], limit: Int, isForward: Bool
    ) -> JSON {
        var size = 0
        var taken: [JSON] = []
        var next: Int64?
        for (count, (position, row)) in (isForward ? rows : rows.reversed()).enumerated() {
            let json = row.map { JSON.object($0) }
            size += json?.bytes.count ?? 0
            if count == limit || (size > 1 << 20 && !taken.isEmpty) {
                next = position
                break
            }
            if let json { taken.append(json) }
        }
        var object: JSONObject = [:]
        object[plural] = .array(isForward ? taken : taken.reversed())
        if isForward, let next { object["next"] = .integer(next) }
        return .object(object)
    }

    /// A list that is small enough to be counted off: `start` is a place in it.
    static func page(_ plural: String, _ rows: [JSON], _ params: Params) throws -> JSON {
        let start = try params.integer("start", in: 0...Int64.max).map { Int(clamping: $0) } ?? 0
        let limit = try params.limit(unlessTold: 1000)
        let part = rows.enumerated().dropFirst(start).prefix(limit + 1)
        return page(plural, part.map { (Int64($0.offset), $0.element.object) }, limit: limit, isForward: true)
    }
}

extension Outgoing {
    /// Whether one of these sent it; `nil` stands for everybody.
    func isOf(_ allowed: [ID]?) -> Bool {
        allowed?.contains(sender) ?? true
    }
}
