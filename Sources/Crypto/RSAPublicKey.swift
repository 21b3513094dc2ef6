/// An RSA public key of 1024 to 4096 bits whose exponent is odd, at least 3 and below 2^32 (wire.md 5.1).
/// Parsed once; any thread may use it.
package struct RSAPublicKey: Sendable {
    private let context: KeyContext

    package let bits: Int
    /// The SubjectPublicKeyInfo as everybody writes it: DIMP's key data, of which addresses are made.
    package let der: [UInt8]
    /// SHA-256 of it.
    package let fingerprint: [UInt8]

    /// A SubjectPublicKeyInfo or a PKCS#1 RSAPublicKey. Throws `badKey`.
    package init(der: [UInt8]) throws(CryptoError) {
        try self.init(context: KeyContext(publicDER: der))
    }

    /// Either structure under any label; of several blocks the one called PUBLIC. Throws `badKey`.
    package init(pem: String) throws(CryptoError) {
        try self.init(der: PEM.body(of: pem, preferring: "PUBLIC"))
    }

    /// Takes the public half of a key pair; its private half stays behind.
    init(publicHalfOf pair: KeyContext) throws(CryptoError) {
        try self.init(der: pair.publicDER())
    }

    private init(context: KeyContext) throws(CryptoError) {
        try context.checkRSA()
        self.context = context
        bits = context.bits
        der = try context.publicDER()
        fingerprint = Digest.sha256(der)
    }

    package var exponent: UInt32 { context.exponent }

    /// Lines of 64, no line break at the end.
    package var pem: String { PEM.armour(der, label: "PUBLIC KEY") }

    /// The most that `encrypt` takes.
    package var limit: Int { size - 11 }

    /// RSAES-PKCS1-v1_5. Throws `tooLong` beyond `limit` bytes.
    package func encrypt(_ plaintext: [UInt8]) throws(CryptoError) -> [UInt8] {
        guard plaintext.count <= limit else { throw .tooLong(limit: limit) }
        return try context.encrypt(plaintext)
    }

    /// Bytes of the modulus, of a signature and of a ciphertext.
    package var size: Int { (bits + 7) / 8 }

    /// RSASSA-PKCS1-v1_5 with SHA-256. A signature is a number of `size` bytes: one that came without its leading zeros
    /// (wire.md 5.1) is read as the same number, a longer one is wrong.
    package func verifies(_ signature: [UInt8], of message: [UInt8]) -> Bool {
        verifies(signature, ofDigest: Digest.sha256(message))
    }

    /// The same for whoever has the message's SHA-256 already.
    package func verifies(_ signature: [UInt8], ofDigest digest: [UInt8]) -> Bool {
        let lacking = [UInt8](repeating: 0, count: max(0, size - signature.count))
        return context.verifies(lacking + signature, ofDigest: digest)
    }
}

extension RSAPublicKey: Equatable {
    package static func == (left: RSAPublicKey, right: RSAPublicKey) -> Bool { left.der == right.der }
}

extension KeyContext {
    /// Throws `badKey` for a key outside of what `RSAPublicKey` promises.
    func checkRSA() throws(CryptoError) {
        guard isRSA else { throw .badKey("not an RSA key") }
        guard RSAPrivateKey.sizes.contains(bits) else { throw .badKey("an RSA key of \(bits) bits") }
        let exponent = exponent
        guard exponent >= 3, exponent & 1 == 1 else {
            throw .badKey("an RSA exponent that is even, below 3 or beyond 32 bits")
        }
    }
}
