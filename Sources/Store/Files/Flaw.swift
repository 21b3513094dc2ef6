/// Something about a file's owner or mode that lets others in or the daemon not, and what would cure it.
package struct Flaw: Sendable, Equatable {
    package enum Kind: Sendable {
        /// Others can read what is secret.
        case exposed
        /// Others can change it.
        case writable
        /// It belongs to somebody else than the state directory does.
        case foreign
        /// We cannot look into this directory.
        case closed
    }

    package var kind: Kind
    /// The whole path.
    package var path: String
    package var isDirectory: Bool
    /// A command; none for a directory that is closed to us.
    package var cure: String
    /// What came of carrying the cure out; `nil` when nobody asked for it.
    package var outcome: Remedy?

    package enum Remedy: Sendable, Equatable {
        case mended
        case failed(String)
    }
}

/// What the files of a state directory look like from outside.
package struct Inspection: Sendable, Equatable {
    /// The user and group that the directory belongs to.
    package var owner = ""
    /// At most `limit`.
    package var flaws: [Flaw] = []
    /// Files that were moved aside as damaged; at most `limit`.
    package var aside: [String] = []
    package var files = 0

    package static let limit = 1_000
}
