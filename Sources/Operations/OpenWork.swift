import DIMP
package import Format

/// A message to be opened: with all that it needs, so that any thread can do it.
package struct OpenWork: Sendable {
    let message: AddressedMessage
    let owner: Identity
    let excerpt: BarrackExcerpt
    /// The sender is known to seal what it writes.
    let isCulver: Bool

    /// The answer of `message.open`: what the message says, or at which stage it is refused and why. Changes no pin,
    /// digest or contact. A private-key operation.
    package func opened() -> JSON {
        do throws(Rejection) {
            return try read()
        } catch {
            return Self.refused(error)
        }
    }

    static func refused(_ rejection: Rejection) -> JSON {
        ["refused": .string(rejection.stage.rawValue), "reason": .string(rejection.reason)]
    }

    /// The steps from the meta to the seal. Not the time: a message that somebody kept may be as old as it likes.
    private func read() throws(Rejection) -> JSON {
        let opened = try Transceiver(barrack: excerpt).opened(message, with: owner.decryptionKeys)
        let isSealed = try opened.checkSeal(isRequired: isCulver)
        let content = opened.content
        var object: JSONObject = [
            "sender": .string(opened.provenSender.text), "receiver": .string(opened.provenReceiver.text),
        ]
        if let group = opened.provenGroup { object["group"] = .string(group.text) }
        object["time"] = .number(content.time ?? 0)
        object["content"] = .object(content.json)
        object["sealed"] = .bool(isSealed)
        object["encrypted"] = .bool(opened.isEncrypted)
        var attached: [JSON] = []
        if message.hasMeta { attached.append("meta") }
        if message.message.visa != nil { attached.append("visa") }
        object["attached"] = .array(attached)
        return .object(object)
    }
}
