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

    private func write(to out: inout [UInt8]) {
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
        var written = 0
        for (index, byte) in utf8.enumerated() where needsEscape(byte) {
            out += utf8[written..<index]
            out += escape(byte)
            written = index + 1
        }
        out += utf8[written...]
    }
    out.append(UInt8(ascii: "\""))
}

private func needsEscape(_ byte: UInt8) -> Bool {
    byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte == 0x7F
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
