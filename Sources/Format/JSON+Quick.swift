extension JSON {
    /// Reads what nearly all messages are made of: strings without `\u`, numbers without exponent, small objects.
    /// `nil` for everything else, wrong or not: then jansson reads the text from the start and has the last word.
    ///
    /// jansson takes 12 µs for a kilobyte of Base64, byte by byte; on a message that was more than all checks but the
    /// signature's.
    package static func quick(_ text: [UInt8], _ limits: JSONLimits) -> JSON? {
        var reader = QuickReader(text: text, limits: limits)
        reader.skipSpace()
        guard reader.next == UInt8(ascii: "{") || reader.next == UInt8(ascii: "["), let json = reader.value() else {
            return nil
        }
        reader.skipSpace()
        guard reader.isAtEnd else { return nil }
        return json
    }
}

private struct QuickReader {
    private let text: [UInt8]
    private let limits: JSONLimits
    private var position = 0
    private var depth = 0
    /// As `JSONLimits` counts them.
    private var values = 1

    init(text: [UInt8], limits: JSONLimits) {
        self.text = text
        self.limits = limits
    }

    var isAtEnd: Bool { position == text.count }

    /// 0 at the end: no JSON has a NUL outside of a string, and in one it is refused.
    var next: UInt8 { position < text.count ? text[position] : 0 }

    mutating func skipSpace() {
        while position < text.count {
            switch text[position] {
            case 0x20, 0x09, 0x0A, 0x0D: position += 1
            default: return
            }
        }
    }

    /// No `? … : nil` anywhere here: JSON can be written as `nil` too, and then it means null.
    mutating func value() -> JSON? {
        switch next {
        case UInt8(ascii: "\""): return string().map(JSON.string)
        case UInt8(ascii: "{"): return object()
        case UInt8(ascii: "["): return array()
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return number()
        case UInt8(ascii: "t"): return word("true", .bool(true))
        case UInt8(ascii: "f"): return word("false", .bool(false))
        case UInt8(ascii: "n"): return word("null", .null)
        default: return nil
        }
    }

    private mutating func object() -> JSON? {
        guard opens() else { return nil }
        var members: [(name: String, value: JSON)] = []
        if closes(UInt8(ascii: "}")) { return .object(JSONObject()) }
        members.reserveCapacity(6)
        repeat {
            skipSpace()
            guard next == UInt8(ascii: "\""), let name = string() else { return nil }
            // A name that stands twice is for jansson to refuse, and a long list for it to look through.
            guard members.count < 32, !members.contains(where: { $0.name == name }) else { return nil }
            skipSpace()
            guard takes(UInt8(ascii: ":")) else { return nil }
            skipSpace()
            guard let value = value() else { return nil }
            members.append((name, value))
        } while continues()
        guard closes(UInt8(ascii: "}")) else { return nil }
        return .object(JSONObject(distinct: members))
    }

    private mutating func array() -> JSON? {
        guard opens() else { return nil }
        var elements: [JSON] = []
        if closes(UInt8(ascii: "]")) { return .array(elements) }
        repeat {
            skipSpace()
            guard let value = value() else { return nil }
            elements.append(value)
        } while continues()
        guard closes(UInt8(ascii: "]")) else { return nil }
        return .array(elements)
    }

    private mutating func opens() -> Bool {
        position += 1
        depth += 1
        values += 1
        return depth <= limits.depth && values <= limits.values
    }

    private mutating func closes(_ bracket: UInt8) -> Bool {
        skipSpace()
        guard takes(bracket) else { return false }
        depth -= 1
        return true
    }

    private mutating func continues() -> Bool {
        skipSpace()
        guard takes(UInt8(ascii: ",")) else { return false }
        values += 1
        return values <= limits.values
    }

    private mutating func string() -> String? {
        position += 1
        let start = position
        let plain = text.withUnsafeBytes { $0.plainRun(from: start) }
        position = plain.end
        var all: UInt8 = plain.isASCII ? 0 : 0x80
        while position < text.count {
            let byte = text[position]
            if byte == UInt8(ascii: "\"") {
                defer { position += 1 }
                // Plain ASCII needs no check, and most of a message is Base64.
                if all < 0x80 { return String(decoding: text[start..<position], as: UTF8.self) }
                return String(validating: text[start..<position], as: UTF8.self)
            }
            all |= byte
            if byte == UInt8(ascii: "\\") { return escaped(from: start) }
            guard byte >= 0x20 else { return nil }
            position += 1
        }
        return nil
    }

    /// The rest of a string from its first escape on.
    private mutating func escaped(from start: Int) -> String? {
        var bytes = Array(text[start..<position])
        while true {
            let plain = text.withUnsafeBytes { $0.plainRun(from: position) }
            bytes += text[position..<plain.end]
            position = plain.end
            guard position + 1 < text.count else { return nil }
            let byte = text[position]
            position += 1
            switch byte {
            case UInt8(ascii: "\""): return String(validating: bytes, as: UTF8.self)
            case UInt8(ascii: "\\"):
                guard let plain = Self.plain(text[position]) else { return nil }
                bytes.append(plain)
                position += 1
            case 0..<0x20: return nil
            default: bytes.append(byte)
            }
        }
    }

    private static func plain(_ escape: UInt8) -> UInt8? {
        switch escape {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): escape
        case UInt8(ascii: "n"): 0x0A
        case UInt8(ascii: "r"): 0x0D
        case UInt8(ascii: "t"): 0x09
        case UInt8(ascii: "b"): 0x08
        case UInt8(ascii: "f"): 0x0C
        default: nil
        }
    }

    /// Up to 18 digits, which always fit, perhaps with a fraction. An exponent is for jansson.
    private mutating func number() -> JSON? {
        let start = position
        let isNegative = takes(UInt8(ascii: "-"))
        let first = position
        let magnitude = digits()
        guard 1...18 ~= position - first, position - first == 1 || text[first] != UInt8(ascii: "0") else { return nil }
        var isWhole = true
        if takes(UInt8(ascii: ".")) {
            let point = position
            _ = digits()
            guard 1...18 ~= position - point else { return nil }
            isWhole = false
        }
        guard next != UInt8(ascii: "e"), next != UInt8(ascii: "E") else { return nil }
        if isWhole { return .integer(isNegative ? -magnitude : magnitude) }
        return Double(String(decoding: text[start..<position], as: UTF8.self)).map(JSON.number)
    }

    /// The value means something for up to 18 digits.
    private mutating func digits() -> Int64 {
        var value: Int64 = 0
        while case UInt8(ascii: "0")...UInt8(ascii: "9") = next {
            value = value &* 10 &+ Int64(text[position] - UInt8(ascii: "0"))
            position += 1
        }
        return value
    }

    private mutating func takes(_ byte: UInt8) -> Bool {
        guard next == byte else { return false }
        position += 1
        return true
    }

    private mutating func word(_ word: StaticString, _ meaning: JSON) -> JSON? {
        guard text[position...].starts(with: word.description.utf8) else { return nil }
        position += word.utf8CodeUnitCount
        return meaning
    }
}
