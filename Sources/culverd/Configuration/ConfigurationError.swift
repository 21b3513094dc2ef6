/// One thing that is wrong with the configuration: where it stands, what it is about, and why.
struct ConfigurationError: Error, Sendable, Equatable, CustomStringConvertible {
    /// A path, or `environment`.
    var file: String
    /// 0 where there is no line.
    var line: Int
    /// The key, or the section in brackets, or the variable; empty when it is about the whole line or file.
    var key: String
    var words: String

    var description: String {
        "\(file)\(line > 0 ? ":\(line)" : ""): \(key.isEmpty ? "" : "\(key): ")\(words)"
    }
}

/// All that is wrong, in the order in which it stands.
struct ConfigurationErrors: Error, Sendable, Equatable, CustomStringConvertible {
    var problems: [ConfigurationError]

    var description: String {
        problems.map(\.description).joined(separator: "\n")
    }
}

/// Why a value is not taken; whoever knows where it stands makes a `ConfigurationError` of it.
struct InvalidValue: Error, Equatable {
    var words: String

    init(_ words: String) {
        self.words = words
    }
}
