import DIMP
import Format
import Records

/// A content of the module `mqtt` as it came, with who sent it (extensions.md 12).
///
///     {"type": 204, "app": "culver", "mod": "mqtt", "act": TOPIC, "text": TEXT or "payload": base64, "qos": 1,
///      "retain": false, "via": [ADDRESS, …]}
struct BridgeContent {
    static let module = "mqtt"
    /// Boards that a message may have come through.
    private static let hops = 8

    var object: JSONObject
    var sender: ID
    var isSealed: Bool

    /// `nil` for every other content.
    init?(_ content: Content, in opened: Opened) {
        guard content.json.culverModule == Self.module, !opened.arrival.isForAll else { return nil }
        object = content.json
        sender = opened.sender.bare
        isSealed = opened.isSealed && opened.isEncrypted
    }

    /// `own`: whether an address is of this board.
    func message(own: (Address) -> Bool) throws(Rejection) -> LocalMessage {
        guard isSealed else { throw Rejection(.content, "a message of a bridge that is not sealed") }
        guard let topic = object["act"]?.string, Self.isTopic(topic) else {
            throw Rejection(.content, "a message of a bridge without a topic")
        }
        let payload: [UInt8]
        switch (object["text"], object["payload"]) {
        case (.string(let text)?, nil): payload = Array(text.utf8)
        case (nil, .string(let text)?):
            guard let bytes = Base64.decode(text) else {
                throw Rejection(.content, "a message of a bridge whose payload is no Base64")
            }
            payload = bytes
        default: throw Rejection(.content, "a message of a bridge without a payload")
        }
        guard payload.count <= LocalMessage.payloadLimit else {
            throw Rejection(.content, "a message of a bridge that is too large")
        }
        let via = object["via"]?.array ?? []
        guard via.count <= Self.hops else { throw Rejection(.content, "a message of a bridge that came too far") }
        guard !via.contains(where: { $0.string.flatMap(Address.init).map(own) ?? false }) else {
            throw Rejection(.content, "a message of a bridge that comes back")
        }
        return LocalMessage(
            topic: topic, payload: payload, qos: min(max(object["qos"]?.integer ?? 1, 0), 2),
            isRetained: object["retain"]?.bool ?? false)
    }

    static func isTopic(_ text: String) -> Bool {
        (1...LocalMessage.topicLimit).contains(text.utf8.count)
            && !text.utf8.contains { $0 == 0 || $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "#") }
    }

    /// What the content says besides its kind. `sender`: the board that it comes through first.
    static func members(of message: BridgedMessage, sender: Address) -> JSONObject {
        var members: JSONObject = [
            "app": "culver", "mod": .string(module), "act": .string(message.topic),
            "qos": .integer(message.qos), "retain": .bool(message.isRetained), "via": [.string(sender.text)],
        ]
        if let text = text(of: message.payload) {
            members["text"] = .string(text)
        } else {
            members["payload"] = .string(Base64.encode(message.payload))
        }
        return members
    }

    /// Control characters take six bytes each in JSON.
    private static func text(of payload: [UInt8]) -> String? {
        guard payload.allSatisfy({ $0 >= 0x20 && $0 != 0x7f || $0 == 9 || $0 == 10 || $0 == 13 }) else { return nil }
        return String(validating: payload, as: UTF8.self)
    }
}
