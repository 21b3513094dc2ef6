import Crypto
package import DIMP
import Format

/// The seed's KeyStore: symmetric keys that are used again, by direction, as flat files (culver.conf(5) and extensions.md 2).
///
///     keys/<sender>/<receiver>.json: {"sending": {"key", "wrapped", "for", "born", "uses"},
///                                     "received": [{"key", "digest", "born", "uses"}]}
///
/// Files are written when a key begins and every hundred uses, with the uses rounded up: after a power cut a key may
/// end early, never late. A key whose life is over is destroyed, on disk too: after the last use at once, and by time when
/// the owner calls `destroyEnded`.
package final class KeyStore: KeyCache {
    private let directory: StateDirectory
    private var pairs: [Pair: Keys] = [:]
    private var changes: [FileChange] = []
    /// When the first key of each file ends, in seconds lived, as far as the files were looked at.
    private var ends: [Pair: Double] = [:]
    /// The first of them, or `nil` inside without any; `nil` when it has to be looked for.
    private var firstEnd: Double??
    /// Files that were not looked at yet; `nil` before the directories were listed.
    private var unread: [Pair]?
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

    /// A key that says it was born long after now is none of this installation's life.
    private func isAlive(born: Double, uses: Int) -> Bool {
        let age = lived - born
        return age < ProtocolLimits.reusedKeyLife && age > -ProtocolLimits.reusedKeyLife
            && uses < ProtocolLimits.reusedKeyUses
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

    // MARK: - Learning

    package func put(_ key: ReusedKey, from sender: ID, to receiver: ID) {
        change(Pair(sender: sender.address, receiver: receiver.address), isSaved: true) { $0.sending = key }
    }

    package func put(_ key: SymmetricKey, from sender: ID, to target: ID, wrapping digest: [UInt8]) {
        let lived = lived
        change(Pair(sender: sender.address, receiver: target.address), isSaved: true) { keys in
            keys.received.removeAll { $0.digest == digest }
            keys.received.insert(Received(key: key, digest: digest, born: lived, uses: 1), at: 0)
            keys.received = Array(keys.received.prefix(Self.receivedLimit))
        }
    }

    package func useSending(from sender: ID, to receiver: ID) {
        let pair = Pair(sender: sender.address, receiver: receiver.address)
        guard let key = keys(pair).sending else { return }
        let uses = key.uses + 1
        let isOver = !isAlive(born: key.born, uses: uses)
        change(pair, isSaved: isOver || uses % 100 == 0) { keys in
            if isOver { keys.sending = nil } else { keys.sending?.uses = uses }
        }
    }

    package func useReceived(from sender: ID, to target: ID, wrapping digest: [UInt8]) {
        let pair = Pair(sender: sender.address, receiver: target.address)
        guard let index = keys(pair).received.firstIndex(where: { $0.digest == digest }) else { return }
        let key = keys(pair).received[index]
        let uses = key.uses + 1
        let isOver = !isAlive(born: key.born, uses: uses)
        change(pair, isSaved: isOver || uses % 100 == 0) { keys in
            if isOver { keys.received.remove(at: index) } else { keys.received[index].uses = uses }
        }
    }

    // MARK: - The end of a key's life

    /// When `destroyEnded` has something to do next, in seconds lived; `nil`: there is no key. At once after a start, until
    /// all files were looked at.
    package var nextEnd: Double? {
        guard unread?.isEmpty == true else { return -.infinity }
        if let firstEnd { return firstEnd }
        let found = ends.values.min()
        firstEnd = .some(found)
        return found
    }

    /// Destroys what has lived for too long, of the files that were looked at, and looks at some more.
    package func destroyEnded() {
        lookOn()
        for (pair, end) in ends where lived >= end {
            var keys = keys(pair)
            if let key = keys.sending, !isAlive(born: key.born, uses: key.uses) { keys.sending = nil }
            keys.received.removeAll { !isAlive(born: $0.born, uses: $0.uses) }
            change(pair, isSaved: true) { $0 = keys }
        }
    }

    /// At so many files in one turn.
    private static let portion = 64

    /// Files that hold nothing to keep have ended.
    private func lookOn() {
        var files = unread ?? pairsOnDisk()
        for pair in files.suffix(Self.portion) where ends[pair] == nil {
            note(end(of: keys(pair)) ?? -.infinity, of: pair)
        }
        files.removeLast(min(Self.portion, files.count))
        unread = files
    }

    private func note(_ end: Double?, of pair: Pair) {
        let before = ends[pair]
        guard end != before else { return }
        ends[pair] = end
        if let before, before == firstEnd ?? nil { firstEnd = nil }
        if let end, let first = firstEnd { firstEnd = .some(min(first ?? end, end)) }
    }

    /// When the first of these keys ends; `nil` without any.
    private func end(of keys: Keys) -> Double? {
        var lives = keys.received.map { ($0.born, $0.uses) }
        if let key = keys.sending { lives.append((key.born, key.uses)) }
        return lives.map { isAlive(born: $0, uses: $1) ? $0 + ProtocolLimits.reusedKeyLife : -.infinity }.min()
    }

    private func pairsOnDisk() -> [Pair] {
        var found: [Pair] = []
        for sender in (try? directory.list(StatePath.keys)) ?? [] {
            guard let address = Address(sender) else { continue }
            for name in (try? directory.list("\(StatePath.keys)/\(sender)")) ?? [] where name.hasSuffix(".json") {
                guard let receiver = Address(String(name.dropLast(5))) else { continue }
                found.append(Pair(sender: address, receiver: receiver))
            }
        }
        return found
    }

    // MARK: - Keys that go with an entity

    /// All keys from and to this entity.
    package func forget(_ address: Address, owners: [Address]) {
        for owner in owners {
            for pair in [Pair(sender: address, receiver: owner), Pair(sender: owner, receiver: address)] {
                remove(pair)
            }
        }
    }

    /// All keys from and to one of our own: its keys were changed, or it is gone.
    package func forgetOwn(_ address: Address) {
        let known = Array(pairs.keys) + pairsOnDisk()
        for pair in Set(known) where pair.sender == address || pair.receiver == address { remove(pair) }
        changes.append(.removeAll("\(StatePath.keys)/\(address.text)"))
    }

    private func remove(_ pair: Pair) {
        pairs[pair] = Keys()
        note(nil, of: pair)
        changes.append(.remove(pair.file))
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
        (ends, firstEnd, unread) = ([:], nil, nil)
    }

    private func change(_ pair: Pair, isSaved: Bool, _ body: (inout Keys) -> Void) {
        var keys = keys(pair)
        body(&keys)
        let end = end(of: keys)
        guard end != nil || !isSaved else { return remove(pair) }
        pairs[pair] = keys
        note(end, of: pair)
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

    /// More than any key may be used, whatever a file says.
    private static func count(_ uses: Int64) -> Int { Int(min(max(uses, 0), 1_000_000)) }

    private static func roundedUp(_ uses: Int) -> JSON { .integer(Int64((uses / 100 + 1) * 100)) }

    private static func keys(_ json: JSON) -> Keys {
        var keys = Keys()
        if let object = json["sending"], let key = object["key"].flatMap({ try? SymmetricKey($0) }),
            let wrapped = object["wrapped"]?.string.flatMap(Base64.decode),
            let wrappedFor = object["for"]?.string.flatMap(Base64.decode), let born = object["born"]?.double,
            let uses = object["uses"]?.integer
        {
            keys.sending = ReusedKey(
                key: key, wrapped: wrapped, wrappedFor: wrappedFor, born: born, uses: Self.count(uses))
        }
        for object in json["received"]?.array ?? [] {
            guard let key = object["key"].flatMap({ try? SymmetricKey($0) }),
                let digest = object["digest"]?.string.flatMap(Base64.decode), let born = object["born"]?.double,
                let uses = object["uses"]?.integer
            else { continue }
            keys.received.append(Received(key: key, digest: digest, born: born, uses: Self.count(uses)))
        }
        return keys
    }
}
