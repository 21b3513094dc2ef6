/// How the cases of one kind came out.
package struct Tally: Sendable, CustomStringConvertible {
    package let kind: VectorKind
    package var agreed = 0
    /// Name, source and reason of each.
    package var disagreed: [String] = []
    package var skipped = 0

    init(kind: VectorKind) {
        self.kind = kind
    }

    /// None disagreed, none was skipped, and there was one at all.
    package var isGood: Bool { disagreed.isEmpty && skipped == 0 && agreed > 0 }

    /// The line of docs/inside.
    package var description: String {
        "vectors: \(agreed) agreed, \(disagreed.count) disagreed, \(skipped) skipped (\(kind.rawValue))"
    }
}
