/// The hashes of DIMP addresses, fingerprints and signatures (wire.md 2.4, 2.5, 5.1).
package enum Digest {
    /// 32 bytes.
    package static func sha256(_ bytes: [UInt8]) -> [UInt8] {
        digest(.sha256, of: bytes)
    }

    /// 20 bytes.
    package static func ripemd160(_ bytes: [UInt8]) -> [UInt8] {
        digest(.ripemd160, of: bytes)
    }

    /// 32 bytes, by the original Keccak of Ethereum, which is not SHA3-256.
    package static func keccak256(_ bytes: [UInt8]) -> [UInt8] {
        var sponge = Keccak()
        return sponge.digest(bytes)
    }
}
