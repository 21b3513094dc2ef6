package import DIMP
package import Records
package import Store

/// IDs of names, and names of IDs, as this board gave them (culver(1)).
package struct NameLookup {
    private let facebook: Facebook

    package init(facebook: Facebook) {
        self.facebook = facebook
    }

    /// An ID, or the name that this board gave to an entity: text with `@` and a valid address are
    /// IDs, everything else is a name, and nothing is guessed.
    package func id(_ text: String) throws(Refusal) -> ID {
        if let id = ID(text) {
            guard let known = entity(at: id.address), known != id else { return id }
            // A name has no check bytes. Which one an address has is known for good once there is its meta.
            if id.name != nil, facebook.meta(of: known) == nil { return id }
            guard id.name == nil else {
                throw Refusal(.badData, "bad-id", "\(text) is no ID: that address belongs to \(known)")
            }
            return known
        }
        guard !text.contains("@") else {
            throw Refusal(.badData, "bad-id", "\(text) is no ID: its check bytes or its form are wrong")
        }
        guard let id = facebook.id(named: text) else {
            let meant = Spelling.nearest(to: text, among: facebook.names(atMost: Self.comparedNames))
            throw Refusal(
                .unknownName, "unknown-name", "nobody here is named \(text)", hint: meant.map { "did you mean \($0)?" })
        }
        return id
    }

    /// Names that an unknown one is compared with.
    private static let comparedNames = 1000

    /// As this board knows it.
    private func entity(at address: Address) -> ID? {
        facebook.contact(address)?.id ?? facebook.identity(address)?.id ?? facebook.groups.group(address)?.id
    }

    /// An identity of this board: by ID or name, or the default one.
    package func identity(_ text: String?) throws(Refusal) -> Identity {
        guard let text else {
            guard let first = facebook.identities.first else {
                throw Refusal(.unknownName, "no-identity", "this board has no identity yet")
            }
            return first
        }
        if let own = facebook.identities.first(where: { $0.id.name == text }) { return own }
        let id = try id(text)
        guard let identity = facebook.identity(id.address) else {
            throw Refusal(.unknownName, "unknown-identity", "\(id) is no identity of this board")
        }
        return identity
    }

    /// The label that this board gave to an entity.
    package func name(of id: ID) -> String? {
        facebook.contact(id.address)?.name ?? facebook.identity(id.address)?.id.name
            ?? facebook.groups.group(id.address)?.name
    }

    package func isMuted(_ id: ID) -> Bool { facebook.contact(id.address)?.isMuted == true }

    /// A name is `[A-Za-z0-9._-]{1,64}`, and no other entity has it.
    package func checkName(_ name: String, for id: ID) throws(Refusal) {
        let isPlain = name.utf8.allSatisfy {
            switch $0 {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
        guard isPlain, (1...64).contains(name.utf8.count), Address(name) == nil else {
            throw Refusal(.badData, "bad-name", "a name has 1 to 64 of A-Z a-z 0-9 . _ -")
        }
        if let other = facebook.id(named: name), other != id {
            throw Refusal(.exists, "name-taken", "\(name) is the name of \(other)")
        }
    }
}
