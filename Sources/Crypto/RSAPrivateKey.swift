/// An RSA key pair within the bounds of `RSAPublicKey`. Parsed once; any thread may use it, and two threads that do
/// run on two cores. Describes itself by its size alone.
package struct RSAPrivateKey: Sendable {
    package static let sizes = 1024...4096

    private let contexts: RSAContexts
    /// PKCS#1.
    private let der: SecretBytes

    package let publicKey: RSAPublicKey

    /// Takes seconds on a small board. Throws `badKey` for a size outside of `sizes` or no multiple of 8.
    package static func generate(bits: Int) throws(CryptoError) -> RSAPrivateKey {
        guard sizes.contains(bits), bits.isMultiple(of: 8) else { throw .badKey("an RSA key of \(bits) bits") }
        return try RSAPrivateKey(context: .newRSA(bits: bits))
    }

    /// PKCS#1 or PKCS#8 under any label; of several blocks the one called PRIVATE. Throws `badKey`, also for a key
    /// whose parts do not belong together.
    package init(pem: String) throws(CryptoError) {
        var der = try PEM.body(of: pem, preferring: "PRIVATE")
        defer { wipe(&der) }
        try self.init(context: KeyContext(privateDER: der))
    }

    private init(context: KeyContext) throws(CryptoError) {
        try context.checkRSA()
        publicKey = try RSAPublicKey(publicHalfOf: context)
        var pkcs1 = try context.privateDER()
        defer { wipe(&pkcs1) }
        der = SecretBytes(pkcs1)
        contexts = RSAContexts(original: context)
    }

    package var bits: Int { publicKey.bits }

    /// PKCS#1 under `RSA PRIVATE KEY`; lines of 64, no line break at the end. A `String` is not wiped.
    package var pem: String {
        der.withBytes { PEM.armour($0, label: "RSA PRIVATE KEY") }
    }

    /// RSAES-PKCS1-v1_5. Throws `cannotDecrypt`, whatever the reason.
    package func decrypt(_ ciphertext: [UInt8]) throws(CryptoError) -> SecretBytes {
        try contexts.with { context throws(CryptoError) in try context.decrypt(ciphertext) }
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256.
    package func sign(_ message: [UInt8]) throws(CryptoError) -> [UInt8] {
        try sign(digest: Digest.sha256(message))
    }

    /// The same for whoever has the message's SHA-256 already.
    package func sign(digest: [UInt8]) throws(CryptoError) -> [UInt8] {
        try contexts.with { context throws(CryptoError) in try context.sign(digest: digest) }
    }
}

extension RSAPrivateKey: CustomStringConvertible, CustomReflectable {
    package var description: String { "(RSA private key, \(bits) bits)" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
