import Crypto
package import Format

/// Our own words about the envelope inside the ciphertext, because DIMP signs none of it (extensions.md 3).
///
///     "seal": {"v": 1, "from": ADDRESS, "to": ADDRESS, "iv": base64(sha256(IV))}
package enum Seal {
    package static func of(sender: ID, target: ID, iv: [UInt8]?) -> JSON {
        var object: JSONObject = [
            "v": 1, "from": .string(sender.address.text), "to": .string(target.address.text),
        ]
        if let iv { object["iv"] = .string(Base64.encode(Digest.sha256(iv))) }
        return .object(object)
    }

    /// Whether a decrypted message is sealed. `iv` is the one of the message. Throws when there is a seal and it
    /// disagrees with the envelope: somebody re-addressed, re-dated or altered the message.
    package static func check(_ message: InstantMessage, iv: [UInt8]?) throws(Rejection) -> Bool {
        let envelope = message.envelope
        let content = message.content
        // True of every message, sealed or not.
        if let group = content.group,
            let outer = envelope.group ?? (envelope.receiver.isGroup ? envelope.receiver : nil),
            group != outer
        {
            throw Rejection(.seal, "the content is for another group")
        }
        guard let seal = content.json["seal"] else { return false }
        guard seal["v"]?.integer == 1 else { return false }
        let expected = of(sender: envelope.sender, target: envelope.target, iv: envelope.isBroadcast ? nil : iv)
        guard seal["from"] == expected["from"] else { throw Rejection(.seal, "sealed by another sender") }
        guard seal["to"] == expected["to"] else { throw Rejection(.seal, "sealed for another receiver") }
        guard seal["iv"] == expected["iv"] else { throw Rejection(.seal, "the IV is not the sealed one") }
        guard content.group == (envelope.group ?? (envelope.receiver.isGroup ? envelope.receiver : nil)) else {
            throw Rejection(.seal, "the group is not the sealed one")
        }
        guard content.time?.rounded(.down) == envelope.time?.rounded(.down) else {
            throw Rejection(.seal, "the time is not the sealed one")
        }
        return true
    }
}
