/// Base64 (RFC 4648 section 4): standard alphabet, padded. Read as wire.md 5.3 advises: white space inside is
/// skipped, a data URI (`data:…;base64,…`) and the prefix `base64,` are understood, all else is refused.
///
/// Our own and not mbedTLS's, which takes constant time: four fields of a message would cost it as much as half a
/// signature check, and none of them is secret.
package enum Base64 {
    package static func encode(_ bytes: some Collection<UInt8>) -> String {
        let bytes = Array(bytes)
        let length = (bytes.count + 2) / 3 * 4
        return String(unsafeUninitializedCapacity: length) { out in
            alphabet.withUnsafeBufferPointer { alphabet in
                bytes.withUnsafeBufferPointer { encode($0, alphabet, into: out) }
            }
            return length
        }
    }

    private static func encode(
        _ bytes: UnsafeBufferPointer<UInt8>, _ alphabet: UnsafeBufferPointer<UInt8>,
        into out: UnsafeMutableBufferPointer<UInt8>
    ) {
        var (position, written) = (0, 0)
        while position < bytes.count {
            let count = min(3, bytes.count - position)
            let first = UInt32(bytes[position]) << 16
            let second = count > 1 ? UInt32(bytes[position + 1]) << 8 : 0
            let third = count > 2 ? UInt32(bytes[position + 2]) : 0
            let group = first | second | third
            out[written] = alphabet[Int(group >> 18 & 63)]
            out[written + 1] = alphabet[Int(group >> 12 & 63)]
            out[written + 2] = count > 1 ? alphabet[Int(group >> 6 & 63)] : padding
            out[written + 3] = count > 2 ? alphabet[Int(group & 63)] : padding
            position += 3
            written += 4
        }
    }

    /// `nil` for anything that is not whole, padded Base64.
    package static func decode(_ text: String) -> [UInt8]? {
        var text = text
        return text.withUTF8 { utf8 in
            decode(UnsafeRawBufferPointer(utf8)[body(of: utf8)...])
        }
    }

    /// Where the digits begin: behind the `;base64,` of a data URI or the prefix `base64,`. A comma that was not
    /// skipped is refused as a digit.
    private static func body(of utf8: UnsafeBufferPointer<UInt8>) -> Int {
        if utf8.starts(with: "base64,".utf8) { return 7 }
        guard utf8.starts(with: "data:".utf8), let comma = utf8.firstIndex(of: UInt8(ascii: ",")),
            utf8[..<comma].suffix(7).elementsEqual(";base64".utf8)
        else { return 0 }
        return comma + 1
    }

    private static func decode(_ digits: Slice<UnsafeRawBufferPointer>) -> [UInt8]? {
        let digits = UnsafeRawBufferPointer(rebasing: digits)
        var isWhole = true
        let bytes = [UInt8](unsafeUninitializedCapacity: digits.count / 4 * 3 + 3) { out, written in
            values.withUnsafeBufferPointer { values in
                var position = 0
                // Four digits at a time, up to the first padding or white space.
                while position + 4 <= digits.count {
                    let a = values[Int(digits[position])]
                    let b = values[Int(digits[position + 1])]
                    let c = values[Int(digits[position + 2])]
                    let d = values[Int(digits[position + 3])]
                    guard a | b | c | d < 64 else { break }
                    out[written] = a << 2 | b >> 4
                    out[written + 1] = b << 4 | c >> 2
                    out[written + 2] = c << 6 | d
                    written += 3
                    position += 4
                }
                isWhole = decode(digits[position...], values, into: out, &written)
            }
        }
        return isWhole ? bytes : nil
    }

    /// The rest, digit by digit; `false` if it is not whole.
    private static func decode(
        _ digits: Slice<UnsafeRawBufferPointer>, _ values: UnsafeBufferPointer<UInt8>,
        into out: UnsafeMutableBufferPointer<UInt8>, _ written: inout Int
    ) -> Bool {
        var group: UInt32 = 0
        var filled = 0
        var padded = 0
        for digit in digits {
            let value = values[Int(digit)]
            switch value {
            case 0..<64:
                guard padded == 0 else { return false }
                group = group << 6 | UInt32(value)
                filled += 1
            case isPadding:
                guard filled >= 2 else { return false }
                padded += 1
                group <<= 6
                filled += 1
            case isSpace: continue
            default: return false
            }
            guard filled == 4 else { continue }
            // What the padding cuts off must be zero, so that one value has one spelling.
            guard padded < 3, padded == 0 || group & (padded == 1 ? 0xFF : 0xFFFF) == 0 else { return false }
            for shift: UInt32 in [16, 8, 0].dropLast(padded) {
                out[written] = UInt8(truncatingIfNeeded: group >> shift)
                written += 1
            }
            group = 0
            filled = 0
        }
        return filled == 0
    }

    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let padding = UInt8(ascii: "=")
    private static let isPadding: UInt8 = 64
    private static let isSpace: UInt8 = 65

    private static let values: [UInt8] = {
        var table = [UInt8](repeating: 255, count: 256)
        for (value, digit) in alphabet.enumerated() { table[Int(digit)] = UInt8(value) }
        table[Int(padding)] = isPadding
        for space in " \t\r\n".utf8 { table[Int(space)] = isSpace }
        return table
    }()
}
