import Control

/// What `--version` and `hello` say.
enum Version {
    static let text = Release.version
    /// Seconds since 1970 before which a clock is taken for unset: no culver is older.
    static let built = Release.built
}
