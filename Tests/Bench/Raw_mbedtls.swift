import CMbedTLS

/// mbedTLS called directly: what nobody can be faster than. A failure ends the program; the input is ours.
///
/// Uses the shim's spelling of calls, so that it compiles against 2.28 and 3.6, and nothing else of culver.
final class RawKey {
    private let pk: UnsafeMutablePointer<mbedtls_pk_context>
    private let drbg: UnsafeMutablePointer<mbedtls_ctr_drbg_context>
    private var room = [UInt8](repeating: 0, count: Int(culver_signature_room))

    /// The same private key as ours, from the same PEM.
    init(pem: String) {
        pk = .allocate(capacity: 1)
        drbg = .allocate(capacity: 1)
        mbedtls_pk_init(pk)
        mbedtls_ctr_drbg_init(drbg)
        insist(culver_drbg_seed(drbg))
        let text = Array(pem.utf8) + [0]
        insist(culver_pk_parse_private(pk, text, text.count, drbg))
    }

    deinit {
        mbedtls_pk_free(pk)
        mbedtls_ctr_drbg_free(drbg)
        pk.deallocate()
        drbg.deallocate()
    }

    func sign(digest: [UInt8]) {
        var count = 0
        insist(culver_pk_sign(pk, digest, &room, room.count, &count, drbg))
    }

    func verify(_ signature: [UInt8], digest: [UInt8]) {
        insist(mbedtls_pk_verify(pk, MBEDTLS_MD_SHA256, digest, digest.count, signature, signature.count))
    }

    func encrypt(_ text: [UInt8]) {
        var count = 0
        insist(mbedtls_pk_encrypt(pk, text, text.count, &room, &count, room.count, mbedtls_ctr_drbg_random, drbg))
    }

    func decrypt(_ wrapped: [UInt8]) {
        var count = 0
        insist(
            mbedtls_pk_decrypt(pk, wrapped, wrapped.count, &room, &count, room.count, mbedtls_ctr_drbg_random, drbg))
    }
}

/// AES-256-CBC with a key schedule of its own each time, as every message has.
final class RawAES {
    private var room: [UInt8]

    init(count: Int) {
        room = [UInt8](repeating: 0, count: count)
    }

    func decrypt(_ ciphertext: [UInt8], key: [UInt8], iv: [UInt8]) {
        var context = mbedtls_aes_context()
        var chain = iv
        withUnsafeMutablePointer(to: &context) { context in
            mbedtls_aes_init(context)
            insist(mbedtls_aes_setkey_dec(context, key, 256))
            insist(mbedtls_aes_crypt_cbc(context, MBEDTLS_AES_DECRYPT, ciphertext.count, &chain, ciphertext, &room))
            mbedtls_aes_free(context)
        }
    }
}

private func insist(_ code: Int32) {
    precondition(code == 0, "mbedTLS says \(code)")
}
