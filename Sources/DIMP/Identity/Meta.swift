package import Crypto
package import Format

/// Binds an ID to a public key, for ever (wire.md 3). A value of this type has a fingerprint that verifies.
public struct Meta: Sendable {
    package let kind: Kind
    package let key: PublicKey
    package let seed: String?
    package let fingerprint: [UInt8]
    /// As it came, without members that DIMP does not define and with the missing one of `type` and `version`.
    package let json: JSONObject
    /// What its BTC-style addresses are made of, kept because every message asks.
    private let hash: [UInt8]

    /// Bit 1: has a seed and its signature. 4 and 5 have an ETH address.
    package enum Kind: Int64, Sendable {
        case mkm = 1
        case btc, exBTC, eth, exETH

        var hasSeed: Bool { rawValue & 1 == 1 }
        var isETH: Bool { self == .eth || self == .exETH }

        init?(_ json: JSON?) {
            guard let json else { return nil }
            switch json.string?.uppercased() {
            case "MKM": self = .mkm
            case "BTC": self = .btc
            case "ETH": self = .eth
            default:
                guard let number = json.integer ?? json.string.flatMap({ Int64($0) }) else { return nil }
                self.init(rawValue: number)
            }
        }
    }

    package init(_ json: JSON?) throws(Rejection) {
        guard var object = json?.object else { throw Rejection(.meta, "the meta is no object") }
        if let members = object["key"]?.object { object["key"] = .object(try members.card(PublicKey.members)) }
        object = try object.card(Self.members)
        guard let kind = Kind(object.first("type", "version")) else {
            throw Rejection(.meta, "the meta's type is missing or unknown")
        }
        self.kind = kind
        key = try PublicKey(object["key"])
        let seed = object["seed"]
        let fingerprint = object["fingerprint"]
        if kind.hasSeed {
            guard let seed = seed?.string, !seed.isEmpty else { throw Rejection(.meta, "the meta has no seed") }
            guard let signature = fingerprint?.string.flatMap(Base64.decode) else {
                throw Rejection(.meta, "the meta has no readable fingerprint")
            }
            guard key.verifies(signature, of: Array(seed.utf8)) else {
                throw Rejection(.meta, "the fingerprint is no signature of the seed")
            }
            self.seed = seed
            self.fingerprint = signature
        } else {
            guard seed == nil, fingerprint == nil else {
                throw Rejection(.meta, "a meta of this type has no seed and no fingerprint")
            }
            self.seed = nil
            self.fingerprint = []
        }
        if object["type"] == nil { object["type"] = .integer(kind.rawValue) }
        if object["version"] == nil { object["version"] = .integer(kind.rawValue) }
        self.json = object
        hash = Self.hash(kind, key, self.fingerprint)
    }

    /// About how many bytes of memory it holds, with the parsed key.
    package var footprint: Int { json.footprint + 4096 }

    private static let members = ["type", "version", "key", "seed", "fingerprint"]

    /// A new one: type 1 for a key with a seed, type 4 (ETH) for an ECC key without.
    package init(seed: String?, signedBy secret: PrivateKey) throws(CryptoError) {
        key = secret.publicKey
        self.seed = seed
        kind = seed != nil ? .mkm : secret.decryption == nil ? .eth : .btc
        var object: JSONObject = [
            "type": .integer(kind.rawValue), "version": .integer(kind.rawValue), "key": key.json,
        ]
        if let seed {
            fingerprint = try secret.sign(Array(seed.utf8))
            object["seed"] = .string(seed)
            object["fingerprint"] = .string(Base64.encode(fingerprint))
        } else {
            fingerprint = []
        }
        json = object
        hash = Self.hash(kind, key, fingerprint)
    }

    /// The ID of this meta on a network; `network` does not count for ETH.
    package func id(network: UInt8) -> ID? {
        let address: Address? =
            if kind.isETH { ethAddress } else { .btc(network: network, of: kind == .mkm ? fingerprint : key.data) }
        return address.map { ID(name: seed, address: $0) }
    }

    /// Whether this is the meta of that ID: the address comes out the same, and the seed is the name.
    public func vouches(for id: ID) -> Bool {
        guard (seed ?? "").utf8.elementsEqual((id.name ?? "").utf8) else { return false }
        return kind.isETH ? ethAddress == id.address : id.address.isMade(of: hash)
    }

    private var ethAddress: Address? {
        if case .ecc(let key, _) = key { .eth(ofPoint: key.point) } else { nil }
    }

    private static func hash(_ kind: Kind, _ key: PublicKey, _ fingerprint: [UInt8]) -> [UInt8] {
        kind.isETH ? [] : Address.hash(of: kind == .mkm ? fingerprint : key.data)
    }
}
