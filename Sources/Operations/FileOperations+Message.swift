package import DIMP
package import Format
package import Records

extension FileOperations {
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

    /// A message to be packed: with all that it needs, so that any thread can do it.
    package struct Draft: Sendable {
        let content: Content
        let sender: ID
        let receiver: ID
        let attach: Bool
        let snapshot: Snapshot

        /// One ReliableMessage, sent nowhere and remembered nowhere. A private-key operation.
        package func packed() throws(Refusal) -> JSON {
            do throws(Transceiver.Failure) {
                return try Transceiver(barrack: snapshot).encryptSign(
                    content, from: sender, to: receiver, attach: attach
                ).json
            } catch {
                switch error {
                case .noIdentity, .noKey: throw Refusal(.unknownName, "no-key", error.description)
                case .crypto: throw Refusal(.inputOutput, "cannot-seal", error.description)
                }
            }
        }
    }

    /// `message.pack`, but for the work.
    package func draft(
        from sender: Identity, to receiver: ID, type: ContentType, members: JSONObject, sn: Int64, attach: Bool
    ) -> Draft {
        Draft(
            content: Content(type: type, sn: sn, time: time, members), sender: sender.id, receiver: receiver,
            attach: attach, snapshot: Snapshot(of: facebook, identities: [sender], peer: receiver))
    }

    /// One ReliableMessage, at once.
    package func pack(
        from sender: Identity, to receiver: ID, type: ContentType, members: JSONObject, sn: Int64, attach: Bool
    ) throws(Refusal) -> JSON {
        try draft(from: sender, to: receiver, type: type, members: members, sn: sn, attach: attach).packed()
    }

    /// A message to be opened: with all that it needs, so that any thread can do it.
    package struct OpenRequest: Sendable {
        let message: ReliableMessage
        let owner: Identity
        let snapshot: Snapshot
        /// The sender is known to seal what it writes.
        let isCulver: Bool

        /// What the message says, or at which stage it is refused and why. A private-key operation.
        package func opened() -> JSON {
            do throws(Rejection) {
                return try read()
            } catch {
                return FileOperations.refused(error)
            }
        }
    }

    package enum Opening: Sendable {
        case request(OpenRequest)
        /// Refused at once: the answer.
        case refused(JSON)
    }

    /// `message.open`, but for the work.
    package func opening(_ wire: JSON) -> Opening {
        do throws(Rejection) {
            let message =
                if let text = wire.string { try ReliableMessage(parsing: Array(text.utf8)) } else {
                    try ReliableMessage(wire)
                }
            let (sender, receiver) = (message.envelope.sender, message.envelope.receiver)
            let isShared = receiver.isGroup || receiver.isBroadcast
            guard let owner = facebook.identity(receiver.address) ?? (isShared ? facebook.identities.first : nil) else {
                throw Rejection(.receiver, "the message is for somebody else")
            }
            return .request(
                OpenRequest(
                    message: message, owner: owner,
                    snapshot: Snapshot(of: facebook, identities: facebook.identities, peer: sender),
                    isCulver: facebook.contact(sender.address)?.isCulver == true))
        } catch {
            return .refused(Self.refused(error))
        }
    }

    /// What a message says, or at which stage it is refused and why. Changes no pin, digest or contact.
    package func open(_ wire: JSON) -> JSON {
        switch opening(wire) {
        case .request(let request): request.opened()
        case .refused(let answer): answer
        }
    }

    fileprivate static func refused(_ rejection: Rejection) -> JSON {
        ["refused": .string(rejection.stage.rawValue), "reason": .string(rejection.reason)]
    }
}

extension FileOperations.OpenRequest {
    private func read() throws(Rejection) -> JSON {
        let (instant, isSealed) = try Transceiver(barrack: snapshot).verifyDecrypt(message, as: owner)
        if !isSealed, !instant.envelope.isBroadcast, isCulver {
            throw Rejection(.seal, "a message without seal of a peer that seals")
        }
        var object: JSONObject = [
            "sender": .string(instant.envelope.sender.text), "receiver": .string(instant.envelope.receiver.text),
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
