/// The few DER structures around a key on secp256k1. DER leaves each exactly one spelling, so they are prefixes.
enum Secp256k1 {
    /// SubjectPublicKeyInfo { id-ecPublicKey, secp256k1 }, up to the 65 bytes of a point.
    static let publicPrefix: [UInt8] = [0x30, 0x56] + algorithm + [0x03, 0x42, 0x00]
    /// The same for the 33 bytes of a compressed point.
    static let compressedPublicPrefix: [UInt8] = [0x30, 0x36] + algorithm + [0x03, 0x22, 0x00]

    private static let curve: [UInt8] = [0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x0A]
    private static let algorithm: [UInt8] =
        [0x30, 0x10, 0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01] + curve
    private static let sec1Prefix: [UInt8] = [0x02, 0x01, 0x01, 0x04, 0x20]

    /// ECPrivateKey without the public half (RFC 5915).
    static func sec1(scalar: [UInt8]) -> [UInt8] {
        let parts: [[UInt8]] = [[0x30, 0x2E], sec1Prefix, scalar, [0xA0, 0x07], curve]
        return Array(parts.joined())
    }

    /// PrivateKeyInfo, version 0, with the public half inside (RFC 5208, 5915).
    static func pkcs8(scalar: [UInt8], point: [UInt8]) -> [UInt8] {
        let parts: [[UInt8]] = [
            [0x30, 0x81, 0x84, 0x02, 0x01, 0x00], algorithm, [0x04, 0x6D, 0x30, 0x6B], sec1Prefix, scalar,
            [0xA1, 0x44, 0x03, 0x42, 0x00], point,
        ]
        return Array(parts.joined())
    }

    /// The 32 bytes out of an ECPrivateKey as mbedTLS writes it.
    static func scalar(ofSEC1 der: [UInt8]) throws(CryptoError) -> [UInt8] {
        guard der.count > 39, der[2..<7].elementsEqual(sec1Prefix) else { throw .badKey("not a key on secp256k1") }
        return Array(der[7..<39])
    }

    /// A PrivateKeyInfo of version 1 with its version set to 0: Python's `ecdsa` writes 1 over the structure of 0, and
    /// mbedTLS reads only 0. Other structures come back as they are.
    static func withVersionZero(_ der: [UInt8]) -> [UInt8] {
        guard der.count > 8, der[0] == 0x30 else { return der }
        let version = der[1] < 0x80 ? 2 : 2 + Int(der[1] & 0x03)
        guard der[version..<version + 4].elementsEqual([0x02, 0x01, 0x01, 0x30]) else { return der }
        var der = der
        der[version + 2] = 0
        return der
    }

    /// Whether a signature is a sequence of two positive numbers in their one DER spelling. mbedTLS reads others, so
    /// that anybody could write a second signature beside a given one.
    static func isDER(signature: [UInt8]) -> Bool {
        guard signature.count <= 72, signature.count > 2, signature[0] == 0x30, Int(signature[1]) == signature.count - 2
        else { return false }
        let afterR = endOfPositive(in: signature, at: 2)
        return afterR.flatMap { endOfPositive(in: signature, at: $0) } == signature.count
    }

    /// Where a positive INTEGER of 1 to 33 bytes ends; `nil` if there is none, or one with more bytes than it needs.
    private static func endOfPositive(in der: [UInt8], at start: Int) -> Int? {
        guard start + 2 < der.count, der[start] == 0x02, 1...33 ~= Int(der[start + 1]) else { return nil }
        let end = start + 2 + Int(der[start + 1])
        guard end <= der.count, der[start + 2] < 0x80 else { return nil }
        let hasSpareZero = der[start + 2] == 0 && (end == start + 3 || der[start + 3] < 0x80)
        return hasSpareZero ? nil : end
    }

    /// `nil` for an odd count, for nothing, and for anything but `0-9 a-f A-F`.
    static func hex(_ text: String) -> [UInt8]? {
        guard !text.isEmpty, text.utf8.count <= 130, text.utf8.count.isMultiple(of: 2) else { return nil }
        var bytes: [UInt8] = []
        var high: UInt8?
        for digit in text.utf8 {
            guard let value = Character(Unicode.Scalar(digit)).hexDigitValue.map(UInt8.init) else { return nil }
            if let first = high {
                bytes.append(first << 4 | value)
                high = nil
            } else {
                high = value
            }
        }
        return bytes
    }
}
