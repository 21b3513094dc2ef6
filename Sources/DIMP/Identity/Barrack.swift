/// What is known about entities: the seed's Barrack, filled by `Facebook` from flat files.
package protocol Barrack: AnyObject {
    /// A meta that vouches for the ID.
    func meta(of id: ID) -> Meta?
    /// A visa that was checked against that meta.
    func visa(of id: ID) -> Document?
    /// An identity of our own, by address.
    func identity(_ address: Address) -> Identity?
}

extension Barrack {
    /// The key to encrypt with: the visa's, else the meta's if it can (wire.md 4).
    package func encryptionKey(of id: ID) -> PublicKey? {
        if let key = visa(of: id)?.key { return key }
        guard let key = meta(of: id)?.key, key.encryption != nil else { return nil }
        return key
    }
}
