import Testing

@testable import Crypto

@Suite("AES")
struct AESTests {
    private let iv = [UInt8](repeating: 7, count: 16)

    @Test("gives back what went in, at every size around a block and with every key length", arguments: [16, 24, 32])
    func roundTrip(keyLength: Int) throws {
        let key = try Random.bytes(keyLength)
        for size in [0, 1, 15, 16, 17, 31, 32, 33, 65_536] {
            let plaintext = try Random.bytes(size)
            let ciphertext = try AES.encrypt(plaintext, key: key, iv: iv)
            #expect(ciphertext.count == (size / 16 + 1) * 16)
            #expect(try AES.decrypt(ciphertext, key: key, iv: iv) == plaintext)
        }
    }

    @Test("refuses keys and IVs of other lengths", arguments: [0, 1, 15, 17, 31, 33, 64])
    func lengths(count: Int) {
        let wrong = [UInt8](repeating: 1, count: count)
        let key = [UInt8](repeating: 1, count: 32)
        let block = [UInt8](repeating: 1, count: 16)
        #expect(throws: CryptoError.badKey("an AES key of \(count) bytes")) {
            try AES.encrypt([], key: wrong, iv: iv)
        }
        #expect(throws: CryptoError.badKey("an AES key of \(count) bytes")) {
            try AES.decrypt(block, key: wrong, iv: iv)
        }
        #expect(throws: CryptoError.badKey("an AES IV of \(count) bytes")) {
            try AES.decrypt(block, key: key, iv: wrong)
        }
    }

    @Test("refuses a ciphertext that is no whole number of blocks", arguments: [0, 1, 15, 17, 31])
    func ragged(count: Int) {
        #expect(throws: CryptoError.cannotDecrypt) {
            try AES.decrypt([UInt8](repeating: 1, count: count), key: iv, iv: iv)
        }
    }

    @Test("takes PKCS#7 for what it is, and NULs at the end for the padding of 2019")
    func padding() throws {
        func unpadded(_ block: [UInt8]) throws -> [UInt8] {
            try AES.decrypt(AES.run(.encrypt, block, key: iv, iv: iv), key: iv, iv: iv)
        }
        let text = Array("0123456789abc".utf8)
        #expect(try unpadded(text + [3, 3, 3]) == text)
        #expect(try unpadded(text + [0, 0, 0]) == text)
        #expect(try unpadded([UInt8](repeating: 0, count: 32)) == [])
        #expect(try unpadded([UInt8](repeating: 16, count: 16)) == [])
        #expect(throws: CryptoError.badPadding) { try unpadded(text + [3, 2, 3]) }
        #expect(throws: CryptoError.badPadding) { try unpadded(text + [17, 17, 17]) }
        #expect(throws: CryptoError.badPadding) { try unpadded([UInt8](repeating: 17, count: 32)) }
        #expect(throws: CryptoError.badPadding) { try unpadded(text + [0, 0, 255]) }
    }

    @Test("with the wrong key, the wrong IV or a flipped bit gives something else or an error, never a crash")
    func damage() throws {
        let key = try Random.bytes(32)
        let plaintext = Array("an example of some forty bytes, or so ...".utf8)
        let ciphertext = try AES.encrypt(plaintext, key: key, iv: iv)
        for bit in 0..<ciphertext.count * 8 {
            var damaged = ciphertext
            damaged[bit / 8] ^= 1 << (bit % 8)
            #expect((try? AES.decrypt(damaged, key: key, iv: iv)) != plaintext)
        }
        #expect((try? AES.decrypt(ciphertext, key: Random.bytes(32), iv: iv)) != plaintext)
        #expect((try? AES.decrypt(ciphertext, key: key, iv: Random.bytes(16))) != plaintext)
    }

    @Test("agrees with the example of NIST SP 800-38A, F.2.5")
    func published() throws {
        let key = bytes("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
        let ciphertext = try AES.encrypt(
            bytes("6bc1bee22e409f96e93d7e117393172a"), key: key, iv: bytes("000102030405060708090a0b0c0d0e0f"))
        #expect(Array(ciphertext.prefix(16)) == bytes("f58c4c04d6e5f1ba779eabfb5f7bfbd6"))
    }
}
