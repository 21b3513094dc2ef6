/// A filter of MQTT: levels between slashes, `+` for any one, `#` at the end for all that follow.
struct TopicFilter: Hashable {
    let text: String

    /// `nil` for what is no filter.
    init?(_ text: String) {
        let levels = text.split(separator: "/", omittingEmptySubsequences: false)
        guard Self.isText(text), !levels.dropLast().contains("#") else { return nil }
        guard levels.allSatisfy({ $0.count == 1 || !$0.contains(where: "+#".contains) }) else { return nil }
        self.text = text
    }

    /// Whether messages may be published there.
    static func isTopic(_ text: String) -> Bool { isText(text) && !text.contains(where: "+#".contains) }

    func matches(_ topic: String) -> Bool {
        let filter = text.split(separator: "/", omittingEmptySubsequences: false)
        let levels = topic.split(separator: "/", omittingEmptySubsequences: false)
        for (index, level) in filter.enumerated() {
            if level == "#" { return true }
            guard index < levels.count, level == "+" || level == levels[index] else { return false }
        }
        return filter.count == levels.count
    }

    private static func isText(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= 65_535 && !text.utf8.contains(0)
    }
}
