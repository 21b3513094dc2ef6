/// Topics of this board's own that a broker refused on the connection that there is, and when they are asked for again.
///
/// A refusal may be for good (an access list) or for a moment: a cluster that has lost its majority refuses what it grants
/// a little later, and the connection stays. A board that did not ask again would hear nothing until the next one.
struct RefusedTopics {
    /// Seconds before the first repeat, and at most; the pause doubles in between.
    static let firstPause = 1.0
    static let longestPause = 300.0

    private var waiting: [String] = []
    private var told: Set<String> = []
    private var pause = Self.firstPause

    /// The broker refused a topic.
    /// - Returns: whether that is new, and so to be told.
    mutating func refused(_ topic: String) -> Bool {
        if !waiting.contains(topic) { waiting.append(topic) }
        return told.insert(topic).inserted
    }

    /// The broker granted a topic.
    /// - Returns: whether its refusal was told.
    mutating func granted(_ topic: String) -> Bool {
        waiting.removeAll { $0 == topic }
        return told.remove(topic) != nil
    }

    /// How long to wait until `repeated` is called; `nil` when there is nothing to ask for.
    var wait: Double? { waiting.isEmpty ? nil : pause }

    /// - Returns: what is to be asked for now.
    mutating func repeated() -> [String] {
        defer { waiting = [] }
        pause = min(pause * 2, Self.longestPause)
        return waiting
    }
}
