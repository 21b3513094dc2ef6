package import DIMP
package import Format
package import Records
package import Store

/// What can be done with this board's identities, `identity.*` of culver-protocol(7): by the daemon, and by the tool on
/// a directory without a daemon.
///
/// Changes go into `facebook`. Its owner puts them on disk, after a result's `values`, before anything is answered.
package struct IdentityOperations {
    private let facebook: Facebook
    private let names: NameLookup
    /// Seconds since 1970.
    private let time: Double

    package init(facebook: Facebook, time: Double) {
        self.facebook = facebook
        self.time = time
        names = NameLookup(facebook: facebook)
    }

    // MARK: - Looking

    package func list() -> JSON {
        ["identities": .array(facebook.identities.map { .object(listed($0)) })]
    }

    /// {did?}
    package func show(_ params: Params) throws -> JSON {
        shown(try names.identity(try params.text("did")))
    }

    func shown(_ identity: Identity) -> JSON {
        var object = listed(identity)
        object["card"] = card(of: identity)
        return .object(object)
    }

    /// `{"did", "meta", "visa"}`: what a person hands to another.
    func card(of identity: Identity) -> JSON {
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

    private static func named(_ id: ID) -> JSON { ["did": .string(id.bare.text)] }

    // MARK: - Making

    /// {name, type?, key?, bits?, era?, ensure?}
    package func create(_ params: Params) throws -> IdentityStep {
        try create(
            named: try params.needText("name"), type: try params.text("type"), key: try params.text("key"),
            bits: try params.integer("bits", in: 0...65_536), era: try params.text("era"),
            isEnsured: try params.flag("ensure"))
    }

    /// `isEnsured`: an identity of this name that is there already will do.
    package func create(
        named name: String, type: String? = nil, key: String? = nil, bits: Int64? = nil, era: String? = nil,
        isEnsured: Bool
    ) throws(Refusal) -> IdentityStep {
        if let there = facebook.identities.first(where: { $0.id.name == name }) {
            guard isEnsured else {
                throw Refusal(.exists, "identity-exists", "there is an identity named \(name): \(there.id)")
            }
            return .done(created(there, .found))
        }
        try names.checkName(name, for: ID(name: name, address: .anywhere))
        guard era == nil || era == "2019" else {
            throw Refusal(.badData, "bad-era", "the era is 2019 or not given")
        }
        guard type != "group" else {
            throw Refusal(
                .badData, "bad-type", "a group is no identity: it is founded by group.create")
        }
        guard let type = EntityType(rawValue: type ?? "user"),
            let network = type.network(era == nil ? .today : .year2019)
        else {
            let words = type == "device" ? "a device exists only in the era 2019; a board is a user" : nil
            throw Refusal(.badData, "bad-type", words ?? "there is no identity of this type in this era")
        }
        guard let algorithm = Identity.Algorithm(rawValue: key ?? "rsa") else {
            throw Refusal(.badData, "bad-key", "the key is rsa or ecc")
        }
        let bits = bits ?? 2048
        guard (1024...4096).contains(bits), bits.isMultiple(of: 8) else {
            throw Refusal(.badData, "bad-bits", "an RSA key has 1024 to 4096 bits")
        }
        return .keys(
            KeyWork(
                kind: .new(
                    name: name, network: network, algorithm: algorithm, bits: Int(bits), isEnsured: isEnsured),
                time: time))
    }

    private func created(_ identity: Identity, _ kind: IdentityResult.Kind) -> IdentityResult {
        var object = row(identity)
        object["created"] = .bool(kind == .made)
        return IdentityResult(kind, identity.id, answer: .object(object))
    }

    /// {did}. Its new keys are to be made.
    package func rotate(_ params: Params) throws -> IdentityStep {
        .keys(KeyWork(kind: .rotation(of: try names.identity(try params.needText("did"))), time: time))
    }

    /// Ends `create` or `rotate` with the keys that were made; the identities may have changed meanwhile.
    package func keep(_ made: Identity, by work: KeyWork) throws(Refusal) -> IdentityResult {
        switch work.kind {
        case .new(_, _, _, _, let isEnsured):
            // Two calls may have asked for the same name at once.
            if let there = facebook.identities.first(where: { $0.id.name == made.id.name }) {
                guard isEnsured else {
                    throw Refusal(.exists, "identity-exists", "there is an identity of that name: \(there.id)")
                }
                return created(there, .found)
            }
            facebook.put(made)
            return created(made, .made)
        case .rotation:
            guard let now = facebook.identity(made.id.address), now.visa.time < made.visa.time else {
                throw Refusal(.notNow, "changed", "\(made.id) was changed meanwhile")
            }
            facebook.rotate(made)
            let answer: JSON = ["did": .string(made.id.bare.text), "time": .number(made.visa.time)]
            return IdentityResult(.rotated, made.id, answer: answer)
        }
    }

    // MARK: - Choosing, moving, removing

    /// {did}
    package func makeDefault(_ params: Params) throws -> IdentityResult {
        let id = try names.identity(try params.needText("did")).id
        facebook.makeDefault(id)
        return IdentityResult(.becameDefault, id, answer: Self.named(id))
    }

    /// {did}. The answer holds the private keys in the clear.
    package func export(_ params: Params) throws -> IdentityResult {
        let identity = try names.identity(try params.needText("did"))
        return IdentityResult(.exported, identity.id, answer: IdentityExport.json(of: identity))
    }

    /// {identity}. The default identity stays the default.
    package func takeOver(_ params: Params) throws -> IdentityResult {
        let identity = try imported(params.json("identity"))
        let id = identity.id
        if let first = facebook.identities.first { facebook.makeDefault(first.id) }
        if facebook.contact(id.address) != nil { facebook.forget(id.address) }
        facebook.put(identity)
        return IdentityResult(.imported, id, answer: Self.named(id), values: Self.forgetting(id.address))
    }

    /// What was exported, when everything in it belongs together and this board has no entity of that name.
    func imported(_ json: JSON?) throws(Refusal) -> Identity {
        let identity = try IdentityExport.identity(in: json)
        let id = identity.id
        guard facebook.identity(id.address) == nil else {
            throw Refusal(.exists, "identity-exists", "\(id) is an identity of this board already")
        }
        if let name = id.name, let other = facebook.id(named: name), other.address != id.address {
            throw Refusal(.exists, "name-taken", "\(name) is the name of \(other)")
        }
        return identity
    }

    /// {did}. First it is written down that the identity is to go, then it goes: what a power cut leaves is done at the
    /// daemon's next start.
    package func beginRemoval(_ params: Params) throws -> IdentityResult {
        let id = try names.identity(try params.needText("did")).id
        return IdentityResult(
            .removalBegun, id, answer: Self.named(id),
            values: [.value(.removed(id.address), id.bare.text)])
    }

    /// The files of an identity whose removal was begun.
    package func remove(_ id: ID) {
        facebook.remove(id)
    }

    // MARK: - In the ledger

    /// What a ledger remembers of an identity that came from another board: nothing. It has a new stream of numbers.
    package static func forgetting(_ address: Address) -> [Change] {
        [
            .value(.removed(address), nil), .forgetValues(.clearingsOf(address)), .value(.stream(address), nil),
            .forgetValues(.sequences(from: address)), .forgetValues(.windowsOf(owner: address)),
        ]
    }
}
