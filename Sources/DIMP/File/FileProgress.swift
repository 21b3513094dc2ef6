import Crypto
import Format

/// What the receiver of a file says of it on its sender's topic `ack` (extensions.md 10), as one JSON object:
///
///     {"v": 1, "file": ID, "from": ADDRESS, "to": ADDRESS, "at": T, "state": "more" or "whole" or "refused",
///      "asks"?: true, "reason"?: WORD, "have": [[first, last], …], "mac": base64}
///
/// `from` receives the file and `to` sends it; `have` are pieces on its disk, the first 64 ranges. `asks`: what is not among
/// them is wanted again. `mac` is as in an acknowledgement (extensions.md 5), under a key made of the file's.
package struct FileProgress: Sendable {
    package enum State: String, Sendable {
        case more, whole, refused
    }

    package let id: String
    package let from: Address
    package let to: Address
    package let state: State
    package let asks: Bool
    /// Why it is refused: a word for programs.
    package let reason: String?
    /// Each first and last, in order and as they were written: nothing says that the file has so many.
    package let have: [ClosedRange<Int>]
    private let covered: [UInt8]
    private let mac: [UInt8]

    /// What `from` says of a file that `to` sends it. `time`: seconds since 1970.
    package init(
        of offer: FileOffer, from: Address, to: Address, at time: Double, _ state: State, have: PieceSet,
        asks: Bool = false, reason: String? = nil
    ) {
        (id, self.from, self.to, self.state, self.asks) = (offer.id, from, to, state, asks)
        self.reason = reason
        self.have = have.ranges(limit: ProtocolLimits.pieceRanges)
        var object: JSONObject = [
            "v": 1, "file": .string(id), "from": .string(from.text), "to": .string(to.text),
            "at": .integer(Int64(wholeSeconds: time)), "state": .string(state.rawValue),
        ]
        if asks { object["asks"] = true }
        if let reason { object["reason"] = .string(reason) }
        object["have"] = .array(
            self.have.map { [.integer(Int64($0.lowerBound)), .integer(Int64($0.upperBound))] })
        covered = JSON.object(object).bytes.dropLast()
        mac = HMAC.sha256(covered, key: Self.key(of: offer, from: from, to: to))
    }

    /// As it travels.
    package var bytes: [UInt8] {
        covered + Array(Self.beforeMAC.utf8) + Array(Base64.encode(mac).utf8) + Array(Self.afterMAC.utf8)
    }

    /// Whether bytes on a topic `ack` are to be read as this, and not as an acknowledgement of messages.
    package static func isOne(_ bytes: [UInt8]) -> Bool { bytes.starts(with: "{\"v\":1,\"file\":".utf8) }

    /// Reads one that anybody may have written; whether it is true says `isMade(for:)`.
    package init(parsing bytes: [UInt8]) throws(Rejection) {
        let tail = Self.beforeMAC.utf8.count + Self.macText + Self.afterMAC.utf8.count
        let end = Array(bytes.suffix(tail))
        guard bytes.count <= ProtocolLimits.acknowledgementBytes, bytes.count > tail,
            end.starts(with: Self.beforeMAC.utf8), end.suffix(2).elementsEqual(Self.afterMAC.utf8),
            let object = (try? JSON(parsing: bytes, limits: JSONLimits(depth: 3, values: 256)))?.object
        else { throw Rejection(.parse, "a word about a file cannot be read") }
        guard let id = object["file"]?.string, FileOffer.isID(id),
            let from = object["from"]?.string.flatMap(Address.init),
            let to = object["to"]?.string.flatMap(Address.init),
            let state = object["state"]?.string.flatMap(State.init),
            let mac = object["mac"]?.string.flatMap(Base64.decode), mac.count == 32,
            let have = object["have"]?.array.flatMap(Self.ranges)
        else { throw Rejection(.parse, "a word about a file has not all that it needs") }
        (self.id, self.from, self.to, self.state, self.have, self.mac) = (id, from, to, state, have, mac)
        asks = object["asks"]?.bool ?? false
        reason = object["reason"]?.string.map { String($0.unicodeScalars.prefix(64)) }
        covered = bytes.dropLast(tail)
    }

    private static func ranges(_ list: [JSON]) -> [ClosedRange<Int>]? {
        guard list.count <= ProtocolLimits.pieceRanges else { return nil }
        let limit = Int64(ProtocolLimits.pieces)
        let ranges = list.compactMap { json -> ClosedRange<Int>? in
            guard let pair = json.array, pair.count == 2, let first = pair[0].integer, let last = pair[1].integer,
                0 <= first, first <= last, last < limit
            else { return nil }
            return Int(first)...Int(last)
        }
        return ranges.count == list.count ? ranges : nil
    }

    /// Whether the two that hold this file's key made it, in this direction.
    package func isMade(for offer: FileOffer) -> Bool {
        HMAC.isValid(mac, of: covered, key: Self.key(of: offer, from: from, to: to))
    }

    private static func key(of offer: FileOffer, from: Address, to: Address) -> SecretBytes {
        HKDF.sha256(offer.key, info: Array("culver file ack \(offer.id) \(from) \(to)".utf8))
    }

    private static let beforeMAC = ",\"mac\":\""
    private static let afterMAC = "\"}"
    /// Characters of 32 bytes in Base64.
    private static let macText = 44
}
