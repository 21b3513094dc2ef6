package import Crypto
package import Format
import Synchronization

/// A signed statement of an entity about itself: profile, visa or bulletin (wire.md 4).
///
/// The signature covers the bytes of the `data` string as they came; they are kept and never written anew.
public struct Document: Sendable {
    /// As it came, without members that DIMP does not define.
    package let json: JSONObject
    package let data: String
    package let signature: [UInt8]
    package let properties: JSONObject
    /// Whom it says it is about, outside of the signed data. A claim.
    package let did: ID?
    private let readKey = ReadOnce()

    package init(_ json: JSON?) throws(Rejection) {
        guard let all = json?.object else { throw Rejection(.meta, "the document is no object") }
        let object = try all.card(Self.members)
        guard let data = object["data"]?.string, let signature = object["signature"]?.string.flatMap(Base64.decode)
        else {
            throw Rejection(.meta, "the document has no data or no readable signature")
        }
        let properties: JSONObject?
        do throws(JSONError) {
            properties = try JSON(parsing: data).object
        } catch {
            throw Rejection(.meta, "the document's data cannot be read: \(error)")
        }
        guard let properties else { throw Rejection(.meta, "the document's data is no object") }
        if let time = properties["time"], !time.isNull, properties.seconds("time") == nil {
            throw Rejection(.meta, "the document's time is none")
        }
        self.json = object
        self.data = data
        self.signature = signature
        self.properties = properties
        did = object.id("did", "ID")
    }

    /// About how many bytes of memory it holds, with the parsed key.
    package var footprint: Int { json.footprint + properties.footprint + signature.count + 2048 }

    private static let members = ["did", "ID", "type", "data", "signature", "terminal"]

    /// A new one, signed with the key of the meta. `time` is in seconds since 1970.
    package init(
        kind: String, about id: ID, properties: JSONObject, time: Double, signedBy key: PrivateKey
    ) throws(CryptoError) {
        var properties = properties
        let name = JSON.string(id.bare.text)
        properties["type"] = .string(kind)
        properties["did"] = name
        properties["ID"] = name
        properties["time"] = .number(time)
        if properties["created_time"] == nil { properties["created_time"] = .number(time) }
        let data = JSON.object(properties).text
        let signature = try key.sign(Array(data.utf8))
        self.properties = properties
        self.data = data
        self.signature = signature
        did = id.bare
        json = [
            "type": .string(kind), "did": name, "ID": name, "data": .string(data),
            "signature": .string(Base64.encode(signature)),
        ]
    }

    /// A visa says with which key to encrypt for a user, and that this user's agent is a culver.
    package static func visa(
        of id: ID, name: String?, key: PublicKey, time: Double, created: Double? = nil, signedBy secret: PrivateKey
    ) throws(CryptoError) -> Document {
        var properties: JSONObject = [:]
        if let name { properties["name"] = .string(name) }
        properties["key"] = key.visaJSON
        properties["culver"] = Abilities.ours.json
        if let created { properties["created_time"] = .number(created) }
        return try Document(kind: "visa", about: id, properties: properties, time: time, signedBy: secret)
    }

    /// A bulletin says what a group is called and who founded it.
    package static func bulletin(
        of group: ID, name: String, founder: ID, time: Double, signedBy secret: PrivateKey
    ) throws(CryptoError) -> Document {
        try Document(
            kind: "bulletin", about: group,
            properties: ["name": .string(name), "founder": .string(founder.bare.text)], time: time, signedBy: secret)
    }

    /// Throws unless `meta`, which must be the meta of `id`, signed it and nothing in it speaks of another entity
    /// or of another purpose (extensions.md 3).
    package func check(about id: ID, meta: Meta) throws(Rejection) {
        for names in [json, properties] {
            for name in ["did", "ID"] where names[name] != nil {
                guard names.id(name) == id else { throw Rejection(.meta, "the document is about another ID") }
            }
        }
        guard !isForAnotherPurpose else {
            throw Rejection(.meta, "the document's data was signed for another purpose")
        }
        guard meta.key.verifies(signature, of: Array(data.utf8)) else {
            throw Rejection(.meta, "the document's signature does not verify")
        }
    }

    /// Contents of broadcasts, in full or short names, and statements of a culver are signed by the same key.
    private var isForAnotherPurpose: Bool {
        let type = properties["type"]
        return properties["sn"] != nil || properties["signed"] != nil
            || (properties["N"] != nil && properties["T"] != nil)
            || (type?.double ?? type?.string.flatMap(Double.init)) != nil
    }

    package var kind: String {
        json["type"]?.string ?? (did?.isGroup == true ? "bulletin" : "visa")
    }

    /// When it was signed, seconds since 1970; 0 for the profiles of 2019, which do not say.
    package var time: Double { properties.seconds("time") ?? 0 }

    package var name: String? { properties["name"]?.string }

    /// Of a bulletin: who founded the group.
    package var founder: ID? { properties.id("founder")?.bare }

    /// Of a bulletin: the members that the founder has given an office; `nil` when it does not say, or names too many.
    package var administrators: [ID]? {
        properties["administrators"]?.array.flatMap { GroupCommand.ids($0) }
    }

    /// The device that a visa of stock software is for, in the signed data or beside it; `nil` for the entity as a whole.
    /// A culver agent has one visa for all that it is.
    package var terminal: String? {
        guard !isOfCulver, let text = (properties["terminal"] ?? json["terminal"])?.string,
            text != "*", text.utf8.count <= 64, !text.utf8.contains(UInt8(ascii: "/"))
        else { return nil }
        return ID("anyone@anywhere/\(text)")?.terminal
    }

    /// The key to encrypt with; `nil` when there is none, or none that can be read and encrypts.
    package var key: PublicKey? {
        readKey.key {
            guard let key = try? PublicKey(properties["key"]), key.encryption != nil else { return nil }
            return key
        }
    }

    /// Whether the agent understands seals, sequences and digests in receipts.
    package var isOfCulver: Bool { abilities != nil }

    /// `nil` for the document of anything but a culver agent.
    package var abilities: Abilities? { Abilities(properties["culver"]) }
}

/// The key of a document and of its copies, read when it is first asked for: every message asks for it several times, and
/// reading it takes longer than writing the whole message. The lock protects the answer.
private final class ReadOnce: Sendable {
    private let answer = Mutex<PublicKey??>(nil)

    func key(_ read: () -> PublicKey?) -> PublicKey? {
        answer.withLock { answer in
            if let known = answer { return known }
            let key = read()
            answer = .some(key)
            return key
        }
    }
}
