import Crypto
import Testing

@Suite("Message authentication")
struct HMACTests {
    /// The test cases 1, 2, 3, 6 and 7 of RFC 4231: key, data, HMAC-SHA-256.
    @Test(
        "HMAC agrees with the examples of RFC 4231",
        arguments: [
            (
                [UInt8](repeating: 0x0b, count: 20), Array("Hi There".utf8),
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
            ),
            (
                Array("Jefe".utf8), Array("what do ya want for nothing?".utf8),
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
            ),
            (
                [UInt8](repeating: 0xaa, count: 20), [UInt8](repeating: 0xdd, count: 50),
                "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"
            ),
            (
                [UInt8](repeating: 0xaa, count: 131),
                Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8),
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
            ),
            (
                [UInt8](repeating: 0xaa, count: 131),
                Array(
                    ("This is a test using a larger than block-size key and a larger than block-size data. "
                        + "The key needs to be hashed before being used by the HMAC algorithm.").utf8),
                "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"
            ),
        ])
    func hmac(key: [UInt8], data: [UInt8], mac: String) {
        #expect(HMAC.sha256(data, key: SecretBytes(key)) == bytes(mac))
        #expect(HMAC.isValid(bytes(mac), of: data, key: SecretBytes(key)))
    }

    @Test("another mac, a cut one and none are not valid")
    func invalid() {
        let key = SecretBytes(Array("Jefe".utf8))
        let mac = HMAC.sha256([1, 2, 3], key: key)
        for index in mac.indices {
            var other = mac
            other[index] ^= 1
            #expect(!HMAC.isValid(other, of: [1, 2, 3], key: key))
        }
        #expect(!HMAC.isValid(Array(mac.dropLast()), of: [1, 2, 3], key: key))
        #expect(!HMAC.isValid(mac + [0], of: [1, 2, 3], key: key))
        #expect(!HMAC.isValid([], of: [1, 2, 3], key: key))
        #expect(!HMAC.isValid(mac, of: [1, 2], key: key))
    }

    /// The test cases 1 to 3 of RFC 5869: secret, salt, info, key.
    @Test(
        "HKDF agrees with the examples of RFC 5869",
        arguments: [
            (
                [UInt8](repeating: 0x0b, count: 22), Array(UInt8(0x00)...0x0c), Array(UInt8(0xf0)...0xf9),
                "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
            ),
            (
                Array(UInt8(0x00)...0x4f), Array(UInt8(0x60)...0xaf), Array(UInt8(0xb0)...0xff),
                "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
                    + "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f"
                    + "1d87"
            ),
            (
                [UInt8](repeating: 0x0b, count: 22), [], [],
                "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
            ),
        ])
    func hkdf(secret: [UInt8], salt: [UInt8], info: [UInt8], key: String) {
        let expected = bytes(key)
        #expect(!expected.isEmpty)
        let made = HKDF.sha256(SecretBytes(secret), salt: salt, info: info, count: expected.count)
        #expect(made.revealed == expected)
    }
}
