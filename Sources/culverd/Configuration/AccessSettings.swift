import Agent
import DIMP

/// `[access]`: who besides root and the daemon's user may do what (culver-protocol(7)).
struct AccessSettings: Settings, Sendable, Equatable {
    var reader: [Grant] = []
    var sender: [Grant] = [Grant(to: .group("culver"))]
    var admin: [Grant] = []

    static let keys = ["reader", "sender", "admin"]

    mutating func set(_ key: String, to value: String) throws(InvalidValue) {
        var grants: [Grant] = []
        for word in Values.list(value) { grants.append(try Grant(word)) }
        switch key {
        case "reader": reader = grants
        case "sender": sender = grants
        default: admin = grants
        }
    }
}

/// `[relay]`: for whom this board hands on what contacts send to it in a forward (extensions.md 4).
struct RelaySettings: Settings, Sendable, Equatable {
    var relaying = Policy.Relaying.forNobody

    static let keys = ["for"]

    mutating func set(_ key: String, to value: String) throws(InvalidValue) {
        let words = Values.list(value)
        guard words != ["@all"] else { return relaying = .forContacts }
        var ids: [ID] = []
        for word in words { ids.append(try Values.id(word)) }
        relaying = ids.isEmpty ? .forNobody : .forThese(ids)
    }
}

/// `user`, `@group`, either with `:identity` to limit it to one.
struct Grant: Sendable, Equatable {
    enum Grantee: Sendable, Equatable {
        /// By name or number, as given.
        case user(String)
        case group(String)
    }

    var grantee: Grantee
    /// An own identity's name or ID.
    var identity: String?

    init(to grantee: Grantee, identity: String? = nil) {
        self.grantee = grantee
        self.identity = identity
    }

    init(_ text: String) throws(InvalidValue) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let isGroup = text.hasPrefix("@")
        let name = isGroup ? String(parts[0].dropFirst()) : parts[0]
        guard !name.isEmpty, !name.contains("@"), !name.contains("/") else {
            throw InvalidValue("\(Values.quoted(text)) is no user or @group")
        }
        grantee = isGroup ? .group(name) : .user(name)
        identity = parts.count > 1 ? try Values.nameOrID(parts[1]) : nil
    }
}
