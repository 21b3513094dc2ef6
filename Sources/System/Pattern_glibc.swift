import Glibc

/// Extended regular expressions of POSIX, by the libc: for patterns that the owner of a board wrote, and texts that others
/// did. Both are short (their callers see to that), so that none takes long.
package enum Pattern {
    /// Whether the pattern can be read.
    package static func isGood(_ pattern: String) -> Bool { compiled(pattern) { _ in true } ?? false }

    /// Whether the whole text is what the pattern says; never by one that cannot be read. Neither has a NUL.
    package static func matches(_ pattern: String, _ text: String) -> Bool {
        compiled(pattern) { regexec(&$0, text, 0, nil, 0) == 0 } ?? false
    }

    private static func compiled<Result>(_ pattern: String, _ body: (inout regex_t) -> Result) -> Result? {
        // Counted repeats of each other take memory by the product of their numbers, whatever stands between them.
        let counts = pattern.utf8.filter { !"*+?".utf8.contains($0) }
        let isNested = zip(counts, counts.dropFirst()).contains { ")}".utf8.contains($0) && $1 == UInt8(ascii: "{") }
        guard !isNested || pattern.utf8.count(where: { $0 == UInt8(ascii: "{") }) == 1 else { return nil }
        // By itself first: one with an end of its own would be bound to one end of the text alone.
        var expression = regex_t()
        guard regcomp(&expression, pattern, REG_EXTENDED | REG_NOSUB) == 0 else { return nil }
        regfree(&expression)
        guard regcomp(&expression, "^(\(pattern))$", REG_EXTENDED | REG_NOSUB) == 0 else { return nil }
        defer { regfree(&expression) }
        return body(&expression)
    }
}
