import Crypto
import Format
import Testing

@Suite("RSA public keys")
struct RSAPublicKeyTests {
    private let key: RSAPublicKey
    private let pair: RSAPrivateKey

    init() throws {
        key = try RSAPublicKey(pem: TestKeys.rsaPublic)
        pair = try RSAPrivateKey(pem: TestKeys.rsa)
    }

    @Test("are the same key in either structure, under any label, wrapped or not")
    func forms() throws {
        let body = TestKeys.rsaPublicPKCS1.split(separator: "\n").dropFirst().dropLast()
        let mislabelled = "-----BEGIN PUBLIC KEY-----\n\(body.joined())\n-----END PUBLIC KEY-----"
        let spaced = "\r\n-----BEGIN KEY-----\r\n\(body.joined(separator: " \t\r\n"))\r\n-----END KEY-----\r\n"
        for pem in [TestKeys.rsaPublicPKCS1, mislabelled, spaced, TestKeys.rsa + "\n" + TestKeys.rsaPublic] {
            #expect(try RSAPublicKey(pem: pem) == key)
        }
        #expect(key.bits == 1032)
        #expect(key == pair.publicKey)
    }

    @Test("are written as a SubjectPublicKeyInfo in lines of 64")
    func written() throws {
        #expect(key.pem == TestKeys.rsaPublic)
        let body = TestKeys.rsaPublic.split(separator: "\n").dropFirst().dropLast().joined()
        #expect(key.der == Base64.decode(body))
        #expect(try RSAPublicKey(der: key.der) == key)
    }

    @Test("encrypt up to their limit, what the private half reads back")
    func limit() throws {
        for size in [0, 1, 16, 110, key.limit] {
            let plaintext = try Random.bytes(size)
            #expect(try pair.decrypt(key.encrypt(plaintext)).revealed == plaintext)
        }
        #expect(key.limit == 118)
        #expect(throws: CryptoError.tooLong(limit: 118)) { try key.encrypt([UInt8](repeating: 1, count: 119)) }
        // Padding is random: the same bytes twice are two ciphertexts.
        #expect(try key.encrypt([1]) != key.encrypt([1]))
    }

    @Test("verify what OpenSSL signed")
    func openSSL() {
        let signature = bytes(
            "19bca1bf3366169e833d4afdb9496d620f7f64994841f308b363b77abf62ca55a107b1f70d15593c92f4c237b62e1af779c58dea3c51"
                + "bea6d17dbd9e210d74309669f077e71f2183aad462ca8773d2f196d7d5d6662f25d7a8b70022132ad8cb4f07008af513479bfdeb"
                + "0c47316fa4b45db340aa3df8c7f31b8d6f156b384122e0")
        #expect(key.verifies(signature, of: Array("hello".utf8)))
        #expect(!key.verifies(signature, of: Array("hellO".utf8)))
        #expect(!key.verifies([0] + signature, of: Array("hello".utf8)))
    }

    @Test("outside of 1024 to 4096 bits, or with an exponent beyond 32 bits, are refused with the reason")
    func bounds() throws {
        #expect(throws: CryptoError.badKey("an RSA key of 512 bits")) {
            try RSAPrivateKey(pem: TestKeys.rsaOf512Bits)
        }
        #expect(throws: CryptoError.badKey("an RSA key of 1016 bits")) {
            try RSAPrivateKey(pem: TestKeys.rsaOf1016Bits)
        }
        #expect(throws: CryptoError.badKey("an RSA exponent that is even, below 3 or beyond 32 bits")) {
            try RSAPrivateKey(pem: TestKeys.rsaWithLongExponent)
        }
        #expect(try RSAPrivateKey(pem: TestKeys.rsaWithExponent3).bits == 1024)
        // One byte changed in the published structure: the modulus stays, the exponent becomes even, or 1.
        var even = key.der
        even[even.count - 1] = 0
        #expect(throws: CryptoError.self) { try RSAPublicKey(der: even) }
        let one = key.der.dropLast(3) + [0, 0, 1]
        #expect(throws: CryptoError.self) { try RSAPublicKey(der: Array(one)) }
    }

    @Test("are refused when they are something else")
    func others() {
        for pem in ["", "hello", "-----BEGIN PUBLIC KEY-----", "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----"] {
            #expect(throws: CryptoError.self) { try RSAPublicKey(pem: pem) }
        }
        #expect(throws: CryptoError.badKey("not an RSA key")) { try RSAPublicKey(pem: TestKeys.eccPublic) }
        #expect(throws: CryptoError.self) { try RSAPublicKey(pem: TestKeys.rsa) }
        #expect(throws: CryptoError.self) { try RSAPublicKey(pem: TestKeys.p256Public) }
        #expect(throws: CryptoError.self) { try RSAPublicKey(pem: String(repeating: TestKeys.rsaPublic, count: 100)) }
        #expect(throws: CryptoError.self) { try RSAPublicKey(der: []) }
        #expect(throws: CryptoError.self) { try RSAPublicKey(der: [0x30]) }
    }

    @Test("cut short or with any bit flipped are refused or are other keys, and nothing crashes")
    func damage() {
        for count in 0..<key.der.count {
            #expect(throws: CryptoError.self) { try RSAPublicKey(der: Array(key.der.prefix(count))) }
        }
        for bit in 0..<key.der.count * 8 {
            var damaged = key.der
            damaged[bit / 8] ^= 1 << (bit % 8)
            guard let other = try? RSAPublicKey(der: damaged) else { continue }
            _ = other.verifies([UInt8](repeating: 1, count: (other.bits + 7) / 8), of: [1])
            _ = try? other.encrypt([1])
            #expect((try? RSAPublicKey(der: other.der)) == other)
        }
    }
}
