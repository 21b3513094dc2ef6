import Crypto
import Format
import Testing

@Suite("Digests")
struct DigestTests {
    @Test("SHA-256 agrees with the examples of FIPS 180-2")
    func sha256() {
        #expect(
            Digest.sha256(Array("abc".utf8))
                == bytes("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"))
        #expect(
            Digest.sha256([UInt8](repeating: UInt8(ascii: "a"), count: 1_000_000))
                == bytes("cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"))
    }

    @Test("SHA-256 of parts is that of the whole", arguments: [1, 63, 64, 65, 1_000, 1 << 16])
    func sha256OfParts(length: Int) {
        let all = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let hash = SHA256()
        for start in stride(from: 0, to: all.count, by: length) {
            hash.add(Array(all[start..<min(start + length, all.count)]))
        }
        #expect(hash.digest() == Digest.sha256(all))
        #expect(SHA256().digest() == Digest.sha256([]))
    }

    @Test("RIPEMD-160 agrees with the examples of its authors")
    func ripemd160() {
        #expect(Digest.ripemd160([]) == bytes("9c1185a5c5e9fc54612808977ee8f548b2258d31"))
        #expect(
            Digest.ripemd160(Array("message digest".utf8)) == bytes("5d0689ef49d2fae572b881b123a85ffa21595f36"))
    }

    @Test("Keccak-256 is Ethereum's and not SHA3-256")
    func keccak() {
        let empty = Digest.keccak256([])
        #expect(empty == bytes("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"))
        #expect(empty != bytes("a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a"))
        // The first topic of every token transfer, and the selector `a9059cbb` of the call that makes one.
        #expect(
            Digest.keccak256(Array("Transfer(address,address,uint256)".utf8))
                == bytes("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"))
        #expect(Digest.keccak256(Array("transfer(address,uint256)".utf8)).starts(with: bytes("a9059cbb")))
    }

    /// Made by pycryptodome 3 (`Crypto.Hash.keccak`).
    @Test(
        "Keccak-256 pads at the end of a block as it should",
        arguments: [
            (134, "3e503f052be6a657e67e7db4fcf803fb21f0515cbd0b4bf3218b726485dd9339"),
            (135, "e9cd15a85e4b32b79132637b22775876cc597d8be1d19d8daf42a46d2233f0f7"),
            (136, "520624732be0bc2eff4ca18c833d85f5783325cb37fc3d8ec1d385aa9a6fc7f8"),
            (137, "171c6f03b55a0672ff99dbca84110b6bc3b8f75e1b31b5979cca100ba74f520a"),
            (271, "8120ccd106d0d12b5194a16a9c8f833cebb26322399aee713544cd882f1314a6"),
            (272, "af54f02f4ebd3bf890b8024b76e344c954d5dbe7d9d1efe16cd874072262d763"),
            (273, "e422c5f6991cb0b921ae432fe997af30d59d03905c0db68fd8fe97cb0c32e56e"),
        ])
    func keccakBlocks(count: Int, digest: String) {
        #expect(Digest.keccak256([UInt8](repeating: 0xA5, count: count)) == bytes(digest))
    }
}
