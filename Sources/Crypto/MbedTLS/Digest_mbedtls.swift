import CMbedTLS

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
