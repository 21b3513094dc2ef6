import Crypto
package import Format

/// One line of the audit of calls: what was asked of this board, and what became of it. Each line has the hash of the one
/// before it, so that none can be altered, taken out or put in without breaking the chain after it.
///
///     HASH {"n": 7, "prev": HASH of the line before, "time": …, …}
///
/// HASH is the SHA-256 of the JSON text as it stands there, in hex: `sha256sum` can check it.
package struct AuditLine: Sendable, Equatable {
    package let number: Int64
    package let previous: String
    package let hash: String
    /// Without the end of the line.
    package let text: String

    /// What stands before the first line.
    package static let beginning = String(repeating: "0", count: 64)

    /// The line after this one.
    package init(_ members: JSONObject, after last: AuditLine?) {
        number = (last?.number ?? 0) + 1
        previous = last?.hash ?? Self.beginning
        var object: JSONObject = ["n": .integer(number), "prev": .string(previous)]
        for (name, value) in members.members { object[name] = value }
        let json = JSON.object(object).bytes
        hash = Hex.encode(Digest.sha256(json))
        text = "\(hash) " + String(decoding: json, as: UTF8.self)
    }

    /// More lines than there will ever be; beyond it JSON's numbers are not exact for everybody.
    private static let most: Int64 = 1 << 53

    /// `nil` for a text that is no line or does not have its own hash.
    package init?(_ text: String) {
        let parts = text.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, Hex.encode(Digest.sha256(Array(parts[1].utf8))) == parts[0],
            let json = try? JSON(parsing: String(parts[1])), let number = json["n"]?.integer,
            1...Self.most ~= number, let previous = json["prev"]?.string
        else { return nil }
        (self.number, self.previous, hash, self.text) = (number, previous, String(parts[0]), text)
    }

    package func follows(_ last: AuditLine) -> Bool { number == last.number &+ 1 && previous == last.hash }
}
