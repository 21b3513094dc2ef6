extension JSON {
    /// The value on one line without spaces, as UTF-8. Not jansson's writer: that one prints 0.1 as
    /// 0.10000000000000001, and people read what we print. Numbers are the shortest that read back the same;
    /// infinities and NaN, which JSON cannot say, become null.
    package var bytes: [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(256)
        write(to: &out)
        return out
    }

    package var text: String {
        String(decoding: bytes, as: UTF8.self)
    }

    /// The same at the end of `out`.
    package func write(to out: inout [UInt8]) {
        switch self {
        case .null: out += "null".utf8
        case .bool(let value): out += (value ? "true" : "false").utf8
        case .integer(let value): out += value.description.utf8
        case .number(let value): out += (value.isFinite ? value.description : "null").utf8
        case .string(let value): writeString(value, to: &out)
        case .array(let values): writeList(values, "[", "]", to: &out) { $0.write(to: &$1) }
        case .object(let object):
            writeList(object.members, "{", "}", to: &out) { member, out in
                writeString(member.name, to: &out)
                out.append(UInt8(ascii: ":"))
                member.value.write(to: &out)
            }
        }
    }
}

private func writeList<Element>(
    _ elements: [Element], _ open: Unicode.Scalar, _ close: Unicode.Scalar, to out: inout [UInt8],
    each write: (Element, inout [UInt8]) -> Void
) {
    out.append(UInt8(ascii: open))
    for (index, element) in elements.enumerated() {
        if index > 0 { out.append(UInt8(ascii: ",")) }
        write(element, &out)
    }
    out.append(UInt8(ascii: close))
}

/// Escapes what JSON demands and nothing more: no `\/`, and other scripts stay readable.
private func writeString(_ value: String, to out: inout [UInt8]) {
    out.append(UInt8(ascii: "\""))
    var value = value
    value.withUTF8 { utf8 in
        let bytes = UnsafeRawBufferPointer(utf8)
        var position = 0
        while true {
            let plain = bytes.plainRun(from: position)
            out.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[position..<plain.end]))
            guard plain.end < bytes.count else { return }
            out += escape(bytes[plain.end])
            position = plain.end + 1
        }
    }
    out.append(UInt8(ascii: "\""))
}

private func escape(_ byte: UInt8) -> [UInt8] {
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"): [UInt8(ascii: "\\"), byte]
    case UInt8(ascii: "\n"): Array(#"\n"#.utf8)
    case UInt8(ascii: "\r"): Array(#"\r"#.utf8)
    case UInt8(ascii: "\t"): Array(#"\t"#.utf8)
    default: Array((#"\u00"# + Hex.encode([byte])).utf8)
    }
}

extension UnsafeRawBufferPointer {
    /// The bytes from `start` on that stand for themselves in a JSON string: up to the first control character, quote,
    /// backslash or DEL. Eight are looked at together, because most of a message is Base64.
    func plainRun(from start: Int) -> (end: Int, isASCII: Bool) {
        var position = start
        var all: UInt64 = 0
        while position + 8 <= count {
            let word = loadUnaligned(fromByteOffset: position, as: UInt64.self)
            guard word.isPlain else { break }
            all |= word
            position += 8
        }
        while position < count, isPlain(self[position]) {
            all |= UInt64(self[position])
            position += 1
        }
        return (position, all & UInt64.highBits == 0)
    }

    private func isPlain(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\") && byte != 0x7F
    }
}

extension UInt64 {
    fileprivate static let highBits: UInt64 = 0x8080_8080_8080_8080

    /// Whether each of its eight bytes is plain. A byte below `n` alone has no high bit itself and one in the difference
    /// `self - n`; what borrows from its neighbour is such a byte already.
    fileprivate var isPlain: Bool {
        let control = (self &- Self.eight(0x20)) & ~self
        let special = hasByte(UInt8(ascii: "\"")) | hasByte(UInt8(ascii: "\\")) | hasByte(0x7F)
        return (control | special) & Self.highBits == 0
    }

    /// With a high bit where this byte is, and none if it is nowhere.
    private func hasByte(_ byte: UInt8) -> UInt64 {
        let difference = self ^ Self.eight(byte)
        return (difference &- Self.eight(1)) & ~difference & Self.highBits
    }

    private static func eight(_ byte: UInt8) -> UInt64 { UInt64(byte) &* 0x0101_0101_0101_0101 }
}
