import Crypto
package import DIMP
import Format

/// The seed's KeyStore: symmetric keys that are used again, by direction, as flat files (culver.conf(5) and extensions.md 2).
///
///     keys/<sender>/<receiver>.json: {"sending": {"key", "wrapped", "for", "born", "uses"},
///                                     "received": [{"key", "digest", "born", "uses"}]}
///
/// Files are written when a key begins and every hundred uses, with the uses rounded up: after a power cut a key may
/// end early, never late.
package final class KeyStore: KeyCache {
    private let directory: StateDirectory
    private var pairs: [Pair: Keys] = [:]
    private var changes: [FileChange] = []
    /// Seconds lived now; set by the loop before each turn.
    package var lived = 0.0

    private struct Pair: Hashable {
        var sender: Address
        var receiver: Address
        var file: String { StatePath.key(sender: sender.text, receiver: receiver.text) }
    }

    private struct Keys {
        var sending: ReusedKey?
        var received: [Received] = []
    }

    private struct Received {
        var key: SymmetricKey
        var digest: [UInt8]
        var born: Double
        var uses: Int
    }

    /// A peer whose key changes more often than this wraps anew anyway.
    private static let receivedLimit = 4

    package init(_ directory: StateDirectory) {
        self.directory = directory
    }

    // MARK: - KeyCache

    package func sendingKey(from sender: ID, to receiver: ID) -> ReusedKey? {
        let pair = Pair(sender: sender.address, receiver: receiver.address)
        guard let key = keys(pair).sending, isAlive(born: key.born, uses: key.uses) else { return nil }
        return key
    }

    package func receivedKey(from sender: ID, to target: ID, wrapping digest: [UInt8]) -> SymmetricKey? {
        let pair = Pair(sender: sender.address, receiver: target.address)
        return keys(pair).received.first { $0.digest == digest && isAlive(born: $0.born, uses: $0.uses) }?.key
    }

    private func isAlive(born: Double, uses: Int) -> Bool {
        lived < born + ProtocolLimits.reusedKeyLife && uses < ProtocolLimits.reusedKeyUses
    }

    // MARK: - Learning

    package func put(_ key: ReusedKey, from sender: ID, to receiver: ID) {
        change(Pair(sender: sender.address, receiver: receiver.address), isSaved: true) { $0.sending = key }
    }

    package func put(_ key: SymmetricKey, from sender: ID, to target: ID, wrapping digest: [UInt8]) {
        let lived = lived
        change(Pair(sender: sender.address, receiver: target.address), isSaved: true) { keys in
            keys.received.insert(Received(key: key, digest: digest, born: lived, uses: 1), at: 0)
            keys.received = Array(keys.received.prefix(Self.receivedLimit))
        }
    }

    package func useSending(from sender: ID, to receiver: ID) {
        let pair = Pair(sender: sender.address, receiver: receiver.address)
        let uses = (keys(pair).sending?.uses ?? 0) + 1
        change(pair, isSaved: uses % 100 == 0) { $0.sending?.uses = uses }
    }

    package func useReceived(from sender: ID, to target: ID, wrapping digest: [UInt8]) {
        let pair = Pair(sender: sender.address, receiver: target.address)
        guard let index = keys(pair).received.firstIndex(where: { $0.digest == digest }) else { return }
        let uses = keys(pair).received[index].uses + 1
        change(pair, isSaved: uses % 100 == 0) { $0.received[index].uses = uses }
    }

    /// All keys from and to this entity.
    package func forget(_ address: Address, owners: [Address]) {
        for owner in owners {
            for pair in [Pair(sender: address, receiver: owner), Pair(sender: owner, receiver: address)] {
                pairs[pair] = Keys()
                changes.append(.remove(pair.file))
            }
        }
    }

    /// All keys from and to one of our own: its keys were changed, or it is gone.
    package func forgetOwn(_ address: Address) {
        let own = address.text
        var found = Set(pairs.keys.filter { $0.sender == address || $0.receiver == address })
        for sender in (try? directory.list(StatePath.keys)) ?? [] {
            guard let other = Address(sender) else { continue }
            for name in (try? directory.list("\(StatePath.keys)/\(sender)")) ?? [] where name.hasSuffix(".json") {
                guard let receiver = Address(String(name.dropLast(5))), sender == own || receiver == address else {
                    continue
                }
                found.insert(Pair(sender: other, receiver: receiver))
            }
        }
        for pair in found {
            pairs[pair] = Keys()
            changes.append(.remove(pair.file))
        }
        changes.append(.removeAll("\(StatePath.keys)/\(own)"))
    }

    // MARK: - Files

    package var hasChanges: Bool { !changes.isEmpty }

    package func takeChanges() -> [FileChange] {
        defer { changes = [] }
        return changes
    }

    package func reload() {
        changes = []
        pairs = [:]
    }

    private func change(_ pair: Pair, isSaved: Bool, _ body: (inout Keys) -> Void) {
        var keys = keys(pair)
        body(&keys)
        pairs[pair] = keys
        if isSaved { changes.append(.write(Self.json(keys).bytes, to: pair.file, mode: 0o600)) }
    }

    private func keys(_ pair: Pair) -> Keys {
        if let known = pairs[pair] { return known }
        if pairs.count > 512, changes.isEmpty { pairs = [:] }
        let keys = (try? directory.json(pair.file)).flatMap(Self.keys) ?? Keys()
        pairs[pair] = keys
        return keys
    }

    private static func json(_ keys: Keys) -> JSON {
        var object: JSONObject = [:]
        if let key = keys.sending {
            object["sending"] = [
                "key": key.key.json(), "wrapped": .string(Base64.encode(key.wrapped)),
                "for": .string(Base64.encode(key.wrappedFor)), "born": .number(key.born), "uses": roundedUp(key.uses),
            ]
        }
        object["received"] = .array(
            keys.received.map {
                [
                    "key": $0.key.json(), "digest": .string(Base64.encode($0.digest)), "born": .number($0.born),
                    "uses": roundedUp($0.uses),
                ]
            })
        return .object(object)
    }

    private static func roundedUp(_ uses: Int) -> JSON { .integer(Int64((uses / 100 + 1) * 100)) }

    private static func keys(_ json: JSON) -> Keys {
        var keys = Keys()
        if let object = json["sending"], let key = object["key"].flatMap({ try? SymmetricKey($0) }),
            let wrapped = object["wrapped"]?.string.flatMap(Base64.decode),
            let wrappedFor = object["for"]?.string.flatMap(Base64.decode), let born = object["born"]?.double,
            let uses = object["uses"]?.integer
        {
            keys.sending = ReusedKey(
                key: key, wrapped: wrapped, wrappedFor: wrappedFor, born: born, uses: Int(clamping: uses))
        }
        for object in json["received"]?.array ?? [] {
            guard let key = object["key"].flatMap({ try? SymmetricKey($0) }),
                let digest = object["digest"]?.string.flatMap(Base64.decode), let born = object["born"]?.double,
                let uses = object["uses"]?.integer
            else { continue }
            keys.received.append(Received(key: key, digest: digest, born: born, uses: Int(clamping: uses)))
        }
        return keys
    }
}
