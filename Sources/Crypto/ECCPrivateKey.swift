/// A key pair on secp256k1 (wire.md 5.1). Any thread may use it, one at a time.
package struct ECCPrivateKey: Sendable {
    private let context: LockedKeyContext
    private let scalar: SecretBytes

    package let publicKey: ECCPublicKey

    package static func generate() throws(CryptoError) -> ECCPrivateKey {
        try ECCPrivateKey(context: .newSecp256k1())
    }

    /// 64 hex digits, or PEM of PKCS#8 or SEC1. Throws `badKey`, also for a number outside of the group and for a
    /// public half that belongs to another key.
    package init(text: String) throws(CryptoError) {
        var der = try Self.der(of: text)
        defer { wipe(&der) }
        try self.init(context: KeyContext(privateDER: der))
    }

    private init(context: KeyContext) throws(CryptoError) {
        let publicDER = try context.publicDER()
        guard publicDER.starts(with: Secp256k1.publicPrefix) else { throw .badKey("not a key on secp256k1") }
        publicKey = try ECCPublicKey(anyPoint: Array(publicDER.dropFirst(Secp256k1.publicPrefix.count)))
        var privateDER = try context.privateDER()
        defer { wipe(&privateDER) }
        scalar = SecretBytes(try Secp256k1.scalar(ofSEC1: privateDER))
        self.context = LockedKeyContext(context)
    }

    private static func der(of text: String) throws(CryptoError) -> [UInt8] {
        if var hex = Secp256k1.hex(text) {
            defer { wipe(&hex) }
            guard hex.count == 32 else { throw .badKey("\(hex.count) bytes for a private key on secp256k1") }
            return Secp256k1.sec1(scalar: hex)
        }
        return Secp256k1.withVersionZero(try PEM.body(of: text, preferring: "PRIVATE"))
    }

    /// PKCS#8 under `PRIVATE KEY` with the public half; lines of 64, no line break at the end. A `String` is not wiped.
    package var pem: String {
        scalar.withBytes { bytes in
            var der = Secp256k1.pkcs8(scalar: bytes, point: publicKey.point)
            defer { wipe(&der) }
            return PEM.armour(der, label: "PRIVATE KEY")
        }
    }

    /// ECDSA with SHA-256, in DER.
    package func sign(_ message: [UInt8]) throws(CryptoError) -> [UInt8] {
        try sign(digest: Digest.sha256(message))
    }

    /// The same for whoever has the message's SHA-256 already.
    package func sign(digest: [UInt8]) throws(CryptoError) -> [UInt8] {
        try context.with { context throws(CryptoError) in try context.sign(digest: digest) }
    }
}

extension ECCPrivateKey: CustomStringConvertible, CustomReflectable {
    package var description: String { "(ECC private key)" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
