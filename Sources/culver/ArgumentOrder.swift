import ArgumentParser
import Operations

/// Puts a command line into the order that the parser wants: verbs, then the options that all verbs share, then the
/// rest. People write `culver --json send …`, `culver id --json list` and `culver send … --json` alike.
enum ArgumentOrder {
    /// Without the program's own name.
    static func arranged(_ arguments: [String]) -> [String] {
        var rest = arguments[...]
        var shared: [String] = []
        var path: [String] = []
        var verbs = Set(tree.keys)
        while let argument = rest.first {
            if let count = sharedLength(of: rest) {
                shared += rest.prefix(count)
                rest = rest.dropFirst(count)
            } else if verbs.contains(argument) {
                path.append(argument)
                rest = rest.dropFirst()
                verbs = path.count == 1 ? tree[argument] ?? [] : []
                if verbs.isEmpty { break }
            } else {
                break
            }
        }
        if path.isEmpty, rest.isEmpty {
            path = ["status"]
        } else if rest.isEmpty, !verbs.isEmpty {
            return path  // a group alone shows its help, and has no options
        }
        return path + shared.map(shielded) + marked(rest)
    }

    /// A word that stands where a verb should, and is none; `nil` when all is well so far.
    static func stray(_ arguments: [String]) -> ToolFailure? {
        var rest = arguments[...]
        var verbs = Array(tree.keys)
        var group: String?
        while let argument = rest.first, !verbs.isEmpty {
            if let count = sharedLength(of: rest) {
                rest = rest.dropFirst(count)
            } else if verbs.contains(argument) {
                verbs = group == nil ? Array(tree[argument] ?? []) : []
                group = argument
                rest = rest.dropFirst()
            } else {
                guard !argument.hasPrefix("-"), argument != "help" else { return nil }
                return stray(argument, among: verbs.sorted(), below: group)
            }
        }
        return nil
    }

    private static func stray(_ word: String, among verbs: [String], below group: String?) -> ToolFailure {
        let place = group.map { " below \($0)" } ?? ""
        let near = Spelling.nearest(to: word, among: verbs)
        let hint = near.map { "did you mean \($0)?" } ?? "there are: \(verbs.joined(separator: ", "))"
        return ToolFailure(.usage, "usage", "there is no verb '\(word)'\(place)", hint: hint)
    }

    /// A text that begins with a dash and a letter, before any `--`; `nil` when there is none. The parser would take
    /// `-hot` for `-h`, print its help and end with 0. No option here has one dash, but for `-h`.
    static func noOption(_ arguments: [String]) -> ToolFailure? {
        let word = arguments.prefix { $0 != "--" }.first { word in
            let isHelpWithMore = word.hasPrefix("--help=") || word.hasPrefix("--version=")
            return isHelpWithMore
                || word.hasPrefix("-") && !["-", "-h"].contains(word) && !word.hasPrefix("--")
                    && !TextArgument.needsMark(word)
        }
        return word.map {
            ToolFailure(
                .usage, "usage", "there is no option '\($0)'",
                hint: "a text that begins with a dash stands after --, or comes from standard input by -")
        }
    }

    /// Whether `--json` stands where it is an option: for failures that the parser itself reports.
    static func wantsJSON(_ arguments: [String]) -> Bool {
        arguments.prefix { $0 != "--" }.contains("--json")
    }

    private static let valued: Set = ["--socket", "--state", "--config"]

    /// How many arguments a shared option takes that stands first; `nil` when none does.
    private static func sharedLength(of rest: ArraySlice<String>) -> Int? {
        guard let first = rest.first else { return nil }
        if first == "--json" { return 1 }
        if valued.contains(first) { return min(2, rest.count) }
        return valued.contains { first.hasPrefix($0 + "=") } ? 1 : nil
    }

    /// After `--` the parser takes everything as it is, and `TextArgument` unmarks all the same.
    private static func marked(_ rest: ArraySlice<String>) -> [String] {
        rest.map(shielded)
    }

    private static func shielded(_ argument: String) -> String {
        TextArgument.needsMark(argument) ? TextArgument.marked(argument) : argument
    }

    /// The verbs and what stands below each, read from the commands themselves.
    private static let tree: [String: Set<String>] = {
        var tree: [String: Set<String>] = [:]
        for verb in Culver.configuration.subcommands {
            tree[verb._commandName] = Set(verb.configuration.subcommands.map { $0._commandName })
        }
        return tree
    }()
}
