import DIMP
import Format
import Records

/// An identity as one JSON object, with all its secrets: `{"did", "secret", "visa_keys", "meta", "visa"}`.
enum IdentityExport {
    /// Holds the private keys in the clear.
    static func json(of identity: Identity) -> JSON {
        [
            "did": .string(identity.id.bare.text), "secret": identity.secret.json,
            "visa_keys": .array(identity.visaKeys.map(\.json)), "meta": .object(identity.meta.json),
            "visa": .object(identity.visa.json),
        ]
    }

    /// The identity, when everything in the object belongs together.
    static func identity(in json: JSON?) throws(Refusal) -> Identity {
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
}
