/// Base 16 (RFC 4648 section 8), written in lower case, read in either.
package enum Hex {
    package static func encode(_ bytes: some Sequence<UInt8>) -> String {
        var out: [UInt8] = []
        for byte in bytes {
            out.append(digits[Int(byte >> 4)])
            out.append(digits[Int(byte & 15)])
        }
        return String(decoding: out, as: UTF8.self)
    }

    /// `nil` for an odd count and for anything but `0-9 a-f A-F`.
    package static func decode(_ text: some StringProtocol) -> [UInt8]? {
        let nibbles = text.utf8.map(value)
        guard nibbles.count.isMultiple(of: 2), !nibbles.contains(nil) else { return nil }
        return stride(from: 0, to: nibbles.count, by: 2).map { (nibbles[$0] ?? 0) << 4 | (nibbles[$0 + 1] ?? 0) }
    }

    private static let digits = Array("0123456789abcdef".utf8)

    private static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
