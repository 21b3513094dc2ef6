import Crypto
import DIMP
import Format

/// IDs, metas and documents: read alike, and refused where they should be.
enum IdentityChecks {
    static func id(_ vector: JSON) throws {
        let text = try vector.text("id")
        let id = ID(text)
        guard isValid(vector) else { return try agree(id == nil, "taken") }
        guard let id else { throw Disagreement("refused") }
        try compare(id, with: vector)
        // An empty name and an empty terminal are read as none; all else is written as it was read.
        let isWhole = !text.hasPrefix("@") && !text.hasSuffix("/") && !id.isBroadcast
        try agree(!isWhole || id.text == text, "written as \(id.text)")
    }

    static func meta(_ vector: JSON) throws {
        let did = try vector.did("did")
        let meta = try? Meta(vector.member("meta"))
        let isMatch = meta?.vouches(for: did) ?? false
        try agree(isMatch == (vector.text("expect") == "match"), "vouches: \(isMatch)")
        guard isMatch, let meta else { return }
        let network = UInt8(exactly: vector["network"]?.integer ?? -1)
        try agree(network.flatMap { meta.id(network: $0) } == did, "makes another ID")
        try agree(
            !meta.vouches(for: ID(name: "x" + (did.name ?? ""), address: did.address)), "vouches for any name")
        try agree(meta.json["type"] != nil && meta.json["version"] != nil, "written without type or version")
        try agree(Meta(.object(meta.json)).vouches(for: did), "what we write is not read")
        if let number = vector["number"]?.integer {
            try agree(did.address.number.map { Int64($0) } == number, "another number")
        }
    }

    static func document(_ vector: JSON) throws {
        let did = try vector.did("did")
        let meta = try Meta(vector.member("meta"))
        do {
            let document = try Document(vector["document"])
            try document.check(about: did, meta: meta)
            try agree(vector.text("expect") == "valid", "taken")
            try agree(.object(document.properties) == vector.member("properties"), "other properties")
            try agree(JSON.object(document.json) == vector.member("document"), "not kept as it came")
            try agree(document.name == vector["properties"]?["name"]?.string, "another name")
            try agree(document.time == vector["properties"]?["time"]?.double ?? 0, "another time")
            let hasKey = vector["properties"]?["key"] != nil
            try agree(hasKey == (document.key != nil), "has a key: \(document.key != nil)")
        } catch let refusal as Rejection {
            try agree(vector.text("expect") == "invalid", "refused: \(refusal)")
        }
    }

    /// A case on the edge is refused where that is the recommendation, because some stock reader refuses it too.
    private static func isValid(_ vector: JSON) -> Bool {
        vector["valid"]?.bool ?? (vector["recommend"]?.string?.hasPrefix("refuse") != true)
    }

    private static func compare(_ id: ID, with vector: JSON) throws {
        guard vector["valid"]?.bool == true else { return }
        // `name` is the case's; where the ID has another one, the case is about the form and says so in `id`.
        let text = try vector.text("id")
        let name = text.contains("@") ? String(text.prefix { $0 != "@" }) : nil
        try agree(id.name == name, "name \(id.name ?? "none")")
        try agree(id.address.text == vector.text("address"), "address \(id.address)")
        try agree(id.terminal == vector["terminal"]?.string, "terminal \(id.terminal ?? "none")")
        if let isBroadcast = vector["broadcast"]?.bool { try agree(id.isBroadcast == isBroadcast, "broadcast") }
        if let isGroup = vector["group"]?.bool { try agree(id.isGroup == isGroup, "group") }
        guard let network = UInt8(exactly: vector["network"]?.integer ?? -1) else { return }
        if case .btc(let read) = id.address.kind { try agree(read == network, "network \(read)") }
        if let fingerprint = vector["fingerprint"]?.string.flatMap(Base64.decode) {
            try agree(Address.btc(network: network, of: fingerprint) == id.address, "made another address")
        }
        if let number = vector["number"]?.integer {
            try agree(id.address.number.map { Int64($0) } == number, "another number")
        }
        if vector["is_group_by_low_bit"]?.bool == true, network < 0x80, network != 5 {
            try agree(id.isGroup, "no group")
        }
    }
}
