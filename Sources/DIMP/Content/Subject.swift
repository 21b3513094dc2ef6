package import Format

/// What a content is about, in levels: `garden/soil` (extensions.md 9). 1 to 256 bytes without NUL and without the
/// characters that filters are made of.
package enum Subject {
    package static let limit = 256

    package static func isGood(_ text: String) -> Bool {
        let bytes = text.utf8
        return (1...limit).contains(bytes.count)
            && !bytes.contains { $0 == 0 || $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "#") }
    }
}

/// Which subjects are meant, with MQTT's wildcards: `+` stands for one level, and `#` at the end for the level before it
/// and everything below. Unlike in MQTT a first level that begins with `$` is like any other.
package struct SubjectFilter: Sendable, Equatable {
    package let text: String

    /// `nil` for what is no filter: longer than a subject may be, or with a wildcard beside other characters of its level.
    package init?(_ text: String) {
        let levels = text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard (1...Subject.limit).contains(text.utf8.count), !text.utf8.contains(0) else { return nil }
        for (place, level) in levels.enumerated() {
            if level.contains(UInt8(ascii: "+")), level.count > 1 { return nil }
            if level.contains(UInt8(ascii: "#")), level.count > 1 || place < levels.count - 1 { return nil }
        }
        self.text = text
    }

    /// Only itself: it is compared, and an index finds it.
    package var isPlain: Bool { !text.utf8.contains { $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "#") } }

    package func takes(_ subject: String?) -> Bool {
        subject.map { Self.takes(Array($0.utf8), by: Array(text.utf8)) } ?? false
    }

    /// The same of bytes, where `filter` is those of one.
    package static func takes(_ subject: [UInt8], by filter: [UInt8]) -> Bool {
        var wanted = filter.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)[...]
        var given = subject.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)[...]
        while let level = wanted.popFirst() {
            if level.elementsEqual([UInt8(ascii: "#")]) { return true }
            guard let own = given.popFirst() else { return false }
            guard level.elementsEqual([UInt8(ascii: "+")]) || level == own else { return false }
        }
        return given.isEmpty
    }
}

/// What culver adds to contents of its own application, 204 with `"app": "culver"` (extensions.md 9).
extension JSONObject {
    /// `data`, `call`, `reply` or `pipe`; `nil` in everything else.
    package var culverModule: String? {
        guard self["type"]?.integer == ContentType.customized.rawValue, self["app"]?.string == "culver" else {
            return nil
        }
        return self["mod"]?.string
    }

    /// What the content is about; `nil` also where its word is no subject: the content is handed on without one.
    package var subject: String? {
        let word = culverModule == "data" ? self["act"] : self["subject"]
        return word?.string.flatMap { Subject.isGood($0) ? $0 : nil }
    }

    /// What a content of the module `data` holds.
    package var culverData: JSON? { culverModule == "data" ? self["data"] : nil }
}
