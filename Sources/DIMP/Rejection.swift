/// Why something that a peer sent is not taken. The peer's fault, never ours: dropped, counted, not answered.
package struct Rejection: Error, Sendable, Hashable, CustomStringConvertible {
    package var stage: Stage
    package var reason: String

    package init(_ stage: Stage, _ reason: String) {
        self.stage = stage
        self.reason = reason
    }

    package var description: String { "\(stage.rawValue): \(reason)" }

    /// Where on the way in it ended, in the order of extensions.md 4.
    package enum Stage: String, Sendable, CaseIterable {
        case parse, receiver, meta, replay, signature, trust, key, decrypt, content, seal, time
    }
}
