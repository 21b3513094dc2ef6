import Crypto

/// What recorded cases cannot say: that this machine makes random bytes, and keys that work.
package enum MachineCheck: String, Sendable, CaseIterable {
    case random, rsa, secp256k1

    /// `nil` when it holds, else what does not.
    package func fault() -> String? {
        do {
            switch self {
            case .random: try random()
            case .rsa: try rsa()
            case .secp256k1: try secp256k1()
            }
            return nil
        } catch {
            return "\(error)"
        }
    }

    /// For people, when it holds.
    package var words: String {
        switch self {
        case .random: "the random generator gives different bytes"
        case .rsa: "a new RSA key signs, decrypts, and refuses a damaged signature"
        case .secp256k1: "a new secp256k1 key signs and refuses a damaged signature"
        }
    }

    private func random() throws {
        let draws = Set(try (0..<64).map { _ in try Random.bytes(16) })
        try agree(draws.count == 64, "the random generator repeats itself")
    }

    private func rsa() throws {
        let key = try RSAPrivateKey.generate(bits: 2048)
        let read = try RSAPublicKey(pem: key.publicKey.pem)
        try check(key.sign(Self.sample)) { read.verifies($0, of: $1) }
        try agree(key.decrypt(read.encrypt(Self.sample)).revealed == Self.sample, "decrypted to something else")
    }

    private func secp256k1() throws {
        let key = try ECCPrivateKey.generate()
        try agree(key.publicKey != ECCPrivateKey.generate().publicKey, "two new keys are one")
        let read = try ECCPublicKey(text: key.publicKey.pem)
        try check(key.sign(Self.sample)) { read.verifies($0, of: $1) }
    }

    private func check(_ signature: [UInt8], _ verifies: ([UInt8], [UInt8]) -> Bool) throws {
        try agree(verifies(signature, Self.sample), "a signature of a new key is refused")
        var damaged = signature
        damaged[damaged.count / 2] ^= 1
        try agree(!verifies(damaged, Self.sample), "a damaged signature is taken")
        try agree(!verifies(signature, Self.sample.reversed()), "a signature is taken for other bytes")
    }

    private static let sample = Array("culver tests this machine".utf8)
}
