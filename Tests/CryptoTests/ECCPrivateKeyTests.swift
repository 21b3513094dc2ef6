import Crypto
import Format
import Testing

@Suite("ECC private keys")
struct ECCPrivateKeyTests {
    private let scalar = "e2badd5fd931dd3d30c3d531f4d2f9b3fde71d066ef05bfd5d03f09c1dd05594"

    @Test("are the same key as a number, in SEC1, and in PKCS#8 of either version")
    func forms() throws {
        let publicKey = try ECCPublicKey(text: TestKeys.eccPublic)
        // What Python's `ecdsa` writes: version 1 over the structure of version 0.
        let version1 = TestKeys.eccPKCS8.replacing("MIGEAgEA", with: "MIGEAgEB")
        for text in [scalar, scalar.uppercased(), TestKeys.ecc, TestKeys.eccPKCS8, version1] {
            let key = try ECCPrivateKey(text: text)
            #expect(key.publicKey == publicKey)
            #expect(key.pem == TestKeys.eccPKCS8)
        }
    }

    @Test("sign what their public half alone verifies")
    func signatures() throws {
        let key = try ECCPrivateKey(text: scalar)
        let other = try ECCPrivateKey.generate()
        for size in [0, 1, 15, 16, 17, 5000] {
            let message = try Random.bytes(size)
            let signature = try key.sign(message)
            #expect(key.publicKey.verifies(signature, of: message))
            #expect(!key.publicKey.verifies(signature, of: message + [0]))
            #expect(!other.publicKey.verifies(signature, of: message))
        }
    }

    @Test("made anew differ, and come back from their PEM")
    func generation() throws {
        for _ in 0..<20 {
            let key = try ECCPrivateKey.generate()
            #expect(try ECCPrivateKey(text: key.pem).publicKey == key.publicKey)
            #expect(try ECCPrivateKey.generate().publicKey != key.publicKey)
        }
    }

    @Test("number 1 is the generator of the group, and the last is its mirror")
    func ends() throws {
        let one = try ECCPrivateKey(text: String(repeating: "0", count: 63) + "1")
        let last = try ECCPrivateKey(text: "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140")
        let x = bytes("79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")
        #expect(one.publicKey.compressedPoint == [2] + x)
        #expect(last.publicKey.compressedPoint == [3] + x)
    }

    @Test("outside of the group, of another curve, or with the public half of another key are refused")
    func others() throws {
        let ownPoint = Hex.encode(try ECCPrivateKey(text: scalar).publicKey.point)
        let otherPoint = Hex.encode(try ECCPrivateKey.generate().publicKey.point)
        let sec1 = "30740201010420\(scalar)a00706052b8104000aa144034200"
        let good = Base64.encode(bytes(sec1 + ownPoint))
        let mixed = Base64.encode(bytes(sec1 + otherPoint))
        #expect(throws: Never.self) { try ECCPrivateKey(text: "-----BEGIN K-----\(good)-----END K-----") }
        let wrong = [
            "", "00", String(repeating: "0", count: 64), String(repeating: "f", count: 64), scalar + "00",
            "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
            "-----BEGIN K-----\(mixed)-----END K-----", TestKeys.p256, TestKeys.rsa, TestKeys.eccPublic,
        ]
        for text in wrong {
            #expect(throws: CryptoError.self) { try ECCPrivateKey(text: text) }
        }
    }

    @Test("cut short or with any bit flipped are refused or are other keys, and nothing crashes")
    func damage() throws {
        let body = TestKeys.eccPKCS8.split(separator: "\n").dropFirst().dropLast().joined()
        let der = try #require(Base64.decode(body))
        for count in 0..<der.count {
            let text = "-----BEGIN K-----\(Base64.encode(der.prefix(count)))-----END K-----"
            #expect(throws: CryptoError.self) { try ECCPrivateKey(text: text) }
        }
        for bit in 0..<der.count * 8 {
            var damaged = der
            damaged[bit / 8] ^= 1 << (bit % 8)
            let key = try? ECCPrivateKey(text: "-----BEGIN K-----\(Base64.encode(damaged))-----END K-----")
            if let key { #expect(try key.publicKey.verifies(key.sign([1]), of: [1])) }
        }
    }

    @Test("one key serves several threads at once")
    func threads() async throws {
        let key = try ECCPrivateKey(text: scalar)
        let failures = await withTaskGroup(of: Bool.self) { group in
            for index in 0..<32 {
                group.addTask {
                    let message = [UInt8(index)]
                    return (try? key.sign(message)).map { key.publicKey.verifies($0, of: message) } ?? false
                }
            }
            return await group.reduce(0) { $1 ? $0 : $0 + 1 }
        }
        #expect(failures == 0)
    }

    @Test("describe themselves as nothing")
    func description() throws {
        var dumped = ""
        dump(try ECCPrivateKey(text: scalar), to: &dumped)
        #expect(!dumped.contains("e2") && !dumped.contains("226") && !dumped.contains("scalar"))
    }
}
