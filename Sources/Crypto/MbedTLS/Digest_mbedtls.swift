import CMbedTLS

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

extension Digest {
    enum Kind {
        case sha256, ripemd160
    }

    static func digest(_ kind: Kind, of bytes: [UInt8]) -> [UInt8] {
        let (type, count) = kind == .sha256 ? (MBEDTLS_MD_SHA256, 32) : (MBEDTLS_MD_RIPEMD160, 20)
        var out = [UInt8](repeating: 0, count: count)
        let code = mbedtls_md(mbedtls_md_info_from_type(type), bytes, bytes.count, &out)
        // No bytes make it fail: only a library that was built without the hash does.
        precondition(code == 0, "mbedTLS lacks a hash")
        return out
    }
}
