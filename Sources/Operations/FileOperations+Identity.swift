import Crypto
package import DIMP
package import Format
package import Records

extension FileOperations {
    /// What is needed to make an identity, checked: can be carried out on any thread.
    package struct Plan: Sendable {
        package let name: String
        let network: UInt8
        let algorithm: Identity.Algorithm
        let bits: Int
        let time: Double

        /// Makes the keys. Slow: seconds on a small board.
        package func identity() throws(Refusal) -> Identity {
            do throws(CryptoError) {
                return try Identity.register(
                    name: name, network: network, algorithm: algorithm, bits: bits, time: time)
            } catch {
                throw Refusal(.inputOutput, "no-keys", "cannot make keys: \(error)")
            }
        }
    }

    package enum Creation: Sendable {
        case there(Identity)
        case planned(Plan)
    }

    /// `identity.create` {name, type?, key?, bits?, era?, ensure?}.
    package func plan(
        name: String, type: String?, key: String?, bits: Int64?, era: String?, ensure: Bool
    ) throws(Refusal) -> Creation {
        if let there = facebook.identities.first(where: { $0.id.name == name }) {
            guard ensure else {
                throw Refusal(.exists, "identity-exists", "there is an identity named \(name): \(there.id)")
            }
            return .there(there)
        }
        try checkName(name, for: ID(name: name, address: .anywhere))
        guard era == nil || era == "2019" else {
            throw Refusal(.badData, "bad-era", "the era is 2019 or not given")
        }
        guard let type = EntityType(rawValue: type ?? "user"),
            let network = type.network(era == nil ? .today : .year2019)
        else {
            throw Refusal(.badData, "bad-type", "there is no identity of this type in this era")
        }
        guard let algorithm = Identity.Algorithm(rawValue: key ?? "rsa") else {
            throw Refusal(.badData, "bad-key", "the key is rsa or ecc")
        }
        let bits = bits ?? 2048
        guard (1024...4096).contains(bits), bits.isMultiple(of: 8) else {
            throw Refusal(.badData, "bad-bits", "an RSA key has 1024 to 4096 bits")
        }
        return .planned(
            Plan(name: name, network: network, algorithm: algorithm, bits: Int(bits), time: time))
    }

    package func created(_ identity: Identity, isNew: Bool) -> JSON {
        var object = row(identity)
        object["created"] = .bool(isNew)
        return .object(object)
    }

    package func identities() -> JSON {
        ["identities": .array(facebook.identities.map { .object(listed($0)) })]
    }

    package func shown(_ identity: Identity) -> JSON {
        var object = listed(identity)
        object["card"] = card(identity)
        return .object(object)
    }

    /// `{"did", "meta", "visa"}`: what a person hands to another.
    package func card(_ identity: Identity) -> JSON {
        [
            "did": .string(identity.id.bare.text), "meta": .object(identity.meta.json),
            "visa": .object(identity.visa.json),
        ]
    }

    private func listed(_ identity: Identity) -> JSONObject {
        var object = row(identity)
        object["default"] = .bool(facebook.identities.first?.id == identity.id)
        return object
    }

    private func row(_ identity: Identity) -> JSONObject {
        [
            "did": .string(identity.id.bare.text), "name": .string(identity.id.name ?? ""),
            "type": .string(identity.id.address.type.rawValue), "algorithm": .string(identity.secret.algorithm),
        ]
    }
}
