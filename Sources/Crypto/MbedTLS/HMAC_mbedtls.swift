import CMbedTLS

/// Authenticates bytes between those who hold a key: HMAC with SHA-256 (RFC 2104).
package enum HMAC {
    /// 32 bytes.
    package static func sha256(_ bytes: [UInt8], key: SecretBytes) -> [UInt8] {
        key.withBytes { key in
            var mac = [UInt8](repeating: 0, count: 32)
            let info = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256)
            let code = mbedtls_md_hmac(info, key, key.count, bytes, bytes.count, &mac)
            // No bytes make it fail: only a library that was built without the hash does.
            precondition(code == 0, "mbedTLS lacks SHA-256")
            return mac
        }
    }

    /// Whether `mac` is the one of these bytes. Takes the same time wherever the first difference stands.
    package static func isValid(_ mac: [UInt8], of bytes: [UInt8], key: SecretBytes) -> Bool {
        SecretBytes(mac) == SecretBytes(sha256(bytes, key: key))
    }
}

/// Makes keys for one purpose each out of one secret: HKDF with SHA-256 (RFC 5869).
package enum HKDF {
    /// `count` bytes, at most 8160, for the purpose that `info` names. No salt stands for 32 zeros, as in the RFC.
    package static func sha256(
        _ secret: SecretBytes, salt: [UInt8] = [], info: [UInt8], count: Int = 32
    ) -> SecretBytes {
        var key = [UInt8](repeating: 0, count: count)
        defer { wipe(&key) }
        let hash = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256)
        let code = secret.withBytes { secret in
            mbedtls_hkdf(hash, salt, salt.count, secret, secret.count, info, info.count, &key, key.count)
        }
        // Only more bytes than the RFC allows make it fail, or a library that was built without it.
        precondition(code == 0, "mbedTLS cannot derive a key of \(count) bytes")
        return SecretBytes(key)
    }
}
