import Crypto
import Format

/// Single operations: ciphers, signatures, digests and the forms of keys.
enum CryptoChecks {
    /// Whether there is a check for the algorithm of this case.
    static func knows(_ vector: JSON) -> Bool { check(for: vector) != nil }

    static func crypto(_ vector: JSON) throws {
        guard let check = check(for: vector) else { throw Disagreement("no such algorithm is known here") }
        try agree(check(vector), "another result")
    }

    private static func check(for vector: JSON) -> (@Sendable (JSON) throws -> Bool)? {
        vector["algorithm"]?.string.flatMap { checks[$0.lowercased()] }
    }

    private static let checks: [String: @Sendable (JSON) throws -> Bool] = [
        "aes-cbc pkcs7": aes,
        "aes-cbc nul padding": aesOf2019,
        "digests": digests,
        "rsa pkcs1v1.5": rsaDecryption,
        "rsa sha256": rsaSignature,
        "rsa2048 sha256": rsaSignature,
        "ecc sha256": eccSignature,
        "rsa key": rsaKey,
        "ecc key encodings": eccKey,
    ]

    @Sendable private static func aes(_ vector: JSON) throws -> Bool {
        let key = try vector.member("key").base64("data")
        let iv = try vector.base64("iv")
        let plaintext = try vector.base64("plaintext")
        let ciphertext = try vector.base64("ciphertext")
        return try AES.decrypt(ciphertext, key: key, iv: iv) == plaintext
            && AES.encrypt(plaintext, key: key, iv: iv) == ciphertext
    }

    @Sendable private static func aesOf2019(_ vector: JSON) throws -> Bool {
        let key = try vector.member("key").base64("data")
        let iv = try vector.member("key").base64("iv")
        return try AES.decrypt(vector.base64("ciphertext"), key: key, iv: iv) == vector.base64("plaintext")
    }

    @Sendable private static func digests(_ vector: JSON) throws -> Bool {
        let data = try vector.base64("data")
        return try Digest.sha256(data) == vector.hex("sha256") && Digest.ripemd160(data) == vector.hex("ripemd160")
            && Digest.keccak256(data) == vector.hex("keccak256")
            // Written over two NULs and at most 40 bytes of the data.
            && Base58.encode([0, 0] + data.prefix(40)) == vector.text("base58")
    }

    @Sendable private static func rsaDecryption(_ vector: JSON) throws -> Bool {
        let key = try RSAPrivateKey(pem: vector.key("private"))
        return try key.decrypt(vector.base64("ciphertext")).revealed == vector.base64("plaintext")
    }

    @Sendable private static func rsaSignature(_ vector: JSON) throws -> Bool {
        let data = try vector.base64("data")
        let signature = try vector.base64("signature")
        if vector["private"] != nil {
            // The same key signs the same bytes alike, wherever it does.
            guard try RSAPrivateKey(pem: vector.key("private")).sign(data) == signature else { return false }
        }
        let isValid = try RSAPublicKey(pem: vector.key("public")).verifies(signature, of: data)
        return try isValid == (vector.text("expect") == "valid")
    }

    @Sendable private static func eccSignature(_ vector: JSON) throws -> Bool {
        let data = try vector.base64("data")
        let publicKey = try ECCPublicKey(text: vector.key("public"))
        if vector["private"] != nil {
            let key = try ECCPrivateKey(text: vector.key("private"))
            guard key.publicKey == publicKey, try publicKey.verifies(key.sign(data), of: data) else { return false }
        }
        let isValid = try publicKey.verifies(vector.base64("signature"), of: data)
        return try isValid == (vector.text("expect") == "valid")
    }

    @Sendable private static func rsaKey(_ vector: JSON) throws -> Bool {
        let key = try RSAPrivateKey(pem: vector.key("private"))
        let publicKey = try RSAPublicKey(pem: vector.key("public"))
        return try key.publicKey == publicKey && RSAPublicKey(pem: publicKey.pem) == publicKey
    }

    @Sendable private static func eccKey(_ vector: JSON) throws -> Bool {
        let key = try ECCPrivateKey(text: vector.text("private_hex"))
        let other = try ECCPrivateKey(text: vector.key("pem_private"))
        let point = try vector.hex("public_uncompressed_hex")
        let address = Hex.encode(Digest.keccak256(Array(point.dropFirst())).suffix(20))
        return try key.publicKey.point == point && other.publicKey.point == point
            && ECCPublicKey(text: vector.key("pem_public")).point == point
            && ECCPublicKey(text: vector.text("public_uncompressed_hex")) == key.publicKey
            && vector.text("eth_address").lowercased() == "0x" + address
    }
}
