import Crypto
package import Format

/// The word of a receiver that a message arrived (wire.md 7.1 and 7.4, extensions.md 5).
package struct Receipt: Sendable, Equatable {
    package var text: String
    /// Of the message it is about; 0 when it does not say, as those of today's applications.
    package var sn: Int64
    /// The time on the envelope of that message, seconds since 1970; `nil` when it does not say.
    package var time: Double?
    /// SHA-256 of the ciphertext: culver's own, and the only proof that it is about these very bytes.
    package var digest: [UInt8]?
    /// Of the message, or some characters of its end; Base64 text.
    package var signature: String?
    package var sender: ID?
    package var receiver: ID?
    package var group: ID?

    /// Both spellings: today's `origin`, and the flat one of 2019 with or without an `envelope`. Beside an `origin` the
    /// flat `sn` is the receipt's own.
    init(_ object: JSONObject) {
        let origin = object.first("origin", "envelope")?.object ?? object
        text = object.first("text", "message")?.string ?? ""
        sn =
            origin["sn"]?.integer ?? object["origin"]?["sn"]?.integer
            ?? (object["origin"] == nil ? object["sn"]?.integer : nil) ?? 0
        time = origin.seconds("time")
        signature = origin["signature"]?.string ?? object["signature"]?.string
        digest = object["digest"]?.string.flatMap(Base64.decode)
        sender = origin.id("sender")
        receiver = origin.id("receiver")
        group = origin.id("group")
    }

    /// The members of a receipt for a verified message whose content was read. Both spellings. Of the envelope they hold
    /// the two IDs without a terminal, and no time: nobody has signed those. `digest` is the SHA-256 of `secure.data`, for
    /// a caller that has it already.
    package static func members(
        of message: ReliableMessage, content: Content, text: String, digest: [UInt8]? = nil
    ) -> JSONObject {
        let envelope = message.envelope
        var origin: JSONObject = [
            "sender": .string(envelope.sender.bare.text), "receiver": .string(envelope.receiver.bare.text),
        ]
        if let time = content.time { origin["time"] = .integer(Int64(wholeSeconds: time)) }
        if let group = content.group { origin["group"] = .string(group.text) }
        origin["type"] = .integer(content.type)
        origin["sn"] = .integer(content.sn)
        origin["signature"] = .string(Base64.encode(message.signature))
        var members: JSONObject = ["text": .string(text), "message": .string(text)]
        // Not `time`, which 2019 wrote here too: it is the receipt's own, and what readers judge its age by.
        for name in ["sender", "receiver", "signature"] {
            if let value = origin[name] { members[name] = value }
        }
        members["origin"] = .object(origin)
        members["digest"] = .string(Base64.encode(digest ?? Digest.sha256(message.secure.data)))
        return members
    }
}
