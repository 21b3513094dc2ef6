import Crypto
import DIMP
import Format
import TestSupport
import Testing

@testable import Selftest

/// What anybody can do to a sealed message on its way: change each field of it, and bytes anywhere. Either it is refused,
/// or the reader is told exactly what the sender wrote, and knows it for the same message.
@Suite("Altered messages")
struct AlterationTests {
    private let scene: Scene
    private let originals: [Original]

    struct Original {
        var name: String
        var message: ReliableMessage
        var told: Told
    }

    /// All that a reader learns of a message, and by what it is known when it comes again.
    struct Told: Equatable {
        var owner: String
        var sender: String
        var receiver: String
        var group: String?
        var content: JSON
        var isSealed: Bool
        var isEncrypted: Bool
        var digest: [UInt8]
    }

    init() throws {
        let scene = try Scene()
        self.scene = scene
        let group = try scene.packed(to: scene.group, attach: true)
        var copy = try #require(group.split(for: [scene.bob.id]).first)
        copy.meta = group.meta
        copy.visa = group.visa
        originals = try [
            ("private", scene.packed(to: scene.bob.id, attach: true)), ("group", group), ("copy", copy),
            ("everyone", scene.packed(to: .everyone, attach: true)),
            ("anyone", scene.packed(to: .anyone, attach: true)),
        ].map { name, message in
            let reader = Reader(scene: scene, knows: true)
            return Original(name: name, message: message, told: try reader.read(message.json.bytes))
        }
    }

    /// Bob, and for messages to one of us also carol: the sender is known, or attached to the message.
    private struct Reader {
        let scene: Scene
        let knows: Bool
        let cache = KeptKeys()

        func read(_ wire: [UInt8]) throws -> Told {
            let owners = [scene.bob, scene.carol]
            let incoming = try IncomingMessage(parsing: wire)
            let addressed = try incoming.addressed(
                to: owners.map(\.id), including: [.broadcasts, .groups])
            let known = knows ? scene.shelf.meta(of: addressed.sender) : nil
            guard let meta = try addressed.meta(known: known) else { throw Rejection(.meta, "no meta") }
            let verified = try addressed.verified(by: meta)
            let owner = try #require(owners.first { $0.id == addressed.owner })
            let key =
                try verified.broadcastKey() ?? verified.keptKey(in: cache)
                ?? verified.unwrapped(with: owner.decryptionKeys)
            let opened = try verified.opened(with: key)
            let isSealed = try opened.checkSeal(isRequired: false)
            try opened.checkTime(at: People.now)
            if let wrapped = key.wrapped { cache.keep(key.key, of: opened, wrapped: wrapped) }
            return Told(
                owner: opened.owner.text, sender: opened.provenSender.text, receiver: opened.provenReceiver.text,
                group: opened.provenGroup?.text, content: .object(opened.content.json), isSealed: isSealed,
                isEncrypted: opened.isEncrypted, digest: opened.digest)
        }
    }

    /// Counts what became of altered messages, and notes those that were taken for something else.
    private func judge(_ wires: [(what: String, wire: [UInt8])], of original: Original) throws {
        var (taken, refused) = (0, 0)
        for reader in [Reader(scene: scene, knows: true), Reader(scene: scene, knows: false)] {
            for (what, wire) in wires {
                do {
                    var told = try reader.read(wire)
                    // What is for a group or for everyone is for carol, too.
                    if told.group != nil, told.owner == scene.carol.id.text {
                        if told.receiver == told.owner { told.receiver = original.told.receiver }
                        told.owner = original.told.owner
                    }
                    #expect(told == original.told, "\(original.name): \(what)")
                    taken += 1
                } catch is Rejection {
                    refused += 1
                }
            }
        }
        // Both happen often, or the test would prove nothing.
        #expect(taken > wires.count / 50 && refused > wires.count / 4, "\(original.name): \(taken) of \(wires.count)")
    }

    @Test("each field, replaced, removed, added and put under its short name")
    func fields() throws {
        for original in originals {
            let object = try #require(original.message.json.object)
            var wires: [(String, [UInt8])] = [("nothing", JSON.object(object).bytes)]
            for name in Self.names {
                for value in try values(for: name, in: object) {
                    var altered = object
                    altered[name] = value
                    wires.append(("\(name): \(value?.text.prefix(80) ?? "nothing")", JSON.object(altered).bytes))
                }
                guard let short = Self.short[name], let value = object[name] else { continue }
                var renamed = object
                renamed[name] = nil
                renamed[short] = value
                wires.append(("\(name) as \(short)", JSON.object(renamed).bytes))
                var both = object
                both[short] = try values(for: name, in: object).first { $0 != nil && $0 != value } ?? nil
                wires.append(("\(short) beside \(name)", JSON.object(both).bytes))
            }
            try judge(wires, of: original)
        }
    }

