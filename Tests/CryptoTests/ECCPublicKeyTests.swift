import Crypto
import Format
import Testing

@Suite("ECC public keys")
struct ECCPublicKeyTests {
    private let point =
        "04822ff36fc428818a76ff45a1d4b45761031247d579ef300bdd3461f140c84aad"
        + "00699bc780cdd18cb002a35d89217eab87c48730312fb9bf5b970c9dea292ff4"
    private let signature = bytes(
        "3044022062fb64953447ee011a21393f7c16be76345fe63ca2e31cd4fc87cebe9d196c11022036fdff15b867ba70d598e7dee23f9d473b"
            + "e9a94ce84327c12ba24a356faa9c3e")

    @Test("are the same key as a point, without its first byte, compressed, and as PEM")
    func forms() throws {
        let compressed = "02" + point.dropFirst(2).prefix(64)
        let texts = [
            point, String(point.dropFirst(2)), compressed, point.uppercased(), TestKeys.eccPublic,
            TestKeys.eccPublicCompressed,
        ]
        for text in texts {
            let key = try ECCPublicKey(text: text)
            #expect(key.point == bytes(point))
            #expect(key.compressedPoint == bytes(compressed))
            #expect(key.pem == TestKeys.eccPublic)
        }
    }

    @Test("decompress to either root")
    func roots() throws {
        let key = try ECCPublicKey(text: point)
        let other = try ECCPublicKey(text: "03" + point.dropFirst(2).prefix(64))
        #expect(other != key)
        #expect(other.point[1...32] == key.point[1...32])
        #expect(other.compressedPoint[0] == 3)
        // The generator of the group (SEC 2, 2.4.1).
        let g = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
        #expect(
            try ECCPublicKey(text: "02" + g).point
                == bytes("04" + g + "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8"))
    }

    @Test("verify what OpenSSL signed")
    func openSSL() throws {
        let key = try ECCPublicKey(text: point)
        #expect(key.verifies(signature, of: Array("hello".utf8)))
        #expect(!key.verifies(signature, of: Array("hellO".utf8)))
    }

    @Test("refuse a signature with any bit flipped, cut short or continued, and never crash")
    func damage() throws {
        let key = try ECCPublicKey(text: point)
        for bit in 0..<signature.count * 8 {
            var damaged = signature
            damaged[bit / 8] ^= 1 << (bit % 8)
            #expect(!key.verifies(damaged, of: Array("hello".utf8)))
        }
        for count in signature.indices {
            #expect(!key.verifies(Array(signature.prefix(count)), of: Array("hello".utf8)))
        }
        #expect(!key.verifies(signature + [0], of: Array("hello".utf8)))
    }

    @Test("off the curve, on another curve or of another form are refused")
    func others() {
        let wrong = [
            "", "04", "zz", String(point.dropLast(2)), point + "00", point.dropLast() + "5", "06" + point.dropFirst(2),
            String(repeating: "0", count: 130), String(repeating: "0", count: 128),
            "02" + String(repeating: "f", count: 64),
            // x = 5 has no point.
            "02" + String(repeating: "0", count: 63) + "5", TestKeys.p256Public, TestKeys.rsaPublic, TestKeys.ecc,
        ]
        for text in wrong {
            #expect(throws: CryptoError.self) { try ECCPublicKey(text: text) }
        }
    }
}
