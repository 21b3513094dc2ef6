package import Crypto

/// What is known about entities: the seed's Barrack, filled by `Facebook` from flat files.
public protocol Barrack: AnyObject {
    /// A meta that vouches for the ID.
    func meta(of id: ID) -> Meta?
    /// A visa that was checked against that meta: the one for no single device or, if there is none, the newest.
    func visa(of id: ID) -> Document?
    /// The other visas of a stock user, each the newest of its terminal (wire.md 4).
    func deviceVisas(of id: ID) -> [Document]
    /// An identity of our own, by address.
    func identity(_ address: Address) -> Identity?
}

extension Barrack {
    /// No device has a visa of its own.
    public func deviceVisas(of id: ID) -> [Document] { [] }

    /// Whom the key of a message to this entity is wrapped for: the entity, and each of its devices under its own name,
    /// because stock 2.4 with a terminal looks for nothing else. Empty when there is no key.
    package func recipients(of id: ID) -> [(ID, RSAPublicKey)] {
        guard let key = encryptionKey(of: id)?.encryption else { return [] }
        let visas = [visa(of: id)].compactMap { $0 } + deviceVisas(of: id)
        let devices = visas.compactMap { visa -> (ID, RSAPublicKey)? in
            guard let terminal = visa.terminal, let key = visa.key?.encryption else { return nil }
            return (ID(name: id.name, address: id.address, terminal: terminal), key)
        }
        return [(id.bare, key)] + devices
    }

    /// The key to encrypt with: the visa's, else the meta's if it can (wire.md 4).
    package func encryptionKey(of id: ID) -> PublicKey? {
        if let key = visa(of: id)?.key { return key }
        guard let key = meta(of: id)?.key, key.encryption != nil else { return nil }
        return key
    }
}

/// Symmetric keys that are used again, by direction: the seed's KeyCache, filled by `KeyStore` from flat files.
package protocol KeyCache: AnyObject {
    /// What our `sender` encrypts with for this receiver now; `nil` when a new one must be made.
    func sendingKey(from sender: ID, to receiver: ID) -> ReusedKey?
    /// The key behind wrapped bytes (their SHA-256) that this sender used for this target, once accepted in full.
    func receivedKey(from sender: ID, to target: ID, wrapping digest: [UInt8]) -> SymmetricKey?
}

/// A symmetric key on its way through many messages, wrapped once per key of the receiver (extensions.md 2).
package struct ReusedKey: Sendable, Equatable {
    package var key: SymmetricKey
    /// The bytes that travel in every message, and SHA-256 of the public key that they were wrapped with.
    package var wrapped: [UInt8]
    package var wrappedFor: [UInt8]
    /// Seconds lived at its birth, and messages since.
    package var born: Double
    package var uses: Int

    package init(key: SymmetricKey, wrapped: [UInt8], wrappedFor: [UInt8], born: Double, uses: Int) {
        self.key = key
        self.wrapped = wrapped
        self.wrappedFor = wrappedFor
        self.born = born
        self.uses = uses
    }
}
