package import DIMP
package import Format
package import Records

extension Desk {
    /// The type and the other members of a content that a local program wrote: `text`, or a whole `content`.
    package static func content(
        text: String?, content: JSON?
    ) throws(Refusal) -> (type: ContentType, members: JSONObject) {
        switch (text, content) {
        case (let text?, nil): return (.text, ["text": .string(text)])
        case (nil, let content?):
            guard var members = content.object else {
                throw Refusal(.badData, "bad-content", "the content is no object")
            }
            guard let type = members["type"].flatMap(Content.type).flatMap(ContentType.init(rawValue:)) else {
                throw Refusal(.badData, "bad-content", "the content has no type that DIMP knows")
            }
            members["type"] = nil
            for name in ["sn", "time", "seal", "seq"] where members[name] != nil {
                throw Refusal(.badData, "reserved-member", "\(name) of a content is written by culver")
            }
            return (type, members)
        default:
            throw Refusal(.badData, "text-or-content", "give either text or content")
        }
    }

    /// One ReliableMessage, sent nowhere and remembered nowhere.
    package func pack(
        from sender: Identity, to receiver: ID, type: ContentType, members: JSONObject, sn: Int64, attach: Bool
    ) throws(Refusal) -> JSON {
        let content = Content(type: type, sn: sn, time: time, members)
        do throws(Transceiver.Failure) {
            let message = try Transceiver(barrack: facebook).encryptSign(
                content, from: sender.id, to: receiver, attach: attach)
            return message.json
        } catch {
            switch error {
            case .noIdentity, .noKey: throw Refusal(.unknownName, "no-key", error.description)
            case .crypto: throw Refusal(.inputOutput, "cannot-seal", error.description)
            }
        }
    }

    /// What a message says, or at which stage it is refused and why. Changes no pin, digest or contact.
    package func open(_ wire: JSON) -> JSON {
        do throws(Rejection) {
            let message: ReliableMessage
            if let text = wire.string {
                message = try ReliableMessage(parsing: Array(text.utf8))
            } else {
                message = try ReliableMessage(wire)
            }
            return try opened(message)
        } catch {
            return ["refused": .string(error.stage.rawValue), "reason": .string(error.reason)]
        }
    }

    private func opened(_ message: ReliableMessage) throws(Rejection) -> JSON {
        let receiver = message.envelope.receiver
        let owner = facebook.identity(receiver.address) ?? (receiver.isGroup || receiver.isBroadcast ? facebook.identities.first : nil)
        guard let owner else { throw Rejection(.receiver, "the message is for somebody else") }
        let (instant, isSealed) = try Transceiver(barrack: facebook).verifyDecrypt(message, as: owner)
        if !isSealed, !instant.envelope.isBroadcast, facebook.contact(instant.envelope.sender.address)?.isCulver == true {
            throw Rejection(.seal, "a message without seal of a peer that seals")
        }
        var object: JSONObject = [
            "sender": .string(instant.envelope.sender.text), "receiver": .string(receiver.text),
        ]
        if let group = instant.content.group ?? instant.envelope.group { object["group"] = .string(group.text) }
        object["time"] = .number(instant.content.time ?? 0)
        object["content"] = .object(instant.content.json)
        object["sealed"] = .bool(isSealed)
        object["encrypted"] = .bool(!instant.envelope.isBroadcast)
        var attached: [JSON] = []
        if message.meta != nil { attached.append("meta") }
        if message.visa != nil { attached.append("visa") }
        object["attached"] = .array(attached)
        return .object(object)
    }
}
