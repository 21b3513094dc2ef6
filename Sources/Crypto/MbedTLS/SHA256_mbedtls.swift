import CMbedTLS

/// SHA-256 of bytes that come one part after the other: of a file that is in memory at no time.
package final class SHA256 {
    private let context = UnsafeMutablePointer<mbedtls_md_context_t>.allocate(capacity: 1)

    package init() {
        mbedtls_md_init(context)
        let code = mbedtls_md_setup(context, mbedtls_md_info_from_type(MBEDTLS_MD_SHA256), 0)
        // Only a library that was built without the hash, or no memory at all, makes it fail.
        precondition(code == 0 && mbedtls_md_starts(context) == 0, "mbedTLS lacks SHA-256")
    }

    deinit {
        mbedtls_md_free(context)
        context.deallocate()
    }

    package func add(_ bytes: [UInt8]) {
        let code = mbedtls_md_update(context, bytes, bytes.count)
        precondition(code == 0, "mbedTLS cannot hash")
    }

    /// 32 bytes. Nothing may be added afterwards.
    package func digest() -> [UInt8] {
        var out = [UInt8](repeating: 0, count: 32)
        let code = mbedtls_md_finish(context, &out)
        precondition(code == 0, "mbedTLS cannot hash")
        return out
    }
}
