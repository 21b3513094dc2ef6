/// Base 58 with Bitcoin's alphabet, as addresses use it (protocol.md 2.4). The work grows with the square of the
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
        var bytes: [UInt8] = []
        for digit in text.dropFirst(zeros) {
            guard let value = alphabet.firstIndex(of: digit) else { return nil }
            var carry = value
            for index in bytes.indices {
                carry += Int(bytes[index]) * 58
                bytes[index] = UInt8(carry & 255)
                carry >>= 8
            }
            while carry > 0 {
                bytes.append(UInt8(carry & 255))
                carry >>= 8
            }
        }
        return Array(repeatElement(0, count: zeros)) + bytes.reversed()
    }

    private static let alphabet = Array("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz".utf8)
}
