/// Random bytes for keys, IVs and names: mbedTLS's CTR_DRBG, seeded by the kernel. Any thread may ask.
package enum Random {
    package static func bytes(_ count: Int) throws(CryptoError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: max(0, count))
        try DRBG.shared.fill(&bytes)
        return bytes
    }
}
