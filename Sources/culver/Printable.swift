extension String {
    /// The text as a terminal may have it: what moves the cursor, changes colours, breaks the line or turns the
    /// writing round is spelled out. Names and texts come from strangers.
    var printable: String {
        guard unicodeScalars.contains(where: \.isDangerous) else { return self }
        var out = ""
        for scalar in unicodeScalars {
            switch scalar {
            case "\n": out += "\\n"
            case "\r": out += "\\r"
            case "\t": out += "\\t"
            case let scalar where scalar.isDangerous: out += "\\u{\(String(scalar.value, radix: 16))}"
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out
    }
}

extension Unicode.Scalar {
    /// Control characters of both sets, line and paragraph separators, marks that turn the direction of writing, and
    /// scalars that are no characters. Not the joiners: emoji and several scripts need them.
    fileprivate var isDangerous: Bool {
        switch value {
        case 0..<0x20, 0x7F...0x9F: true
        case 0x061C, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069: true
        case 0xFEFF, 0xFFF9...0xFFFB: true
        default: properties.isNoncharacterCodePoint
        }
    }
}
