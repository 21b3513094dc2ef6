package import Format

/// What a message says: the JSON object inside the ciphertext, in full names, and its meaning (wire.md 7).
public struct Content: Sendable, Equatable {
    package var json: JSONObject
    package let type: Int64
    package let body: Body

    /// Full or short names, every era. Refuses only what is no content at all: no object, no readable `type`. A
    /// known type with strange members is `opaque`, so that nothing is lost between us and a newer peer.
    package init(_ json: JSON) throws(Rejection) {
        guard let short = json.object else { throw Rejection(.content, "the content is no object") }
        let object = Self.full(short)
        guard let type = object["type"].flatMap({ Self.type($0) ?? Self.typeOfOtherWord($0, in: object) }) else {
            throw Rejection(.content, "the content has no readable type")
        }
        self.json = object
        self.type = type
        body = Body(type: type, object)
    }

    /// A content of ours: `time` in seconds since 1970 is written whole, as every era reads it.
    package init(type: ContentType, sn: Int64, time: Double, group: ID? = nil, _ members: JSONObject) {
        var object: [(String, JSON)] = [
            ("type", .integer(type.rawValue)), ("sn", .integer(sn)), ("time", .integer(Int64(wholeSeconds: time))),
        ]
        object.reserveCapacity(4 + members.count)
        if let group { object.append(("group", .string(group.bare.text))) }
        for (name, value) in members.members { object.append((name, value)) }
        json = JSONObject(object)
        self.type = type.rawValue
        body = Body(type: type.rawValue, json)
    }

    /// A text. `time` in seconds since 1970; `sn` is any number from 1 to 2^31-1 that tells contents of one sender apart.
    public static func text(_ text: String, sn: Int64, time: Double) -> Content {
        Content(type: .text, sn: sn, time: time, ["text": .string(text)])
    }

    /// 1 to 2^32-1 in all eras; 0 when there is none.
    package var sn: Int64 { json["sn"]?.integer ?? json["sn"]?.string.flatMap { Int64($0) } ?? 0 }
    /// Seconds since 1970; `nil` when there is none that can be read.
    package var time: Double? { json.seconds("time") }
    package var group: ID? { json.id("group") }
    /// When its sender gives it up, in seconds since 1970 (extensions.md 3); `nil` when it says nothing of it.
    package var expiry: Double? { json["seq"]?["expires"]?.double.flatMap { (1...1e11).contains($0) ? $0 : nil } }

    /// Several contents of one sender for one receiver that share a message (extensions.md 2); `nil` for anything else.
    package var batched: [JSON]? {
        guard case .array(let contents) = body, json["batch"]?.bool == true else { return nil }
        return contents
    }

    /// Its sender wants a signed receipt, which proves to others that it was taken; or the sender of one of several that
    /// share this message does (extensions.md 3).
    package var wantsSignedReceipt: Bool {
        Self.wantsSignedReceipt(json["seq"]) || batched?.contains { Self.wantsSignedReceipt($0["seq"]) } == true
    }

    private static func wantsSignedReceipt(_ sequence: JSON?) -> Bool { sequence?["receipt"]?.string == "signed" }

    /// Asks for its receipt and for nothing else (extensions.md 5).
    package var isPing: Bool {
        if case .customized("culver", "ping", _) = body { true } else { false }
    }

    /// What the sender of a receipt says that it runs (extensions.md 5).
    package var agent: String? { json["agent"]?.string }

    /// Whether it may share a message with others: what only carries others or is about them travels alone.
    package var mayShareMessage: Bool {
        switch body {
        case .array, .forward, .command, .history: false
        case .text, .file, .page, .card, .quote, .money, .transfer, .customized, .combine, .opaque: true
        }
    }

    /// A broadcast is a signature over JSON text, as documents and culver's statements are, by the same key: it must be
    /// able to be nothing else (extensions.md 3). Bare Python and JavaScript write their numbers as text.
    func checkBroadcast() throws(Rejection) {
        guard Self.isNumeric(json["type"]), Self.isNumeric(json["sn"]), json["signed"] == nil else {
            throw Rejection(.content, "a broadcast has a numeric type and serial number")
        }
    }

    /// A number, or decimal digits and nothing else.
    private static func isNumeric(_ json: JSON?) -> Bool {
        guard let text = json?.string?.utf8 else { return json?.double != nil }
        return !text.isEmpty && text.allSatisfy { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
    }

    /// A content type as a number, as decimal digits, or under the name that some applications write.
    package static func type(_ json: JSON) -> Int64? {
        if let number = json.integer { return number }
        guard let text = json.string else { return nil }
        return Int64(text) ?? ContentType(name: text)?.rawValue
    }

    /// Any other word, such as the `*` of Python 2.5, says a content of no table, which is `opaque`. JavaScript calls its
    /// quotes `receipt`.
    private static func typeOfOtherWord(_ json: JSON, in object: JSONObject) -> Int64? {
        guard let word = json.string, !word.isEmpty else { return nil }
        let isQuote = word == "receipt" && object["origin"] != nil && object.first("command", "cmd") == nil
        return (isQuote ? ContentType.quote : .any).rawValue
    }

    /// The one-letter names that a stock 2.3 writes (wire.md 7.6). A content with a `type` is written in full: its
    /// one-letter names are its own. Where both are there, the full one counts.
    private static func full(_ object: JSONObject) -> JSONObject {
        guard object["type"] == nil, object["T"] != nil else { return object }
        return JSONObject(
            distinct: object.members.compactMap { member in
                guard let long = names[member.name] else { return member }
                return object[long] == nil ? (long, member.value) : nil
            })
    }

    private static let names = ["T": "type", "N": "sn", "W": "time", "G": "group", "C": "command"]
}
