import Testing

@testable import Crypto

@Suite("Secret bytes")
struct SecretBytesTests {
    private let secret = SecretBytes(Array("swordfish".utf8))

    @Test("describe themselves as nothing, however they are asked")
    func describesNothing() {
        var dumped = ""
        dump(secret, to: &dumped)
        for text in ["\(secret)", String(reflecting: secret), "\([secret])", dumped] {
            #expect(!text.contains("swordfish") && !text.contains("115") && !text.contains("storage"))
        }
        #expect(Mirror(reflecting: secret).children.isEmpty)
    }

    @Test("come back as they went in")
    func reveals() {
        #expect(secret.revealed == Array("swordfish".utf8))
        #expect(secret.withBytes { $0 } == Array("swordfish".utf8))
        #expect(secret.count == 9)
        #expect(SecretBytes([]).revealed.isEmpty)
        #expect(SecretBytes([]) == SecretBytes([]))
    }

    @Test("are equal when every byte is")
    func equality() {
        #expect(secret == SecretBytes(Array("swordfish".utf8)))
        #expect(secret != SecretBytes(Array("swordfisH".utf8)))
        #expect(secret != SecretBytes(Array("Swordfish".utf8)))
        #expect(secret != SecretBytes(Array("swordfis".utf8)))
    }

    @Test("a wiped array holds zeros")
    func wiping() {
        var bytes: [UInt8] = [1, 2, 3]
        wipe(&bytes)
        #expect(bytes == [0, 0, 0])
    }
}
