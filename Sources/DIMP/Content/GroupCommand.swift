import Format

/// Who belongs to a group (wire.md 7.2), and the account history of 2019.
package struct GroupCommand: Sendable, Equatable {
    package var name: String
    package var members: [ID]
    package var administrators: [ID]
    package var assistants: [ID]

    init?(_ object: JSONObject) {
        guard let name = object.first("command", "cmd")?.string else { return nil }
        self.name = name
        let single = object["member"].map { [$0] }
        members = Self.ids(object["members"]?.array ?? single)
        administrators = Self.ids(object["administrators"]?.array)
        assistants = Self.ids(object["assistants"]?.array)
    }

    private static func ids(_ list: [JSON]?) -> [ID] {
        (list ?? []).compactMap { $0.string.flatMap { ID($0) } }
    }
}
