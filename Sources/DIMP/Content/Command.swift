package import Format

/// What one agent asks or tells another (wire.md 7.1). Names of all eras are read: `did` and `ID`, `title` and
/// `message`, `text` and `message`, `command` and `cmd`.
package enum Command: Sendable, Equatable {
    case handshake(title: String, session: String?)
    /// A query without `meta`, an answer with it.
    case meta(ID, meta: JSON?)
    /// `profile`, `document` and `documents`: a query without documents. `since` is the time of the newest known one.
    case documents(ID, documents: [JSON], meta: JSON?, since: Double?)
    case receipt(Receipt)
    /// Where a user is connected, which says nothing without stations.
    case login(ID, station: JSONObject?)
    case report(title: String)
    /// Without a list it asks for one.
    case mute([ID]?)
    case block([ID]?)
    /// A question with keywords, an answer with users; `users` of its own asks who is online.
    case search(keywords: String?, users: [JSON]?)
    /// Contacts or a private key, encrypted, that somebody is to keep.
    case storage(title: String)
    /// A question for the IDs behind aliases, an answer with them.
    case names([String], records: JSONObject?)
    case broadcast(JSONObject)
    case other(String)

    init?(_ object: JSONObject) {
        guard let name = object.first("command", "cmd")?.string else { return nil }
        switch name {
        case "handshake":
            guard let title = object.first("title", "message")?.string else { return nil }
            self = .handshake(title: title, session: object["session"]?.string)
        case "meta":
            guard let id = object.id("did", "ID") else { return nil }
            self = .meta(id, meta: object.first("meta"))
        case "profile", "document", "documents":
            guard let id = object.id("did", "ID") else { return nil }
            self = .documents(
                id, documents: Self.documents(object, about: id), meta: object.first("meta"),
                since: object.seconds("last_time"))
        case "receipt": self = .receipt(Receipt(object))
        case "login":
            guard let id = object.id("did", "ID") else { return nil }
            self = .login(id, station: object["station"]?.object)
        case "report", "online", "offline":
            self = .report(title: object.first("title", "state")?.string ?? name)
        case "mute", "block":
            let list = object["list"]?.array
            let ids = list.flatMap(GroupCommand.ids)
            // A list that is too long is handed on unread, and not taken for the question.
            guard list == nil || ids != nil else { return nil }
            self = name == "mute" ? .mute(ids) : .block(ids)
        case "search", "users":
            self = .search(keywords: object["keywords"]?.string, users: object["users"]?.array)
        case "storage", "contacts", "private_key":
            self = .storage(title: object["title"]?.string ?? name)
        case "ans":
            let names = object["names"]?.string?.split(separator: " ").map(String.init) ?? []
            self = .names(names, records: object["records"]?.object)
        case "broadcast": self = .broadcast(object)
        default: self = .other(name)
        }
    }

    /// Says something and asks nothing: a receipt, a meta, documents.
    package var isAnswer: Bool {
        switch self {
        case .receipt, .meta(_, .some): true
        case .documents(_, let documents, let meta, _): !documents.isEmpty || meta != nil
        default: false
        }
    }

    /// A list, one object, or the data string with its signature beside it.
    private static func documents(_ object: JSONObject, about id: ID) -> [JSON] {
        if let list = object["documents"]?.array { return list }
        switch object.first("document", "profile", "documents") {
        case .string(let data)?:
            return [
                ["ID": .string(id.text), "data": .string(data), "signature": object["signature"] ?? .null]
            ]
        case let document?: return [document]
        case nil: return []
        }
    }
}

extension Content {
    /// What its writer calls the command; empty for a content that is none.
    package var commandName: String { json.first("command", "cmd")?.string ?? "" }

    /// The commands of a content that is nothing else: the one that it is, or those of an array that holds no other
    /// contents. `nil` for every other content.
    package var commands: [Command]? {
        switch body {
        case .command(let command): return [command]
        case .array(let list):
            let commands = list.prefix(ProtocolLimits.arrayContents).compactMap { json -> Command? in
                guard case .command(let command)? = (try? Content(json))?.body else { return nil }
                return command
            }
            return commands.isEmpty || commands.count < list.count ? nil : commands
        default: return nil
        }
    }

    /// The universal form of a command: both spellings of what eras call differently.
    package static func command(_ name: String, sn: Int64, time: Double, _ members: JSONObject) -> Content {
        var object: JSONObject = ["command": .string(name), "cmd": .string(name)]
        for (name, value) in members.members { object[name] = value }
        return Content(type: .command, sn: sn, time: time, object)
    }

    package static func metaCommand(about id: ID, meta: Meta?, sn: Int64, time: Double) -> Content {
        var members = naming(id)
        if let meta { members["meta"] = .object(meta.json) }
        return command("meta", sn: sn, time: time, members)
    }

    /// `name` is `document` or `documents`: what the other side's era calls it.
    package static func documentCommand(
        _ name: String, about id: ID, document: Document?, meta: Meta?, sn: Int64, time: Double
    ) -> Content {
        var members = naming(id)
        if let meta { members["meta"] = .object(meta.json) }
        if let document {
            members["document"] = .object(document.json)
            members["documents"] = [.object(document.json)]
        }
        return command(name, sn: sn, time: time, members)
    }

    package static func handshake(_ title: String, sn: Int64, time: Double) -> Content {
        command("handshake", sn: sn, time: time, ["title": .string(title), "message": .string(title)])
    }

    private static func naming(_ id: ID) -> JSONObject {
        ["did": .string(id.bare.text), "ID": .string(id.bare.text)]
    }
}
