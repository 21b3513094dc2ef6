import Crypto
import Format
import Synchronization

/// The part of an ID that proves itself: a hash of the meta, with check bytes (wire.md 2.3 to 2.5).
///
/// Its text is safe as a file name and as a level of an MQTT topic.
public struct Address: Hashable, Sendable, CustomStringConvertible {
    public let text: String
    package let kind: Kind

    package enum Kind: Hashable, Sendable {
        case btc(network: UInt8)
        case eth
        /// The literal `anywhere` (a user) or `everywhere` (a group).
        case broadcast(isGroup: Bool)
    }

    /// `nil` unless the check bytes are right. ETH addresses must be spelled as EIP-55 spells them, so that one
    /// address has one text.
    public init?(_ text: String) {
        #if DEBUG
        Effort.counted?.add(1)
        #endif
        switch text.utf8.count {
        case 26...35:
            let name = Array(text.utf8)
            if let known = checkedAddresses[name] {
                self = known
                return
            }
            guard let bytes = Base58.decode(text), bytes.count == 25, Self.code(of: bytes.prefix(21)) == bytes.suffix(4)
            else { return nil }
            kind = .btc(network: bytes[0])
            self.text = text
            checkedAddresses.add(self, under: name)
        case 42:
            guard text.utf8.starts(with: "0x".utf8), let hash = Hex.decode(text.dropFirst(2)),
                Self.spelled(hash) == text
            else { return nil }
            kind = .eth
            self.text = text
        case 8, 10:
            switch text.lowercased() {
            case "anywhere": self = .anywhere
            case "everywhere": self = .everywhere
            default: return nil
            }
        default:
            return nil
        }
    }

    private init(_ text: String, _ kind: Kind) {
        self.text = text
        self.kind = kind
    }

    package static let anywhere = Address("anywhere", .broadcast(isGroup: false))
    package static let everywhere = Address("everywhere", .broadcast(isGroup: true))

    /// BTC-style, of a meta's fingerprint or key data.
    package static func btc(network: UInt8, of fingerprint: [UInt8]) -> Address {
        let body = [network] + hash(of: fingerprint)
        return Address(Base58.encode(body + code(of: body[...])), .btc(network: network))
    }

    /// What a BTC-style address of any network is made of: 20 bytes.
    static func hash(of fingerprint: [UInt8]) -> [UInt8] {
        Digest.ripemd160(Digest.sha256(fingerprint))
    }

    /// Whether this is the BTC-style address of that hash on its network.
    func isMade(of hash: [UInt8]) -> Bool {
        guard case .btc = kind else { return false }
        return Base58.decode(text)?[1..<21].elementsEqual(hash) ?? false
    }

    /// ETH-style, of an uncompressed point: 65 bytes with the leading 4.
    package static func eth(ofPoint point: [UInt8]) -> Address {
        Address(spelled(Digest.keccak256(Array(point.dropFirst())).suffix(20)), .eth)
    }

    package var isBroadcast: Bool {
        if case .broadcast = kind { true } else { false }
    }

    package var isGroup: Bool {
        switch kind {
        case .btc(let network): Self.isGroup(network)
        case .eth: false
        case .broadcast(let isGroup): isGroup
        }
    }

    package var type: EntityType {
        switch kind {
        case .btc(let network): EntityType(network: network)
        case .eth: .user
        case .broadcast(let isGroup): isGroup ? .group : .user
        }
    }

    /// The search number of 2019: the check bytes, the lowest first (wire.md 2.4). Only BTC-style has one.
    package var number: UInt32? {
        guard case .btc = kind else { return nil }
        return Base58.decode(text)?.suffix(4).reversed().reduce(0) { $0 << 8 | UInt32($1) }
    }

    public var description: String { text }

    /// The test of 2019 for its two group bytes, today's odd bytes otherwise. Never "broadcast" by the byte.
    private static func isGroup(_ network: UInt8) -> Bool {
        network == 16 || network == 48 || network == 118 || (network < 0x80 && network & 1 == 1)
    }

    private static func code(of body: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        Digest.sha256(Digest.sha256(Array(body))).prefix(4)
    }

    /// EIP-55: a letter is upper case where the hash of the lower-case text has a digit of 8 or more.
    private static func spelled(_ hash: some Sequence<UInt8>) -> String {
        let plain = Array(Hex.encode(hash).utf8)
        let marks = Array(Hex.encode(Digest.keccak256(plain)).utf8)
        let digits = zip(plain, marks).map { digit, mark in
            digit >= UInt8(ascii: "a") && mark >= UInt8(ascii: "8") ? digit - 32 : digit
        }
        return "0x" + String(decoding: digits, as: UTF8.self)
    }
}

/// Addresses whose check bytes were found right lately: the same few stand in message after message, and to check one
/// takes two SHA-256.
private let checkedAddresses = CheckedAddresses()

/// The lock protects the table, which threads of the pool ask as well.
private final class CheckedAddresses: Sendable {
    // By bytes: two different texts may be equal as strings.
    private let table = Mutex<[[UInt8]: Address]>([:])
    /// With so many of them it begins anew: some 30 KiB.
    private static let limit = 128

    subscript(text: [UInt8]) -> Address? { table.withLock { $0[text] } }

    func add(_ address: Address, under text: [UInt8]) {
        table.withLock { table in
            if table.count >= Self.limit { table.removeAll(keepingCapacity: true) }
            table[text] = address
        }
    }
}
