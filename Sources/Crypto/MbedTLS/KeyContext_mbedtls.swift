import CMbedTLS

/// One key inside mbedTLS, RSA or secp256k1; freed, and its numbers wiped, with the last reference.
///
/// `@unchecked Sendable`: mbedTLS takes the mutex inside an RSA context for every public and private operation
/// (`mbedtls_rsa_public`, `mbedtls_rsa_private`; 2.28 and 3.6 with MBEDTLS_THREADING_C, as Debian builds both). Reading
/// its numbers out for `publicDER` and `privateDER` needs none, as they never change. An elliptic curve context has no
/// mutex, and 2.28 keeps its table of multiples in it at first use: whoever shares one brings a lock (`ECC…Key`).
final class KeyContext: @unchecked Sendable {
    private let pk: UnsafeMutablePointer<mbedtls_pk_context>

    private init() {
        pk = .allocate(capacity: 1)
        mbedtls_pk_init(pk)
    }

    deinit {
        mbedtls_pk_free(pk)
        pk.deallocate()
    }

    /// SubjectPublicKeyInfo or, for RSA, RSAPublicKey.
    convenience init(publicDER der: [UInt8]) throws(CryptoError) {
        self.init()
        guard !der.isEmpty, mbedtls_pk_parse_public_key(pk, der, der.count) == 0 else {
            throw .badKey("no public key in it")
        }
    }

    /// PKCS#8, PKCS#1 or SEC1. Refuses a key whose parts do not belong together.
    convenience init(privateDER der: [UInt8]) throws(CryptoError) {
        self.init()
        let code = try DRBG.shared.with { culver_pk_parse_private(pk, der, der.count, $0) }
        guard !der.isEmpty, code == 0 else { throw .badKey("no private key in it") }
        guard try DRBG.shared.with({ culver_pk_check_private(pk, $0) }) == 0 else {
            throw .badKey("the parts of the private key do not belong together")
        }
    }

    static func newRSA(bits: Int) throws(CryptoError) -> KeyContext {
        let new = KeyContext()
        let code = try DRBG.shared.with { culver_pk_make_rsa(new.pk, UInt32(bits), $0) }
        guard code == 0 else { throw .library(operation: "make an RSA key", code: code) }
        return new
    }

    static func newSecp256k1() throws(CryptoError) -> KeyContext {
        let new = KeyContext()
        let code = try DRBG.shared.with { culver_pk_make_secp256k1(new.pk, $0) }
        guard code == 0 else { throw .library(operation: "make an ECC key", code: code) }
        return new
    }

    /// A second context of the same RSA key, with a mutex and blinding numbers of its own.
    func copyOfRSA() throws(CryptoError) -> KeyContext {
        let new = KeyContext()
        let code = culver_pk_copy_rsa(new.pk, pk)
        guard code == 0 else { throw .library(operation: "copy an RSA key", code: code) }
        return new
    }

    var isRSA: Bool { mbedtls_pk_get_type(pk) == MBEDTLS_PK_RSA }
    var bits: Int { mbedtls_pk_get_bitlen(pk) }

    /// Of an RSA key; 0 for one beyond 32 bits.
    var exponent: UInt32 {
        var exponent: UInt32 = 0
        return culver_pk_rsa_exponent(pk, &exponent) == 0 ? exponent : 0
    }

    /// SubjectPublicKeyInfo, also of a private key.
    func publicDER() throws(CryptoError) -> [UInt8] {
        try written("public") { mbedtls_pk_write_pubkey_der(pk, $0, $1) }
    }

    /// PKCS#1 of an RSA key, SEC1 of a secp256k1 key. The caller wipes it.
    func privateDER() throws(CryptoError) -> [UInt8] {
        try written("private") { mbedtls_pk_write_key_der(pk, $0, $1) }
    }

    /// mbedTLS writes DER to the end of the room it gets.
    private func written(
        _ what: String, _ write: (UnsafeMutablePointer<UInt8>?, Int) -> Int32
    ) throws(CryptoError) -> [UInt8] {
        var room = [UInt8](repeating: 0, count: 4096)
        defer { wipe(&room) }
        let code = room.withUnsafeMutableBufferPointer { write($0.baseAddress, $0.count) }
        guard code > 0 else { throw .library(operation: "write a \(what) key", code: code) }
        return Array(room.suffix(Int(code)))
    }

    /// Of a SHA-256 digest: RSASSA-PKCS1-v1_5, or ECDSA in DER. `false` for anything else, of whatever length.
    func verifies(_ signature: [UInt8], ofDigest digest: [UInt8]) -> Bool {
        digest.count == 32
            && mbedtls_pk_verify(pk, MBEDTLS_MD_SHA256, digest, digest.count, signature, signature.count) == 0
    }

    /// Of a SHA-256 digest, as `verifies` takes it.
    func sign(digest: [UInt8]) throws(CryptoError) -> [UInt8] {
        precondition(digest.count == 32, "no SHA-256")
        var room = [UInt8](repeating: 0, count: culver_signature_room)
        var count = 0
        let code = try DRBG.shared.with { culver_pk_sign(pk, digest, &room, room.count, &count, $0) }
        guard code == 0 else { throw .library(operation: "sign", code: code) }
        return Array(room.prefix(count))
    }

    /// RSAES-PKCS1-v1_5; the caller has checked the length.
    func encrypt(_ plaintext: [UInt8]) throws(CryptoError) -> [UInt8] {
        var room = [UInt8](repeating: 0, count: (bits + 7) / 8)
        var count = 0
        let code = try DRBG.shared.with {
            mbedtls_pk_encrypt(pk, plaintext, plaintext.count, &room, &count, room.count, mbedtls_ctr_drbg_random, $0)
        }
        guard code == 0 else { throw .library(operation: "encrypt with RSA", code: code) }
        return Array(room.prefix(count))
    }

    /// Every failure is the same failure.
    func decrypt(_ ciphertext: [UInt8]) throws(CryptoError) -> SecretBytes {
        guard ciphertext.count == (bits + 7) / 8 else { throw .cannotDecrypt }
        var room = [UInt8](repeating: 0, count: ciphertext.count)
        defer { wipe(&room) }
        var count = 0
        let code = try DRBG.shared.with {
            mbedtls_pk_decrypt(pk, ciphertext, ciphertext.count, &room, &count, room.count, mbedtls_ctr_drbg_random, $0)
        }
        guard code == 0 else { throw .cannotDecrypt }
        var plaintext = Array(room.prefix(count))
        defer { wipe(&plaintext) }
        return SecretBytes(plaintext)
    }
}

/// The library below, as it was loaded; its headers may have been older.
package enum MbedTLS {
    package static var version: String {
        let number = mbedtls_version_get_number()
        return "\(number >> 24).\(number >> 16 & 0xFF).\(number >> 8 & 0xFF)"
    }
}

extension Secp256k1 {
    /// 65 bytes for 33. Whether the point is on the curve is seen when a key is made of it. Throws `badKey`.
    static func decompress(_ compressed: [UInt8]) throws(CryptoError) -> [UInt8] {
        var point = [UInt8](repeating: 0, count: 65)
        guard compressed.count == 33, culver_secp256k1_decompress(compressed, &point) == 0 else {
            throw .badKey("not a compressed point of secp256k1")
        }
        return point
    }
}
