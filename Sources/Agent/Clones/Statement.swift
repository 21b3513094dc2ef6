package import Crypto
package import DIMP
import Format

/// A signed word about one of our starts: that we are there, or gone (extensions.md 1). A hint for people, never a
/// condition of delivery; and how two boards with the same keys learn of each other. Signed for its own purpose, so
/// that it passes for nothing else.
///
///     {"data": '{"signed":"state","did":…,"state":"online","at":…,"boot":…,"with"?:[…],"answers"?:BOOT}', "signature"}
///
/// `answers` names another start whose statement was seen. That start's `boot` was random, so such an answer was written
/// after it had begun: nobody can have kept it from before.
package struct Statement: Sendable, Equatable {
    package var isOnline: Bool
    /// When the start began, in seconds since 1970. All statements of a start say the same.
    package var at: Double
    /// Random for each start.
    package var boot: String
    package var answers: String?

    package init(isOnline: Bool, at: Double, boot: String, answers: String? = nil) {
        self.isOnline = isOnline
        self.at = at
        self.boot = boot
        self.answers = answers
    }

    /// As this identity signed it; `nil` for anything else.
    package init?(_ bytes: [UInt8], by identity: Identity) {
        self.init(bytes, by: identity.id, meta: identity.meta)
    }

    /// As an entity with this meta signed it; `nil` for anything else.
    init?(_ bytes: [UInt8], by signer: ID, meta: Meta) {
        guard let json = try? JSON(parsing: bytes), let text = json["data"]?.string,
            let signature = json["signature"]?.string.flatMap(Base64.decode), let data = try? JSON(parsing: text),
            data["signed"]?.string == "state", data["did"]?.string == signer.bare.text,
            let state = data["state"]?.string, ["online", "gone"].contains(state),
            let at = data["at"]?.seconds, let boot = data["boot"]?.string, !boot.isEmpty,
            meta.key.verifies(signature, of: Array(text.utf8))
        else { return nil }
        self.init(isOnline: state == "online", at: at, boot: boot, answers: data["answers"]?.string)
    }

    /// A private-key operation. `others`: further identities of this board.
    package func signed(by identity: Identity, with others: [Identity]) throws(CryptoError) -> [UInt8] {
        var data: JSONObject = [
            "signed": "state", "did": .string(identity.id.bare.text), "state": isOnline ? "online" : "gone",
            "at": .number(at), "boot": .string(boot),
        ]
        if !others.isEmpty { data["with"] = .array(others.map { .string($0.id.bare.text) }) }
        if let answers { data["answers"] = .string(answers) }
        let text = JSON.object(data).text
        let signature = try identity.secret.sign(Array(text.utf8))
        let statement: JSON = ["data": .string(text), "signature": .string(Base64.encode(signature))]
        return statement.bytes
    }
}
