package import DIMP
package import Format

/// `members.json`: the commands that count, and for people to read what follows from them.
extension KnownGroup {
    package var json: JSONObject {
        var object: JSONObject = ["did": .string(id.text)]
        if let name { object["name"] = .string(name) }
        if learnt > 0 { object["learnt"] = .number(learnt) }
        object["founder"] = .string(membership.owner.text)
        object["members"] = .array(membership.members.map { .string($0.text) })
        object["administrators"] = .array(membership.administrators.map { .string($0.text) })
        if let card { object["card"] = .object(card) }
        object["commands"] = .array(records.map { .object($0.json) })
        return object
    }

    /// `nil` unless ID and founder can be read. A command that cannot is left out: others have it, and are asked.
    package init?(_ json: JSONObject) {
        guard let id = json["did"]?.string.flatMap({ ID($0) }), id.isGroup,
            let founder = json["founder"]?.string.flatMap({ ID($0) }), let commands = json["commands"]?.array
        else { return nil }
        let records = commands.prefix(Self.recordLimit + 1).compactMap { $0.object.flatMap { GroupRecord($0) } }
        self.init(id, foundedBy: founder, records: records)
        name = json["name"]?.string
        learnt = json["learnt"]?.double ?? 0
        if let card = json["card"]?.object { show(card) }
    }
}

extension GroupRecord {
    /// `{"message": BROADCAST}`, or what was read of a command that came encrypted: `{"signer", "content"}`.
    fileprivate var json: JSONObject {
        if let message { return ["message": .object(message)] }
        var content: JSONObject = [
            "type": .integer(ContentType.history.rawValue), "command": .string(act.rawValue), "sn": .integer(sn),
            "time": .number(time), "members": .array(members.map { .string($0.text) }),
        ]
        if let administrators { content["administrators"] = .array(administrators.map { .string($0.text) }) }
        return ["signer": .string(signer.text), "content": .object(content)]
    }

    fileprivate init?(_ json: JSONObject) {
        if let message = json["message"] {
            guard let signed = try? ReliableMessage(message), signed.envelope.isBroadcast,
                let data = try? JSON(parsing: signed.secure.data), let content = try? Content(data)
            else { return nil }
            self.init(content, signedBy: signed.envelope.sender, message: message.object)
        } else {
            guard let signer = json["signer"]?.string.flatMap({ ID($0) }),
                let content = json["content"].flatMap({ try? Content($0) })
            else { return nil }
            self.init(content, signedBy: signer)
        }
    }
}
