import DIMP
import Format

/// Contents and commands, and the requests and answers of stock software: understood, and written again unchanged.
enum ContentChecks {
    static func content(_ vector: JSON) throws {
        try understand(vector.member("content"))
    }

    static func reply(_ vector: JSON) throws {
        try understand(vector.member("request"))
        let replies = vector["replies"]?.array ?? []
        // Applications leave some questions without an answer.
        let isOfApplication = vector["note"]?.string?.hasPrefix("application layer") ?? false
        try agree(!replies.isEmpty || isOfApplication, "no reply")
        for reply in replies { try understand(reply) }
    }

    private static func understand(_ json: JSON) throws {
        let content = try Content(json)
        try agree(JSON.object(content.json) == json, "changed on reading")
        try agree(Content(JSON(parsing: JSON.object(content.json).bytes)) == content, "changed on writing")
        try agree(content.type == number(json["type"]), "another type")
        try agree(content.sn == json["sn"]?.integer, "another sn")
        try agree(content.time == json["time"]?.double, "another time")
        try agree(content.group?.text == json["group"]?.string, "another group")
        try compare(content.body, with: json)
    }

    private static func number(_ json: JSON?) -> Int64? {
        json?.integer ?? json?.string.flatMap { Int64($0) }
    }

    private static func compare(_ body: Body, with json: JSON) throws {
        switch (number(json["type"]), body) {
        case (1, .text(let text)): try agree(text == json["text"]?.string, "text")
        case (16, .file(let file)), (18, .file(let file)), (20, .file(let file)), (22, .file(let file)):
            try compare(file, with: json)
        case (32, .page(let url, let title, let description, _)):
            try agree(url == json["URL"]?.string && title == json["title"]?.string, "page")
            try agree(description == json["desc"]?.string, "description")
        case (51, .card(let id, let name, let avatar)):
            try agree(id.text == did(json) && name == json["name"]?.string && avatar == json["avatar"], "card")
        case (55, .quote(let text, let origin)):
            try agree(text == json["text"]?.string && .object(origin) == json["origin"], "quote")
        case (64, .money(let currency, let amount)):
            try agree(currency == json["currency"]?.string && amount == json["amount"]?.double, "money")
        case (65, .transfer(let currency, let amount, let remitter, let remittee)):
            try agree(currency == json["currency"]?.string && amount == json["amount"]?.double, "money")
            try agree(remitter?.text == json["remitter"]?.string, "remitter")
            try agree(remittee?.text == json["remittee"]?.string, "remittee")
        case (136, .command(let command)): try compare(command, with: json)
        case (137, .history(let command)):
            let members = json["members"]?.array ?? json["member"].map { [$0] } ?? []
            try agree(command.name == json["command"]?.string, "another command")
            try agree(command.members.map(\.text) == members.map(\.string), "other members")
        case (160, .customized(let app, let module, let act)), (204, .customized(let app, let module, let act)):
            try agree([app, module, act] == ["app", "mod", "act"].map { json[$0]?.string }, "customized")
        // What was asked of applications so that they should not know it.
        case (99, .opaque): break
        case (202, .array(let contents)):
            try agree(contents == json["contents"]?.array, "other contents")
            for content in contents { try understand(content) }
        case (207, .combine(let title, let messages)):
            try agree(title == json["title"]?.string && messages == json["messages"]?.array, "combine")
        case (255, .forward(let messages)):
            try agree(messages == json["secrets"]?.array ?? json["forward"].map { [$0] }, "other messages")
            for message in messages { _ = try ReliableMessage(message) }
        default: throw Disagreement("read as \(body)")
        }
    }

    private static func compare(_ file: FileReference, with json: JSON) throws {
        try agree(file.filename == json["filename"]?.string && file.url == json["URL"]?.string, "file")
        try agree(file.data == json["data"]?.string.flatMap { Base64.decode($0) }, "bytes")
        let key = json["key"] ?? json["password"]
        try agree((file.key != nil) == (key != nil), "key of the file")
        guard case .aes(let bytes, _)? = file.key else { return }
        try agree(Base64.encode(bytes.revealed) == key?["data"]?.string, "key of the file")
    }

    private static func compare(_ command: Command, with json: JSON) throws {
        let name = try json.text("command")
        switch (name, command) {
        case ("handshake", .handshake(let title, let session)):
            try agree(title == (json["title"] ?? json["message"])?.string, "title")
            try agree(session == json["session"]?.string, "session")
        case ("meta", .meta(let id, let meta)):
            try agree(id.text == did(json) && meta == json["meta"], "meta")
            if let meta { try agree(Meta(meta).vouches(for: id), "the meta is of another ID") }
        case ("profile", .documents(let id, let documents, let meta, let since)),
            ("document", .documents(let id, let documents, let meta, let since)),
            ("documents", .documents(let id, let documents, let meta, let since)):
            try agree(id.text == did(json) && meta == json["meta"], "meta")
            try agree(since == json["last_time"]?.double, "last time")
            let isAnswer = json["profile"] != nil || json["document"] != nil || json["documents"] != nil
            try agree(documents.isEmpty != isAnswer, "\(documents.count) documents")
            // An answer brings the meta, so that its documents can be judged with nothing else.
            for document in documents { try Document(document).check(about: id, meta: Meta(meta)) }
        case ("receipt", .receipt(let receipt)):
            try agree(receipt.text == (json["text"] ?? json["message"])?.string, "text")
            // Beside an origin without one, the flat number is the receipt's own.
            let sn = json["origin"] == nil ? json["sn"]?.integer : json["origin"]?["sn"]?.integer
            try agree(receipt.sn == sn ?? 0, "sn")
            try agree(receipt.signature == json["origin"]?["signature"]?.string, "signature")
            try agree(receipt.sender?.text == json["origin"]?["sender"]?.string, "sender")
            try agree(receipt.receiver?.text == json["origin"]?["receiver"]?.string, "receiver")
        case ("mute", .mute(let ids)), ("block", .block(let ids)):
            try agree(ids?.map(\.text) == json["list"]?.array?.map(\.string), "list")
        case ("report", .report(let title)): try agree(title == json["title"]?.string, "title")
        case ("login", .login(let id, let station)):
            try agree(id.text == did(json) && station.map { .object($0) } == json["station"], "login")
        case ("search", .search(let keywords, let users)):
            try agree(keywords == json["keywords"]?.string && users == json["users"]?.array, "search")
        case ("ans", .names(let names, let records)):
            try agree(names.joined(separator: " ") == json["names"]?.string ?? "", "names")
            try agree(records.map { .object($0) } == json["records"], "records")
        case ("frobnicate", .other(name)): break
        default: throw Disagreement("the command \(name) is read as \(command)")
        }
    }

    private static func did(_ json: JSON) -> String? {
        (json["did"] ?? json["ID"])?.string
    }
}
