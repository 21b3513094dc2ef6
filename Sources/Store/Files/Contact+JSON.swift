package import DIMP
package import Format

/// `trust.json`: what this board thinks of a contact.
extension Contact {
    package var json: JSONObject {
        var object: JSONObject = ["did": .string(id.bare.text)]
        if let name { object["name"] = .string(name) }
        object["trust"] = .string(trust.rawValue)
        object["blocked"] = .bool(isBlocked)
        if isMuted { object["muted"] = true }
        object["culver"] = .bool(isCulver)
        object["knows_us"] = .bool(knowsUs)
        if isDeclared { object["declared"] = true }
        return object
    }

    /// `nil` unless ID and trust can be read.
    package init?(_ json: JSONObject) {
        guard let id = json["did"]?.string.flatMap({ ID($0) }),
            let trust = json["trust"]?.string.flatMap(Trust.init(rawValue:))
        else { return nil }
        self.init(
            id: id, name: json["name"]?.string, trust: trust, isBlocked: json["blocked"]?.bool ?? false,
            isMuted: json["muted"]?.bool ?? false,
            isCulver: json["culver"]?.bool ?? false, knowsUs: json["knows_us"]?.bool ?? false,
            isDeclared: json["declared"]?.bool ?? false)
    }
}
