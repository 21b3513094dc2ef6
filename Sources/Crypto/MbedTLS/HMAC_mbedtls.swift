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