    @Test("several fields at once, and bytes anywhere")
    func bytes() throws {
        let dice = Dice(seed: 11)
        for original in originals {
            let object = try #require(original.message.json.object)
            let wire = JSON.object(object).bytes
            var wires: [(String, [UInt8])] = []
            for round in 0..<200 {
                var altered = object
                for _ in 0...dice.below(3) {
                    let name = Self.names[dice.below(Self.names.count)]
                    let values = try values(for: name, in: object)
                    altered[name] = values[dice.below(values.count)]
                }
                wires.append(("fields \(round)", JSON.object(altered).bytes))
                wires.append(("bytes \(round)", dice.damaged(wire)))
                wires.append(("value \(round)", dice.swapped(.object(object)).bytes))
            }
            try judge(wires, of: original)
        }
    }

    @Test("an attached meta or visa is taken for what its entity signed, or not at all")
    func cards() throws {
        let dice = Dice(seed: 12)
        var taken = 0
        for _ in 0..<1_000 {
            let meta = dice.swapped(.object(scene.alice.meta.json))
            if let read = try? Meta(meta), read.vouches(for: scene.alice.id) {
                #expect(read.key == scene.alice.meta.key && read.seed == scene.alice.meta.seed)
                taken += 1
            }
            let visa = dice.swapped(.object(scene.alice.visa.json))
            if let read = try? Document(visa), (try? read.check(about: scene.alice.id, meta: scene.alice.meta)) != nil {
                #expect(read.data == scene.alice.visa.data && read.key == scene.alice.visa.key)
                taken += 1
            }
        }
        #expect(taken > 20 && taken < 1_500)
    }

    private static let names = [
        "sender", "receiver", "group", "time", "type", "data", "key", "keys", "IV", "iv", "signature", "meta", "visa",
        "profile", "new",
    ]

    private static let short = [
        "sender": "F", "receiver": "R", "group": "G", "time": "W", "type": "T", "data": "D", "keys": "K", "key": "K",
        "signature": "V", "meta": "M", "visa": "P", "IV": "iv",
    ]

    /// What an attacker would put there, and what makes no sense there; `nil` removes it.
    private func values(for name: String, in object: JSONObject) throws -> [JSON?] {
        let there = object[name]
        var values: [JSON?] = [nil] + Dice.strange.map(Optional.some)
        // What the other messages have there.
        values += originals.map { $0.message.json[name] }
        switch name {
        case "sender", "receiver", "group": values += ids.map { .string($0) }
        case "time":
            values += [-86_400, -1, -0.5, 0.5, 1, 600, 1e12].map { .number(People.now + $0) } + ["1750000000"]
        case "IV", "iv": values.append(.string(Base64.encode([UInt8](repeating: 7, count: 16))))
        case "key", "keys":
            let wrapped = object["keys"]?.object?.members.first?.value ?? there ?? "AAAA"
            values += [
                wrapped, .object([scene.bob.id.text: wrapped]), .object([scene.bob.id.text + "/phone": wrapped]),
                .object(["digest": wrapped]), .object([scene.carol.id.text: wrapped, scene.bob.id.text: "AAAA"]),
            ]
        default: break
        }
        guard case .string(let text)? = there else { return values }
        values += [.string(text + " "), .string(" " + text), .string(text + "="), .string(text.uppercased())]
        values += [.string(text + "/x"), .string(String(text.dropLast())), .string(String(text.reversed()))]
        return values
    }

    private var ids: [String] {
        let (alice, bob, carol) = (scene.alice.id, scene.bob.id, scene.carol.id)
        return [alice, bob, carol, scene.dora.id, scene.group].flatMap {
            [$0.text, $0.text + "/x", $0.address.text, "other@" + $0.address.text]
        } + [
            "anyone@anywhere", "everyone@everywhere", "somebody@anywhere", "ANYONE@ANYWHERE", "everywhere",
            "\(bob.name ?? "")@everywhere", "\(bob.name ?? "")@\(carol.address.text)",
        ]
    }
}

/// Keys of messages that were taken, as an agent keeps them.
private final class KeptKeys: KeyCache {
    private var keys: [(sender: ID, target: ID, digest: [UInt8], key: SymmetricKey)] = []

    func keep(_ key: SymmetricKey, of opened: OpenedMessage, wrapped: [UInt8]) {
        let digest = Digest.sha256(wrapped)
        guard receivedKey(from: opened.sender, to: opened.envelope.target, wrapping: digest) == nil else { return }
        keys.append((opened.sender, opened.envelope.target, digest, key))
    }

    func sendingKey(from sender: ID, to receiver: ID) -> ReusedKey? { nil }

    func receivedKey(from sender: ID, to target: ID, wrapping digest: [UInt8]) -> SymmetricKey? {
        keys.first { $0.sender == sender && $0.target == target && $0.digest == digest }?.key
    }
}
