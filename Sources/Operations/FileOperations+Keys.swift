package import DIMP
package import Format
package import Records

/// An identity as one JSON object, with all its secrets: `{"did", "secret", "visa_keys", "meta", "visa"}`.
extension FileOperations {
    /// Holds the private keys in the clear.
    package func exported(_ identity: Identity) -> JSON {
        [
            "did": .string(identity.id.bare.text), "secret": identity.secret.json,
            "visa_keys": .array(identity.visaKeys.map(\.json)), "meta": .object(identity.meta.json),
            "visa": .object(identity.visa.json),
        ]
    }

    /// One of those, when everything in it belongs together and this board has nobody of that name.
    package func imported(_ json: JSON?) throws(Refusal) -> Identity {
        let identity = try Self.read(json)
        let id = identity.id
        guard facebook.identity(id.address) == nil else {
            throw Refusal(.exists, "identity-exists", "\(id) is an identity of this board already")
        }
        if let name = id.name, let other = facebook.id(named: name), other.address != id.address {
            throw Refusal(.exists, "name-taken", "\(name) is the name of \(other)")
        }
        return identity
    }

    private static func read(_ json: JSON?) throws(Refusal) -> Identity {
        guard let object = json?.object, let id = object["did"]?.string.flatMap({ ID($0) }) else {
            throw bad("it has no did")
        }
        guard let secret = object["secret"].flatMap({ try? PrivateKey($0) }) else {
            throw bad("its secret is no private key")
        }
        let keys = object["visa_keys"]?.array ?? []
        let visaKeys = keys.prefix(visaKeyLimit).compactMap { try? PrivateKey($0) }
        guard visaKeys.count == keys.count else { throw bad("one of its visa keys is no private key") }
        do throws(Rejection) {
            let meta = try Meta(object["meta"])
            guard meta.vouches(for: id), id.name == meta.seed else {
                throw Rejection(.meta, "the meta is of another ID")
            }
            guard meta.key == secret.publicKey else { throw Rejection(.meta, "the secret is not that of the meta") }
            let visa = try Document(object["visa"])
            try visa.check(about: id, meta: meta)
            guard let key = visa.key, ([secret] + visaKeys).contains(where: { $0.publicKey == key }) else {
                throw Rejection(.meta, "the private key of the visa is missing")
            }
            return Identity(id: id.bare, meta: meta, secret: secret, visa: visa, visaKeys: visaKeys)
        } catch {
            throw bad(error.reason)
        }
    }

    private static let visaKeyLimit = 16

    private static func bad(_ words: String) -> Refusal {
        Refusal(.badData, "bad-identity", "the identity is not taken: \(words)")
    }

    /// What was imported, on disk with the next changes of `facebook`. The default one stays the default.
    package func take(_ identity: Identity) {
        if let first = facebook.identities.first { facebook.makeDefault(first.id) }
        if facebook.contact(identity.id.address) != nil { facebook.forget(identity.id.address) }
        facebook.put(identity)
    }

    /// What a ledger remembers of an identity that came from somewhere else: nothing. It has a new stream of numbers.
    package static func forgetting(_ address: Address) -> [Change] {
        [
            .value(key: goneKey(address), nil), .forgetValues(prefix: "clear \(address) "),
            .value(key: "stream \(address)", nil), .forgetValues(prefix: "sequence \(address) "),
            .forgetValues(prefix: "window \(address) "),
        ]
    }

    /// An identity whose removal was begun, with its ID: what remains is the daemon's.
    package static func goneKey(_ address: Address) -> String { "\(gone)\(address)" }
    package static let gone = "gone "
}
