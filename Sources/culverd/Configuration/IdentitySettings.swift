/// `[identity]`
struct IdentitySettings: Settings, Sendable, Equatable {
    /// The identity made at the first start, `{hostname}` not yet filled in; `nil` to make none.
    var name: String? = "{hostname}"

    static let keys = ["name"]

    mutating func set(_ key: String, to value: String) throws(InvalidValue) {
        name = try Values.labelTemplate(value)
    }
}

/// `[keys]`: how the keys of the identities are kept.
struct KeySettings: Settings, Sendable, Equatable {
    /// Seconds between two visa keys; `nil` where nothing is asked for.
    var rotate: Int?
    var protect = Protection.none

    enum Protection: Sendable, Equatable {
        case none
        /// The name of a systemd credential.
        case credential(String)
        case file(String)
        case passphrase
    }

    static let keys = ["rotate", "protect"]

    mutating func set(_ key: String, to value: String) throws(InvalidValue) {
        switch key {
        case "rotate": rotate = try Values.duration(value, in: 3_600...365 * 86_400)
        default: protect = try protection(value)
        }
    }

    private func protection(_ text: String) throws(InvalidValue) -> Protection {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        switch (parts[0], parts.count) {
        case ("none", 1): return .none
        case ("passphrase", 1): return .passphrase
        case ("credential", 2): return .credential(try Values.label(parts[1]))
        case ("file", 2): return .file(try Values.path(parts[1]))
        default: throw InvalidValue("\(Values.quoted(text)) is none of none, credential:NAME, file:PATH, passphrase")
        }
    }
}
