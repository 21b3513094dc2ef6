import Crypto
import Format

/// The word of a receiver that it has taken messages, which costs no private key (extensions.md 5): only the two that
/// hold the message key can make it, and it proves nothing to anybody else. One JSON object:
///
///     {"v": 1, "from": ADDRESS, "to": ADDRESS, "at": T, "visa"?: T, "agent"?: TEXT,
///      "digests": [base64(SHA-256(ciphertext)), …], "mac": base64}
///
/// `from` has taken the messages and `to` has sent them. `mac` covers the bytes before it as they travel.
package struct Acknowledgement: Sendable {
    package let from: Address
    package let to: Address
    /// When it was made, in seconds since 1970. For people: what it says does not become untrue.
    package let time: Double
    /// The time of the visa of `to` that `from` has, in seconds since 1970; `nil` when it does not say.
    package let visaTime: Double?
    /// The program of `from`, if it answers a ping: anything, if `isMade(with:)` does not say that it is true.
    package let agent: String?
    /// What it names, each once: at least one and at most `ProtocolLimits.acknowledgedTogether`.
    package let digests: [[UInt8]]
    /// The bytes up to the comma before the member `mac`.
    private let covered: [UInt8]
    private let mac: [UInt8]

    /// What a receiver says of messages under one key; `nil` for a key that is none. The times are in seconds since 1970.
    package init?(
        of digests: [[UInt8]], from: Address, to: Address, at time: Double, knowing visaTime: Double? = nil,
        saying agent: String? = nil, under key: SymmetricKey
    ) {
        guard case .aes(let secret, _) = key else { return nil }
        var object: JSONObject = [
            "v": 1, "from": .string(from.text), "to": .string(to.text), "at": .integer(Int64(wholeSeconds: time)),
        ]
        if let visaTime { object["visa"] = .number(visaTime) }
        if let agent { object["agent"] = .string(agent) }
        object["digests"] = .array(digests.map { .string(Base64.encode($0)) })
        self.from = from
        self.to = to
        self.time = time
        self.visaTime = visaTime
        self.agent = agent
        self.digests = digests
        covered = JSON.object(object).bytes.dropLast()
        mac = HMAC.sha256(covered, key: Self.key(from: from, to: to, secret: secret))
    }

    /// As it travels.
    package var bytes: [UInt8] {
        covered + Array(Self.beforeMAC.utf8) + Array(Base64.encode(mac).utf8) + Array(Self.afterMAC.utf8)
    }

    /// Reads one that anybody may have written; whether it is true says `isMade(with:)`.
    package init(parsing bytes: [UInt8]) throws(Rejection) {
        guard bytes.count <= ProtocolLimits.acknowledgementBytes else {
            throw Rejection(.parse, "an acknowledgement of more than \(ProtocolLimits.acknowledgementBytes) bytes")
        }
        let tail = Self.beforeMAC.utf8.count + Self.macText + Self.afterMAC.utf8.count
        let end = Array(bytes.suffix(tail))
        guard bytes.count > tail, end.starts(with: Self.beforeMAC.utf8), end.suffix(2).elementsEqual(Self.afterMAC.utf8)
        else { throw Rejection(.parse, "an acknowledgement does not end with its mac") }
        let object: JSONObject?
        do throws(JSONError) {
            object = try JSON(parsing: bytes, limits: JSONLimits(depth: 2, values: 128)).object
        } catch {
            throw Rejection(.parse, "an acknowledgement cannot be read: \(error)")
        }
        guard let object, object["v"]?.integer == 1 else {
            throw Rejection(.parse, "an acknowledgement of another version")
        }
        guard let from = object["from"]?.string.flatMap(Address.init),
            let to = object["to"]?.string.flatMap(Address.init)
        else { throw Rejection(.parse, "an acknowledgement names no two addresses") }
        guard let time = object["at"]?.seconds else { throw Rejection(.parse, "an acknowledgement has no time") }
        guard let mac = object["mac"]?.string.flatMap(Base64.decode), mac.count == 32 else {
            throw Rejection(.parse, "an acknowledgement has no mac")
        }
        self.from = from
        self.to = to
        self.time = time
        visaTime = object["visa"]?.seconds
        agent = object["agent"]?.string
        self.mac = mac
        digests = try Self.digests(object["digests"])
        covered = bytes.dropLast(tail)
    }

    private static func digests(_ json: JSON?) throws(Rejection) -> [[UInt8]] {
        guard let texts = json?.array, 1...ProtocolLimits.acknowledgedTogether ~= texts.count else {
            throw Rejection(.parse, "an acknowledgement names 1 to \(ProtocolLimits.acknowledgedTogether) digests")
        }
        let digests = texts.compactMap { $0.string.flatMap(Base64.decode) }
        guard digests.count == texts.count, digests.allSatisfy({ $0.count == 32 }) else {
            throw Rejection(.parse, "an acknowledgement names what is no digest")
        }
        guard Set(digests).count == digests.count else {
            throw Rejection(.parse, "an acknowledgement names a digest twice")
        }
        return digests
    }

    /// Whether somebody who holds this message key made it, for these two in this direction.
    package func isMade(with key: SymmetricKey) -> Bool {
        guard case .aes(let secret, _) = key else { return false }
        return HMAC.isValid(mac, of: covered, key: Self.key(from: from, to: to, secret: secret))
    }

    /// Each direction has its own: what one of the two said is not said by the other.
    private static func key(from: Address, to: Address, secret: SecretBytes) -> SecretBytes {
        HKDF.sha256(secret, info: Array("culver ack \(from) \(to)".utf8))
    }

    private static let beforeMAC = ",\"mac\":\""
    private static let afterMAC = "\"}"
    /// Characters of 32 bytes in Base64.
    private static let macText = 44
}
