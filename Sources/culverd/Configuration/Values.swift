import DIMP

/// How values are written: each function takes a text apart or says what it should have been.
enum Values {
    /// Seconds, from a number with `s`, `m`, `h` or `d`.
    static func duration(_ text: String, in range: ClosedRange<Int>) throws(InvalidValue) -> Int {
        let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400]
        guard let unit = text.last.flatMap({ units[$0] }), let number = digits(text.dropLast()) else {
            throw InvalidValue("\(quoted(text)) is no duration; write a number and s, m, h or d, such as 10s or 7d")
        }
        let (seconds, isOver) = number.multipliedReportingOverflow(by: unit)
        guard !isOver, let seconds = Int(exactly: seconds), range.contains(seconds) else {
            throw InvalidValue("\(text) is out of range: \(words(range.lowerBound)) to \(words(range.upperBound))")
        }
        return seconds
    }

    /// Bytes, from a number with `B`, `KiB`, `MiB` or `GiB`.
    static func size(_ text: String, in range: ClosedRange<Int64>) throws(InvalidValue) -> Int64 {
        let units = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("B", 0)]
        guard let (unit, shift) = units.first(where: { text.hasSuffix($0.0) }),
            let number = digits(text.dropLast(unit.count))
        else {
            throw InvalidValue("\(quoted(text)) is no size; write a number and B, KiB, MiB or GiB, such as 1MiB")
        }
        let (bytes, isOver) = number.multipliedReportingOverflow(by: 1 << shift)
        guard !isOver, range.contains(bytes) else {
            throw InvalidValue("\(text) is out of range: \(inBytes(range.lowerBound)) to \(inBytes(range.upperBound))")
        }
        return bytes
    }

    static func count(_ text: String, in range: ClosedRange<Int>) throws(InvalidValue) -> Int {
        guard let number = digits(text[...]) else { throw InvalidValue("\(quoted(text)) is no number") }
        guard let number = Int(exactly: number), range.contains(number) else {
            throw InvalidValue("\(text) is out of range: \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    static func choice<T: CaseIterable & RawRepresentable<String>>(_ text: String, of type: T.Type) throws(InvalidValue)
        -> T
    {
        guard let value = T(rawValue: text) else {
            throw InvalidValue("\(quoted(text)) is none of \(T.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return value
    }

    static func flag(_ text: String) throws(InvalidValue) -> Bool {
        guard ["yes", "no"].contains(text) else { throw InvalidValue("\(quoted(text)) is neither yes nor no") }
        return text == "yes"
    }

    /// An absolute path.
    static func path(_ text: String) throws(InvalidValue) -> String {
        guard text.hasPrefix("/") else { throw InvalidValue("\(quoted(text)) is no absolute path") }
        return text
    }

    static func socketPath(_ text: String) throws(InvalidValue) -> String {
        guard text.utf8.count <= 107 else { throw InvalidValue("a socket's path has at most 107 bytes") }
        return try path(text)
    }

    static func optionalPath(_ text: String) throws(InvalidValue) -> String? {
        text.isEmpty ? nil : try path(text)
    }

    /// An absolute path, or the name of a systemd credential, which has no slash; nothing when empty.
    static func file(_ text: String) throws(InvalidValue) -> String? {
        if text.isEmpty { return nil }
        guard !text.contains("/") || text.hasPrefix("/") else {
            throw InvalidValue("\(quoted(text)) is neither an absolute path nor the name of a credential")
        }
        return text
    }

    /// A name that this board gives: culver(1).
    static func label(_ text: String) throws(InvalidValue) -> String {
        guard (1...64).contains(text.utf8.count), text.utf8.allSatisfy(isLabelByte) else {
            throw InvalidValue("\(quoted(text)) is no name; a name has 1 to 64 of the characters A-Z a-z 0-9 . _ -")
        }
        return text
    }

    /// A text in which only `allowed` stand in braces; they are filled in later.
    static func template(_ text: String, allowing allowed: [String]) throws(InvalidValue) -> String {
        guard literal(text, allowed).allSatisfy({ $0 != "{" && $0 != "}" }) else {
            throw InvalidValue("\(quoted(text)): only \(allowed.joined(separator: " and ")) are filled in")
        }
        return text
    }

    /// A label that may hold `{hostname}`; nothing when empty.
    static func labelTemplate(_ text: String) throws(InvalidValue) -> String? {
        if text.isEmpty { return nil }
        let rest = literal(try template(text, allowing: ["{hostname}"]), ["{hostname}"])
        if !rest.isEmpty { _ = try label(rest) }
        return text
    }

    /// An ID or a label, as everywhere that an ID is accepted.
    static func nameOrID(_ text: String) throws(InvalidValue) -> String {
        if text.contains("@") { return try id(text).text }
        return ID(text) != nil ? text : try label(text)
    }

    static func id(_ text: String) throws(InvalidValue) -> ID {
        guard let id = ID(text) else { throw InvalidValue("\(quoted(text)) is no ID: its address has an error") }
        return id
    }

    /// What commas and blanks keep apart.
    static func list(_ text: String) -> [String] {
        text.split { $0 == "," || $0 == " " || $0 == "\t" }.map(String.init)
    }

    static func quoted(_ text: String) -> String {
        text.isEmpty ? "an empty value" : "\"\(text)\""
    }

    static func isLabelByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    private static func digits(_ text: Substring) -> Int64? {
        text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ? Int64(text) : nil
    }

    /// What is left of a template without what will be filled in.
    private static func literal(_ text: String, _ allowed: [String]) -> String {
        var rest = text
        for word in allowed {
            var parts: [Substring] = []
            var tail = rest[...]
            while let found = position(of: word, in: tail) {
                parts.append(tail[..<found])
                tail = tail[tail.index(found, offsetBy: word.count)...]
            }
            rest = (parts + [tail]).joined()
        }
        return rest
    }

    private static func position(of word: String, in text: Substring) -> String.Index? {
        text.indices.first { text[$0...].hasPrefix(word) }
    }

    private static func words(_ seconds: Int) -> String {
        for (unit, length) in [("d", 86_400), ("h", 3_600), ("m", 60)] where seconds % length == 0 && seconds > 0 {
            return "\(seconds / length)\(unit)"
        }
        return "\(seconds)s"
    }

    private static func inBytes(_ bytes: Int64) -> String {
        for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] where bytes % (1 << shift) == 0 && bytes > 0 {
            return "\(bytes >> shift)\(unit)"
        }
        return "\(bytes)B"
    }
}
