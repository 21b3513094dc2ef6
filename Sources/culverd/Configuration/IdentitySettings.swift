/// `[identity]`
struct IdentitySettings: Settings, Sendable, Equatable {
    /// The identity made at the first start, `{hostname}` not yet filled in; `nil` to make none.
    var name: String? = "{hostname}"

    static let keys = ["name"]

    mutating func set(_ key: String, _ value: String) throws(InvalidValue) {
        name = try Values.labelTemplate(value)
    }
}
