import CMbedTLS

/// mbedTLS's Base64 takes the same time for all digits, which is worth having for private keys.
extension PEM {
    /// `nil` for anything but whole, padded Base64 with white space in between.
    static func base64(_ text: String) -> [UInt8]? {
        var digits = text.utf8.filter { !($0 == 0x20 || 0x09...0x0D ~= $0) }
        defer { wipe(&digits) }
        var bytes = [UInt8](repeating: 0, count: digits.count / 4 * 3)
        var count = 0
        guard mbedtls_base64_decode(&bytes, bytes.count, &count, digits, digits.count) == 0 else { return nil }
        // Not `prefix`: it would leave a second copy behind that nobody wipes.
        bytes.removeLast(bytes.count - count)
        return bytes
    }

    static func base64(_ bytes: [UInt8]) -> [UInt8] {
        var digits = [UInt8](repeating: 0, count: (bytes.count + 2) / 3 * 4 + 1)
        var count = 0
        let code = mbedtls_base64_encode(&digits, digits.count, &count, bytes, bytes.count)
        return code == 0 ? Array(digits.prefix(count)) : []
    }
}
