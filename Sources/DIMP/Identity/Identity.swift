package import Crypto
import Format

/// An entity of our own: the ID, its meta, its visa, and the secrets behind them.
public struct Identity: Sendable {
    public let id: ID
    public let meta: Meta
    /// The secret of the meta's key: signs documents and messages.
    package let secret: PrivateKey
    public package(set) var visa: Document
    /// Unwrap message keys, the newest first; at most three are tried.
    package var visaKeys: [PrivateKey]

    package init(id: ID, meta: Meta, secret: PrivateKey, visa: Document, visaKeys: [PrivateKey]) {
        self.id = id
        self.meta = meta
        self.secret = secret
        self.visa = visa
        self.visaKeys = visaKeys
    }

    /// The seed's `register`: keys, meta, ID and a signed visa for a name. `bits` counts for RSA, for the visa's key
    /// too; `time` is in seconds since 1970. Slow: makes one or two RSA keys.
    package static func register(
        name: String, network: UInt8, algorithm: Algorithm, bits: Int, time: Double
    ) throws(CryptoError) -> Identity {
        let secret: PrivateKey
        switch algorithm {
        case .rsa: secret = .rsa(try RSAPrivateKey.generate(bits: bits))
        case .ecc: secret = .ecc(try ECCPrivateKey.generate())
        }
        let meta = try Meta(seed: name, signedBy: secret)
        guard let id = meta.id(network: network) else { throw .badKey("no ID can be made of this key") }
        let visaKey = PrivateKey.rsa(try RSAPrivateKey.generate(bits: bits))
        let visa = try Document.visa(of: id, name: name, key: visaKey.publicKey, time: time, signedBy: secret)
        return Identity(id: id, meta: meta, secret: secret, visa: visa, visaKeys: [visaKey])
    }

    package enum Algorithm: String, Sendable {
        case rsa, ecc
    }

    /// What opens messages for us: the newest visa keys, then the meta's key (wire.md 6.3), at most three. The meta's
    /// is always among them: who knows nothing but the meta encrypts to it.
    package var decryptionKeys: [RSAPrivateKey] {
        visaKeys.prefix(ProtocolLimits.visaKeys).compactMap(\.decryption) + [secret].compactMap(\.decryption)
    }

    /// The visa anew, newer than the last and else like it, with what the agent can do now. A private-key operation.
    package func visa(saying abilities: Abilities, time: Double) throws(CryptoError) -> Document {
        try signedVisa(time: time) { $0["culver"] = abilities.json }
    }

    /// The same entity with a new visa key, in a visa newer than the last and else like it. Slow: makes an RSA key.
    package func rotated(time: Double) throws(CryptoError) -> Identity {
        let bits = visaKeys.first?.decryption?.publicKey.bits ?? 2048
        let key = PrivateKey.rsa(try RSAPrivateKey.generate(bits: bits))
        var abilities = Abilities.ours
        abilities.size = visa.abilities?.size
        var rotated = self
        rotated.visa = try signedVisa(time: time) { properties in
            properties["key"] = key.publicKey.visaJSON
            properties["culver"] = abilities.json
        }
        rotated.visaKeys = [key] + visaKeys.prefix(ProtocolLimits.visaKeys - 1)
        return rotated
    }

    private func signedVisa(time: Double, _ change: (inout JSONObject) -> Void) throws(CryptoError) -> Document {
        var properties = visa.properties
        change(&properties)
        return try Document(
            kind: "visa", about: id, properties: properties, time: max(time, visa.time + 1), signedBy: secret)
    }
}
