import CMbedTLS

extension Secp256k1 {
    /// 65 bytes for 33. Whether the point is on the curve is seen when a key is made of it. Throws `badKey`.
    static func decompress(_ compressed: [UInt8]) throws(CryptoError) -> [UInt8] {
        var point = [UInt8](repeating: 0, count: 65)
        guard compressed.count == 33, culver_secp256k1_decompress(compressed, &point) == 0 else {
            throw .badKey("not a compressed point of secp256k1")
        }
        return point
    }
}
