/// Base 58 with Bitcoin's alphabet, as addresses use it (wire.md 2.4). The work grows with the square of the
/// length, so text beyond `limit` digits is refused unread; an address has at most 35.
package enum Base58 {
    package static let limit = 128

    package static func encode(_ bytes: [UInt8]) -> String {
        let zeros = bytes.prefix { $0 == 0 }.count
        var digits: [UInt8] = []
        for byte in bytes.dropFirst(zeros) {
            var carry = Int(byte)
            for index in digits.indices {
                carry += Int(digits[index]) << 8
                digits[index] = UInt8(carry % 58)
                carry /= 58
            }
            while carry > 0 {
                digits.append(UInt8(carry % 58))
                carry /= 58
            }
        }
        let text = repeatElement(alphabet[0], count: zeros) + digits.reversed().map { alphabet[Int($0)] }
        return String(decoding: text, as: UTF8.self)
    }

    /// `nil` for a digit outside the alphabet and for text longer than `limit`.
    package static func decode(_ text: some StringProtocol) -> [UInt8]? {
        let text = Array(text.utf8)
        guard text.count <= limit else { return nil }
        let zeros = text.prefix { $0 == alphabet[0] }.count
        // The number in words of 32 bits, the lowest first.
        var words: [UInt32] = []
        words.reserveCapacity(text.count / 5 + 1)
        for digit in text.dropFirst(zeros) {
            var carry = UInt64(values[Int(digit)])
            guard carry < 58 else { return nil }
            for index in words.indices {
                carry += UInt64(words[index]) * 58
                words[index] = UInt32(truncatingIfNeeded: carry)
                carry >>= 32
            }
            if carry > 0 { words.append(UInt32(carry)) }
        }
        var bytes = [UInt8](repeating: 0, count: zeros)
        bytes.reserveCapacity(zeros + words.count * 4)
        for word in words.reversed() {
            for shift: UInt32 in [24, 16, 8, 0] {
                let byte = UInt8(truncatingIfNeeded: word >> shift)
                if byte != 0 || bytes.count > zeros { bytes.append(byte) }
            }
        }
        return bytes
    }

    private static let alphabet = Array("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz".utf8)

    private static let values: [UInt8] = {
        var table = [UInt8](repeating: 255, count: 256)
        for (value, digit) in alphabet.enumerated() { table[Int(digit)] = UInt8(value) }
        return table
    }()
}
