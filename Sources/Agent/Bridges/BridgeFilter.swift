import DIMP

/// Which topics of a local broker are meant: a filter of MQTT (4.7 there). Unlike that of a subject (`SubjectFilter`) a
/// wildcard at its first level does not stand for one that begins with `$`.
package struct BridgeFilter: Sendable, Equatable {
    package let text: String

    /// `nil` for what is no filter, and for a subscription that is shared with others: its topics are not below it.
    package init?(_ text: String) {
        guard SubjectFilter(text) != nil, !text.utf8.starts(with: "$share/".utf8) else { return nil }
        self.text = text
    }

    package func takes(_ topic: String) -> Bool {
        let dollar = UInt8(ascii: "$")
        guard topic.utf8.first != dollar || text.utf8.first == dollar else { return false }
        return SubjectFilter.takes(Array(topic.utf8), by: Array(text.utf8))
    }

    /// Whether it takes every topic that the other takes: a broker may send what both take twice.
    package func covers(_ other: BridgeFilter) -> Bool {
        let dollar = UInt8(ascii: "$")
        guard other.text.utf8.first != dollar || text.utf8.first == dollar else { return false }
        var own = Self.levels(text)
        var others = Self.levels(other.text)
        while let level = own.popFirst() {
            if level == "#" { return true }
            guard let next = others.popFirst(), next != "#", level == "+" || level.utf8.elementsEqual(next.utf8) else {
                return false
            }
        }
        return others.isEmpty
    }

    private static func levels(_ text: String) -> ArraySlice<Substring> {
        text.split(separator: "/", omittingEmptySubsequences: false)[...]
    }

    /// Those that no other one covers, in their order.
    package static func withoutCovered(_ filters: [BridgeFilter]) -> [BridgeFilter] {
        var kept: [BridgeFilter] = []
        for filter in filters where !kept.contains(where: { $0.covers(filter) }) {
            kept.removeAll { filter.covers($0) }
            kept.append(filter)
        }
        return kept
    }
}
