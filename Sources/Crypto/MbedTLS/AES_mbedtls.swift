import CMbedTLS

extension AES {
    enum Direction {
        case encrypt, decrypt
    }

    /// CBC over whole blocks, padding left to the caller.
    static func run(
        _ direction: Direction, _ input: [UInt8], key: [UInt8], iv: [UInt8]
    ) throws(CryptoError) -> [UInt8] {
        guard [16, 24, 32].contains(key.count) else { throw .badKey("an AES key of \(key.count) bytes") }
        guard iv.count == block else { throw .badKey("an AES IV of \(iv.count) bytes") }
        var code: Int32 = 0
        let output = [UInt8](unsafeUninitializedCapacity: input.count) { room, count in
            code = run(direction, input, into: room, key: key, iv: iv)
            count = code == 0 ? input.count : 0
        }
        guard code == 0 else { throw .library(operation: "run AES-CBC", code: code) }
        return output
    }

    /// One closure around all calls: the context of 2.28 points into itself and must not move.
    private static func run(
        _ direction: Direction, _ input: [UInt8], into room: UnsafeMutableBufferPointer<UInt8>, key: [UInt8],
        iv: [UInt8]
    ) -> Int32 {
        var context = mbedtls_aes_context()
        return withUnsafeMutablePointer(to: &context) { context in
            mbedtls_aes_init(context)
            defer { mbedtls_aes_free(context) }
            let bits = UInt32(key.count * 8)
            let code =
                direction == .encrypt
                ? mbedtls_aes_setkey_enc(context, key, bits) : mbedtls_aes_setkey_dec(context, key, bits)
            guard code == 0 else { return code }
            let mode = direction == .encrypt ? MBEDTLS_AES_ENCRYPT : MBEDTLS_AES_DECRYPT
            var chain = iv
            return mbedtls_aes_crypt_cbc(context, mode, input.count, &chain, input, room.baseAddress)
        }
    }
}
