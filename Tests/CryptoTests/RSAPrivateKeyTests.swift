import Crypto
import Format
import Testing

@Suite("RSA private keys")
struct RSAPrivateKeyTests {
    private let key: RSAPrivateKey

    init() throws {
        key = try RSAPrivateKey(pem: TestKeys.rsa)
    }

    @Test("are the same key in PKCS#1 and PKCS#8, alone or behind their public half")
    func forms() throws {
        for pem in [TestKeys.rsaPKCS8, TestKeys.rsaPublic + TestKeys.rsa, TestKeys.rsa + "\n" + TestKeys.rsaPublic] {
            #expect(try RSAPrivateKey(pem: pem).pem == TestKeys.rsa)
        }
        #expect(key.pem == TestKeys.rsa)
    }

    @Test("read what OpenSSL encrypted")
    func openSSL() throws {
        let ciphertext = bytes(
            "10e43ffa7323eb1e95ccdf95c4247aa199a45f8a59dcbd760467f9d6665786c2d8db370f03a7ca4f4432c28f63f998a65d588d2e3a07"
                + "023d8f5c4ad7c06f95c9fb9f135d0f14a1ba3a4f58205c667268297a99f11e12b6de059b5d65b347bac266aa72b3ac9dbe755ce5"
                + "96bedb3c1a38ee1d8be9fcb1a8756fb58a0677c27a1a0e")
        #expect(try key.decrypt(ciphertext).revealed == Array("hello".utf8))
    }

    @Test("fail in one way only, whatever is wrong with a ciphertext")
    func failures() throws {
        let ciphertext = try key.publicKey.encrypt([1, 2, 3])
        let other = try RSAPrivateKey(pem: TestKeys.rsaWithExponent3)
        var damaged = ciphertext
        damaged[damaged.count - 1] ^= 1
        let zeros = [UInt8](repeating: 0, count: ciphertext.count)
        let ones = [UInt8](repeating: 255, count: ciphertext.count)
        let short = Array(ciphertext.dropLast())
        for wrong in [[], short, ciphertext + [0], damaged, zeros, ones] {
            #expect(throws: CryptoError.cannotDecrypt) { try key.decrypt(wrong) }
        }
        #expect(throws: CryptoError.cannotDecrypt) { try other.decrypt(ciphertext) }
    }

    @Test("sign what their public half alone verifies")
    func signatures() throws {
        let other = try RSAPrivateKey(pem: TestKeys.rsaWithExponent3)
        for size in [0, 1, 15, 16, 17, 5000] {
            let message = try Random.bytes(size)
            let signature = try key.sign(message)
            #expect(key.publicKey.verifies(signature, of: message))
            #expect(!key.publicKey.verifies(signature, of: message + [0]))
            #expect(!other.publicKey.verifies(signature, of: message))
            #expect(!key.publicKey.verifies(Array(signature.dropLast()), of: message))
            #expect(!key.publicKey.verifies(signature + [0], of: message))
            #expect(!key.publicKey.verifies([], of: message))
        }
    }

    @Test("a signature that came without its leading zeros is the same one, and no other byte may be missing")
    func shortSignature() throws {
        // Signatures are made without chance, and one in 256 begins with a zero.
        var message: [UInt8] = []
        var signature = try key.sign(message)
        while signature.first != 0, message.count < 4096 {
            message.append(1)
            signature = try key.sign(message)
        }
        let short = Array(signature.drop { $0 == 0 })
        #expect(signature.count == key.publicKey.size)
        #expect(short.count < signature.count && key.publicKey.verifies(short, of: message))
        #expect(!key.publicKey.verifies(Array(short.dropFirst()), of: message))
        #expect(!key.publicKey.verifies([0] + signature, of: message))
        let whole = try key.sign([1, 2, 3])
        #expect(whole.first != 0 && !key.publicKey.verifies(Array(whole.dropFirst()), of: [1, 2, 3]))
    }

    @Test("a signature with any bit flipped is refused")
    func flipped() throws {
        let signature = try key.sign([1, 2, 3])
        for bit in 0..<signature.count * 8 {
            var damaged = signature
            damaged[bit / 8] ^= 1 << (bit % 8)
            #expect(!key.publicKey.verifies(damaged, of: [1, 2, 3]))
        }
    }

    @Test("one key serves several threads at once")
    func threads() async throws {
        let (key, publicKey) = (key, key.publicKey)
        let ciphertext = try publicKey.encrypt([1, 2, 3])
        let failures = await withTaskGroup(of: Bool.self) { group in
            for index in 0..<64 {
                group.addTask {
                    let message = [UInt8(index)]
                    guard let signature = try? key.sign(message) else { return false }
                    return publicKey.verifies(signature, of: message)
                        && (try? key.decrypt(ciphertext).revealed) == [1, 2, 3]
                }
            }
            return await group.reduce(0) { $1 ? $0 : $0 + 1 }
        }
        #expect(failures == 0)
    }

    @Test("are made in the size that was asked for, each another", arguments: [1024, 1536, 2048])
    func generation(bits: Int) throws {
        let made = try RSAPrivateKey.generate(bits: bits)
        #expect(made.bits == bits && made.publicKey.bits == bits)
        #expect(try RSAPrivateKey(pem: made.pem).publicKey == made.publicKey)
        #expect(try made.publicKey.verifies(made.sign([1]), of: [1]))
        #expect(try RSAPrivateKey.generate(bits: 1024).publicKey != made.publicKey)
    }

    @Test("are not made in other sizes", arguments: [Int.min, -1, 0, 512, 1023, 1025, 4097, 8192, Int.max])
    func sizes(bits: Int) {
        #expect(throws: CryptoError.badKey("an RSA key of \(bits) bits")) { try RSAPrivateKey.generate(bits: bits) }
    }

    @Test("are refused when they are something else, encrypted, or cut short")
    func others() {
        for pem in ["", TestKeys.rsaPublic, TestKeys.encrypted, TestKeys.ecc, String(TestKeys.rsa.dropLast(100))] {
            #expect(throws: CryptoError.self) { try RSAPrivateKey(pem: pem) }
        }
    }

    @Test("with a part that does not belong to the others are refused")
    func pairs() throws {
        let body = TestKeys.rsa.split(separator: "\n").dropFirst().dropLast().joined()
        let der = try #require(Base64.decode(body))
        // The last bytes of the CRT coefficient, of the modulus and of the private exponent.
        for index in [der.count - 1, 4 + 3 + 3 + 130 - 1, 4 + 3 + 3 + 130 + 5 + 3 + 129 - 1] {
            var changed = der
            changed[index] ^= 2
            let pem = "-----BEGIN K-----\(Base64.encode(changed))-----END K-----"
            #expect(throws: CryptoError.badKey("the parts of the private key do not belong together")) {
                try RSAPrivateKey(pem: pem)
            }
        }
    }

    @Test("describe themselves by their size alone")
    func description() {
        var dumped = ""
        dump(key, to: &dumped)
        #expect("\(key)" == "(RSA private key, 1032 bits)")
        #expect(!dumped.contains("0x") && !dumped.contains("context"))
    }
}
