package import DIMP
package import Format
package import Records

/// How an operation on an identity goes on.
package enum IdentityStep: Sendable {
    case done(IdentityResult)
    /// Keys are made first, on any thread; then `IdentityOperations.keep` ends the operation.
    case keys(KeyWork)
}

/// What an operation did with an identity: the owner of the files writes it down, and only then gives the answer.
package struct IdentityResult: Sendable {
    package enum Kind: Sendable {
        /// It was there already.
        case found
        case made, becameDefault, exported, imported, rotated
        /// It goes once `values` are written down: its files by `IdentityOperations.remove`, the rest by the daemon.
        case removalBegun
    }

    package let id: ID
    package let kind: Kind
    package let answer: JSON
    /// For the ledger, before the files are changed.
    package let values: [Change]

    init(_ kind: Kind, _ id: ID, answer: JSON, values: [Change] = []) {
        self.kind = kind
        self.id = id
        self.answer = answer
        self.values = values
    }
}
