import Control

/// What the parser of command lines says of a wrong one, in the form of all other failures.
enum UsageFailure {
    /// `message`: what is wrong. `words`: all that the parser says, which names the argument and how the verb is used.
    static func told(_ message: String, _ words: String, _ arguments: [String]) -> ToolFailure {
        let lines = words.split(separator: "\n")
        let help = line(in: lines, after: "Help:")
        let usage = line(in: lines, after: "Usage:").map { "usage: \($0)" }
        let cure = quoting(arguments, message) ?? help
        let first = message.prefix { !$0.isWhitespace }
        // A sentence begins small here, an option stays as it is.
        let isWord = first.allSatisfy(\.isLetter) && first.dropFirst().allSatisfy(\.isLowercase)
        let told = isWord ? message.prefix(1).lowercased() + message.dropFirst() : message
        return ToolFailure(.usage, "usage", told, hints: [cure, usage].compactMap { $0 })
    }

    private static func line(in lines: [Substring], after word: String) -> String? {
        lines.first { $0.hasPrefix(word) }.map { line in
            line.dropFirst(word.count).split(separator: " ", omittingEmptySubsequences: true).joined(separator: " ")
        }
    }

    /// `culver send porch hello world`: a text is one argument.
    private static func quoting(_ arguments: [String], _ message: String) -> String? {
        guard message.hasPrefix("Unexpected argument"), let verb = arguments.firstIndex(of: "send") else { return nil }
        let rest = arguments[(verb + 1)...]
        let isPlain = rest.count > 2 && !rest.contains { $0.hasPrefix("-") || $0.contains("'") }
        let (to, text) = isPlain ? (rest[verb + 1], rest.dropFirst().joined(separator: " ")) : ("TO", "all of the text")
        return "a text of several words stands in quotes: culver send \(to) '\(text)'"
    }
}
