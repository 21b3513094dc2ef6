import Crypto
import Testing

@Suite("Crypto errors")
struct CryptoErrorTests {
    @Test("name the reason in lower case without a full stop")
    func descriptions() {
        let expected: [(CryptoError, String)] = [
            (.badKey("an RSA key of 512 bits"), "bad key: an RSA key of 512 bits"),
            (.tooLong(limit: 117), "too long to encrypt: the key takes at most 117 bytes"),
            (.cannotDecrypt, "cannot decrypt"),
            (.badPadding, "bad padding after decryption"),
            (.noEntropy, "no random bytes from the kernel"),
            (.library(operation: "sign", code: -0x4080), "cannot sign: mbedTLS error -0x4080"),
            (.library(operation: "sign", code: 7), "cannot sign: mbedTLS error 0x7"),
        ]
        for (error, words) in expected { #expect("\(error)" == words) }
    }
}
