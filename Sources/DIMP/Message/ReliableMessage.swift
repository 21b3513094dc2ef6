import Crypto
package import Format

/// A signed message: what travels. One JSON object, the universal form when we write it (wire.md 1.1), every
/// era's form when we read it.
///
///     {"sender", "receiver", "time", "type"?, "group"?, "data", "key"?, "keys"?, "IV"?, "signature",
///      "meta"?, "visa"?, "profile"?, "traces"?}
public struct ReliableMessage: Sendable {
    package var secure: SecureMessage
    package var signature: [UInt8]
    /// The sender's, attached: not checked yet.
    package var meta: JSON?
    package var visa: JSON?
    /// Who has handed the message on, as texts or objects; nobody has signed them.
    package var traces: [JSON] = []

    package init(secure: SecureMessage, signature: [UInt8], meta: JSON? = nil, visa: JSON? = nil) {
        self.secure = secure
        self.signature = signature
        self.meta = meta
        self.visa = visa
    }

    package var envelope: Envelope { secure.envelope }

    package init(parsing wire: [UInt8], limits: JSONLimits = JSONLimits()) throws(Rejection) {
        let json: JSON
        do throws(JSONError) {
            json = try JSON(parsing: wire, limits: limits)
        } catch {
            throw Rejection(.parse, "\(error)")
        }
        try self.init(json)
    }

    package init(_ json: JSON) throws(Rejection) {
        guard let object = json.object else { throw Rejection(.parse, "the message is no object") }
        let envelope = try Envelope(object)
        guard let data = object.first("data", "D")?.string else { throw Rejection(.parse, "there is no data") }
        guard let signature = object.first("signature", "V")?.string else {
            throw Rejection(.parse, "there is no signature")
        }
        guard let signature = Base64.decode(signature), !signature.isEmpty else {
            throw Rejection(.parse, "the signature is no Base64")
        }
        let bytes = envelope.isBroadcast ? Array(data.utf8) : Base64.decode(data)
        guard let bytes, !bytes.isEmpty else { throw Rejection(.parse, "the data is empty or no Base64") }
        let iv = try object.first("IV", "iv").map { (json) throws(Rejection) in
            guard let text = json.string else { throw Rejection(.parse, "the IV is no text") }
            return try SymmetricKey.iv(text)
        }
        secure = SecureMessage(envelope: envelope, data: bytes, iv: iv, keys: try Self.keys(of: object))
        self.signature = signature
        meta = object.first("meta", "M")
        visa = object.first("visa", "P", "profile")
        traces = object["traces"]?.array ?? []
    }

    /// `key` of all eras to 2.4.1, `keys` of groups and since 2.4.2, `K` for either. A key that stands under both counts
    /// once. Nothing is signed yet, so this takes one pass.
    private static func keys(of object: JSONObject) throws(Rejection) -> [SecureMessage.WrappedKey] {
        var found: [SecureMessage.WrappedKey] = []
        let table = object.first("keys", "K")
        for (receiver, value) in table?.object?.members ?? [] where receiver != "digest" {
            found.append(SecureMessage.WrappedKey(receiver: receiver, bytes: try decoded(value)))
        }
        if let single = object.first("key") ?? (table?.string == nil ? nil : table) {
            let bytes = try decoded(single)
            if !found.contains(where: { $0.bytes == bytes }) {
                found.append(SecureMessage.WrappedKey(receiver: "", bytes: bytes))
            }
        }
        return found
    }

    private static func decoded(_ key: JSON) throws(Rejection) -> [UInt8] {
        guard let text = key.string else { throw Rejection(.parse, "a key is no text") }
        guard let bytes = Base64.decode(text) else { throw Rejection(.parse, "a key is no Base64") }
        return bytes
    }

    package var json: JSON {
        var object = envelope.json
        if envelope.isBroadcast {
            object["data"] = .string(String(decoding: secure.data, as: UTF8.self))
        } else {
            object["data"] = .string(Base64.encode(secure.data))
        }
        if let iv = secure.iv { object["IV"] = .string(Base64.encode(iv)) }
        if !secure.keys.isEmpty {
            let texts = secure.keys.map { ($0.receiver, JSON.string(Base64.encode($0.bytes))) }
            // `key` is what all readers before 2.4.2 want, and only a message to one has it. Devices have their own.
            let receiver = envelope.receiver.bare.text
            let single = texts.first { $0.0.isEmpty } ?? texts.first { $0.0 == receiver }
            object["key"] = single?.1 ?? (texts.count == 1 ? texts.first?.1 : nil)
            let named = texts.filter { !$0.0.isEmpty }
            if !named.isEmpty { object["keys"] = .object(JSONObject(named)) }
        }
        object["signature"] = .string(Base64.encode(signature))
        if let meta { object["meta"] = meta }
        if let visa { object["visa"] = visa }
        if !traces.isEmpty { object["traces"] = .array(traces) }
        return .object(object)
    }

    /// The message whose signature is good under the sender's meta key: all software seen signs with that one.
    /// `digest` is the SHA-256 of `secure.data`, for whoever has it already.
    package func verified(by meta: Meta, digest: [UInt8]? = nil) throws(Rejection) -> SecureMessage {
        guard meta.vouches(for: envelope.sender) else { throw Rejection(.meta, "the meta is of another ID") }
        guard meta.key.verifies(signature, ofDigest: digest ?? Digest.sha256(secure.data)) else {
            throw Rejection(.signature, "the signature does not verify")
        }
        return secure
    }
}
