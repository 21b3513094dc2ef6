import CMbedTLS

/// The library below, as it was loaded; its headers may have been older.
package enum MbedTLS {
    package static var version: String {
        let number = mbedtls_version_get_number()
        return "\(number >> 24).\(number >> 16 & 0xFF).\(number >> 8 & 0xFF)"
    }
}
