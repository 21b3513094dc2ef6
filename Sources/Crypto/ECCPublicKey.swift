/// A public key on secp256k1 (wire.md 5.1). Any thread may use it, one at a time.
package struct ECCPublicKey: Sendable {
    private let context: LockedKeyContext

    /// 65 bytes: 04, X, Y.
    package let point: [UInt8]

    /// 130 hex digits (04, X, Y), 128 (X, Y), 66 (compressed), or the PEM of a SubjectPublicKeyInfo. Throws `badKey`,
    /// also for a point that is not on the curve.
    package init(text: String) throws(CryptoError) {
        try self.init(anyPoint: Self.bytes(of: text))
    }

    /// 65 bytes, or 33 compressed.
    init(anyPoint: [UInt8]) throws(CryptoError) {
        let point = anyPoint.count == 33 ? try Secp256k1.decompress(anyPoint) : anyPoint
        guard point.count == 65, point[0] == 4 else { throw .badKey("a point of \(point.count) bytes") }
        context = LockedKeyContext(try KeyContext(publicDER: Secp256k1.publicPrefix + point))
        self.point = point
    }

    private static func bytes(of text: String) throws(CryptoError) -> [UInt8] {
        if let hex = Secp256k1.hex(text) {
            return hex.count == 64 ? [4] + hex : hex
        }
        let der = try PEM.body(of: text, preferring: "PUBLIC")
        for prefix in [Secp256k1.publicPrefix, Secp256k1.compressedPublicPrefix] where der.starts(with: prefix) {
            return Array(der.dropFirst(prefix.count))
        }
        throw .badKey("not a public key on secp256k1")
    }

    /// 33 bytes: 02 or 03, X.
    package var compressedPoint: [UInt8] {
        [2 | (point[64] & 1)] + point[1...32]
    }

    /// SubjectPublicKeyInfo; lines of 64, no line break at the end.
    package var pem: String { PEM.armour(Secp256k1.publicPrefix + point, label: "PUBLIC KEY") }

    /// ECDSA with SHA-256, in DER to the letter; of the two values of S either will do.
    package func verifies(_ signature: [UInt8], of message: [UInt8]) -> Bool {
        verifies(signature, ofDigest: Digest.sha256(message))
    }

    /// The same for whoever has the message's SHA-256 already.
    package func verifies(_ signature: [UInt8], ofDigest digest: [UInt8]) -> Bool {
        Secp256k1.isDER(signature: signature) && context.with { $0.verifies(signature, ofDigest: digest) }
    }
}

extension ECCPublicKey: Equatable {
    package static func == (left: ECCPublicKey, right: ECCPublicKey) -> Bool { left.point == right.point }
}
