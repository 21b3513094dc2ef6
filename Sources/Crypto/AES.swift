/// AES-CBC as DIMP uses it (wire.md 5.2). The key has 16, 24 or 32 bytes, the IV has 16.
///
/// CBC does not notice changes: what comes out of `decrypt` is only as good as the signature over the ciphertext.
package enum AES {
    package static let block = 16

    /// Pads by PKCS#7. Throws `badKey` for a key or IV of the wrong length.
    package static func encrypt(_ plaintext: [UInt8], key: [UInt8], iv: [UInt8]) throws(CryptoError) -> [UInt8] {
        let padding = block - plaintext.count % block
        return try run(.encrypt, plaintext + [UInt8](repeating: UInt8(padding), count: padding), key: key, iv: iv)
    }

    /// Removes PKCS#7, or the trailing NULs of 2019's 0.1.x writers. Throws `badKey` as above, `cannotDecrypt` for a
    /// ciphertext that is no whole number of blocks, `badPadding` for a plaintext that ends in neither.
    package static func decrypt(_ ciphertext: [UInt8], key: [UInt8], iv: [UInt8]) throws(CryptoError) -> [UInt8] {
        guard !ciphertext.isEmpty, ciphertext.count.isMultiple(of: block) else { throw .cannotDecrypt }
        let padded = try run(.decrypt, ciphertext, key: key, iv: iv)
        guard let length = lengthWithoutPKCS7(padded) ?? lengthWithoutNULs(padded) else { throw .badPadding }
        return Array(padded.prefix(length))
    }

    /// The next part of a longer text, in whole blocks and without padding: `iv` is the last block of the part before.
    package static func encryptPart(_ blocks: [UInt8], key: [UInt8], iv: [UInt8]) throws(CryptoError) -> [UInt8] {
        guard blocks.count.isMultiple(of: block) else { throw .cannotDecrypt }
        return try run(.encrypt, blocks, key: key, iv: iv)
    }

    /// The other way, from any block on: `iv` is the block of ciphertext before it. The padding stays.
    package static func decryptPart(_ blocks: [UInt8], key: [UInt8], iv: [UInt8]) throws(CryptoError) -> [UInt8] {
        guard blocks.count.isMultiple(of: block) else { throw .cannotDecrypt }
        return try run(.decrypt, blocks, key: key, iv: iv)
    }

    /// `nil` unless the last 1 to 16 bytes each say how many they are.
    static func lengthWithoutPKCS7(_ padded: [UInt8]) -> Int? {
        guard let last = padded.last, 1...block ~= Int(last), Int(last) <= padded.count,
            padded.suffix(Int(last)).allSatisfy({ $0 == last })
        else { return nil }
        return padded.count - Int(last)
    }

    /// `nil` unless the last byte is NUL.
    private static func lengthWithoutNULs(_ padded: [UInt8]) -> Int? {
        guard padded.last == 0 else { return nil }
        return (padded.lastIndex { $0 != 0 } ?? -1) + 1
    }
}
