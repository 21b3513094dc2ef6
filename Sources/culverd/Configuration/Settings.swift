/// A section's values: which keys it has, and what each does.
protocol Settings {
    static var keys: [String] { get }
    /// `key` is one of `keys`.
    mutating func set(_ key: String, _ value: String) throws(InvalidValue)
}
