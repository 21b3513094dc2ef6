import ArgumentParser

/// A text from the command line. `ArgumentOrder` marks those that begin like `-5.2`, which would be taken for an
/// option; here the mark goes away again.
struct TextArgument: Equatable {
    let text: String

    init(_ text: String) {
        self.text = text
    }
}

extension TextArgument: ExpressibleByArgument {
    init(argument: String) {
        self.init(TextArgument.unmarked(argument))
    }

    var defaultValueDescription: String { text }
}

extension TextArgument {
    /// For private use. A text that begins with it by itself is marked once more.
    private static let mark: Unicode.Scalar = "\u{F8D0}"

    static func marked(_ argument: String) -> String {
        var marked = String.UnicodeScalarView([mark])
        marked.append(contentsOf: argument.unicodeScalars)
        return String(marked)
    }

    static func unmarked(_ argument: String) -> String {
        guard argument.unicodeScalars.first == mark else { return argument }
        return String(argument.unicodeScalars.dropFirst())
    }

    /// Everything that the parser must not see as it is: `-` with a digit or point, and what looks marked already.
    static func needsMark(_ argument: String) -> Bool {
        let scalars = argument.unicodeScalars
        if scalars.first == mark { return true }
        guard scalars.first == "-", let second = scalars.dropFirst().first else { return false }
        return ("0"..."9").contains(second) || second == "."
    }

    /// The parser's own words about an argument, without marks.
    static func withoutMarks(_ words: String) -> String {
        var scalars = String.UnicodeScalarView()
        scalars.append(contentsOf: words.unicodeScalars.filter { $0 != mark })
        return String(scalars)
    }
}
