/// What stands in one INI file, in order and with line numbers; nothing is understood yet.
struct INIFile: Equatable {
    struct Entry: Equatable {
        var section: String
        var key: String
        var value: String
        var line: Int
    }

    struct Section: Equatable {
        var name: String
        var line: Int
    }

    /// Empty sections are among them.
    var sections: [Section] = []
    var entries: [Entry] = []
    /// Lines that say nothing, or more than they may.
    var problems: [ConfigurationError] = []
}

/// Cuts a file into lines for the INI parser and knows on which one it stands.
///
/// The parser (Debian's inih) tells no line numbers, cuts long lines, takes an indented line for a continuation,
/// ignores what follows a section's bracket and is silent about empty sections: so lines are looked at here first,
/// and those that it would misread become problems and reach it as empty ones.
struct INILines {
    /// What the parser's buffer holds besides the end of the line.
    static let longest = 197

    private(set) var file = INIFile()
    private let name: String
    private var rest: ArraySlice<UInt8>
    private var number = 0
    private var section = ""
    /// The line given out last must come back as an entry.
    private var isEntryDue = false

    init(_ bytes: [UInt8], name: String) {
        self.name = name
        let mark: [UInt8] = [0xef, 0xbb, 0xbf]
        rest = bytes.starts(with: mark) ? bytes.dropFirst(mark.count) : bytes[...]
    }

    /// The next line without blanks around it and without its end; `nil` after the last.
    mutating func next() -> [UInt8]? {
        settle()
        guard !rest.isEmpty else { return nil }
        number += 1
        let line = trimmed(rest.prefix { $0 != newline })
        rest = rest.drop { $0 != newline }.dropFirst()
        guard let first = line.first, first != semicolon, first != hash else { return [] }
        if let fault = fault(in: line) {
            note(fault)
            // Keys that follow an unreadable section line belong to nobody known.
            if first == bracket { section = "" }
            return []
        }
        if first == bracket { return begin(line) }
        isEntryDue = true
        return line
    }

    /// What the parser made of the line given out last.
    mutating func take(key: String, value: String) {
        isEntryDue = false
        guard !section.isEmpty else { return note("stands in no section", key) }
        file.entries.append(INIFile.Entry(section: section, key: key, value: value, line: number))
    }

    private mutating func settle() {
        if isEntryDue { note("is neither [section] nor key = value") }
        isEntryDue = false
    }

    private mutating func begin(_ line: [UInt8]) -> [UInt8] {
        section = ""
        guard let end = line.firstIndex(of: closingBracket) else {
            note("the section's bracket is not closed")
            return []
        }
        let after = trimmed(line[(end + 1)...])
        guard after.isEmpty || after[0] == semicolon || after[0] == hash else {
            note("nothing but a comment may follow a section")
            return []
        }
        section = String(decoding: trimmed(line[1..<end]), as: UTF8.self)
        guard !section.isEmpty else {
            note("the section has no name")
            return []
        }
        file.sections.append(INIFile.Section(name: section, line: number))
        return Array(line[...end])
    }

    private func fault(in line: [UInt8]) -> String? {
        if line.contains(0) { return "holds a NUL byte" }
        if line.contains(where: { $0 < 0x20 && $0 != 9 || $0 == 0x7f }) { return "holds a control character" }
        if String(validating: line, as: UTF8.self) == nil { return "is not UTF-8" }
        if line.count > Self.longest { return "has \(line.count) bytes, at most \(Self.longest) are read" }
        return nil
    }

    private mutating func note(_ words: String, _ key: String = "") {
        let subject = key.isEmpty ? "the line " : ""
        let isSentence = words.hasPrefix("the ") || words.hasPrefix("nothing ")
        file.problems.append(
            ConfigurationError(file: name, line: number, key: key, words: isSentence ? words : subject + words))
    }
}

private let newline = UInt8(ascii: "\n")
private let semicolon = UInt8(ascii: ";")
private let hash = UInt8(ascii: "#")
private let bracket = UInt8(ascii: "[")
private let closingBracket = UInt8(ascii: "]")

/// Blanks, tabs and the carriage return of a foreign line's end.
private func trimmed(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
    func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 9 || byte == 13 }
    let start = bytes.drop(while: isBlank)
    return Array(start.prefix(upTo: (start.lastIndex { !isBlank($0) } ?? start.startIndex - 1) + 1))
}
