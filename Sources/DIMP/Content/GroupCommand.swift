import Format

/// Who belongs to a group (wire.md 7.2), and the account history of 2019.
package struct GroupCommand: Sendable, Equatable {
    package var name: String
    package var members: [ID]
    package var administrators: [ID]
    package var assistants: [ID]

    /// `nil` without a name, and when a list is longer than `ProtocolLimits.listedIDs`.
    init?(_ object: JSONObject) {
        guard let name = object.first("command", "cmd")?.string,
            let members = Self.ids(object["members"]?.array ?? object["member"].map { [$0] } ?? []),
            let administrators = Self.ids(object["administrators"]?.array ?? []),
            let assistants = Self.ids(object["assistants"]?.array ?? [])
        else { return nil }
        self.name = name
        self.members = members
        self.administrators = administrators
        self.assistants = assistants
    }

    /// Those that are IDs; `nil` when there are too many to look at.
    static func ids(_ list: [JSON]) -> [ID]? {
        guard list.count <= ProtocolLimits.listedIDs else { return nil }
        return list.compactMap { $0.string.flatMap { ID($0) } }
    }
}
