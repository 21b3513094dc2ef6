import Crypto
import DIMP
import Format
import Testing

/// Each step of the one order of checks, and where it refuses.
@Suite("The one order of checks")
struct ReceivingTests {
    private let scene: Scene

    init() throws {
        scene = try Scene()
    }

    private func addressed(
        _ message: ReliableMessage, to owner: Identity? = nil, including shared: SharedReceivers = []
    ) throws -> AddressedMessage {
        try IncomingMessage(message).addressed(to: [(owner ?? scene.bob).id], including: shared)
    }

    private func verified(_ message: ReliableMessage, including shared: SharedReceivers = []) throws -> VerifiedMessage
    {
        try addressed(message, including: shared).verified(by: scene.alice.meta)
    }

    private func opened(_ message: ReliableMessage) throws -> OpenedMessage {
        let verified = try verified(message)
        return try verified.opened(with: try verified.unwrapped(with: scene.bob.decryptionKeys))
    }

    /// A message of alice to bob without seal.
    private func unsealed(time: Double?) throws -> ReliableMessage {
        let key = [UInt8](repeating: 3, count: 32)
        let iv = [UInt8](repeating: 9, count: 16)
        var content: JSONObject = ["type": 1, "sn": 5, "text": "x"]
        content["time"] = time.map { .number($0) }
        let data = try AES.encrypt(JSON.object(content).bytes, key: key, iv: iv)
        let text = #"{"algorithm":"AES","data":"\#(Base64.encode(key))"}"#
        return try scene.crafted(key: text, data: data, iv: iv, to: scene.bob)
    }

    @Test("a message passes all steps, and says what was proven")
    func whole() throws {
        let wire = try scene.packed(to: scene.bob.id, attach: true).json.bytes
        let incoming = try IncomingMessage(parsing: wire, maximumSize: wire.count)
        let message = try incoming.addressed(to: [scene.carol.id, scene.bob.id])
        #expect(message.owner == scene.bob.id && message.digest == Digest.sha256(incoming.message.secure.data))
        let meta = try #require(try message.meta(known: nil))
        let verified = try message.verified(by: meta)
        #expect(try verified.broadcastKey() == nil)
        let key = try verified.unwrapped(with: scene.bob.decryptionKeys)
        #expect(key.isByNewest && key.wrapped == incoming.message.secure.keys.first?.bytes)
        let opened = try verified.opened(with: key)
        #expect(opened.content.body == .text("Hello world!") && opened.isEncrypted)
        #expect(try opened.checkSeal(isRequired: true))
        try opened.checkTime(at: People.now)
        #expect(opened.sender == scene.alice.id && opened.owner == scene.bob.id && opened.digest == message.digest)
    }

    @Test("size and JSON: refused at parse")
    func parse() throws {
        let wire = try scene.packed(to: scene.bob.id).json.bytes
        #expect(try stage { try IncomingMessage(parsing: wire, maximumSize: wire.count - 1) } == .parse)
        #expect(try stage { try IncomingMessage(parsing: wire, limits: JSONLimits(values: 3)) } == .parse)
        #expect(try stage { try IncomingMessage(parsing: Array(wire.dropLast())) } == .parse)
        #expect(try stage { try IncomingMessage([]) } == .parse)
        #expect(try stage { try IncomingMessage(["sender": .string(scene.alice.id.text)]) } == .parse)
        #expect(try stage { try IncomingMessage(parsing: wire) } == nil)
    }

    @Test("addressed to one of the owners, by name and address; a terminal does not count")
    func receiver() throws {
        var message = try scene.packed(to: scene.bob.id)
        #expect(try stage { try addressed(message, to: scene.carol) } == .receiver)
        #expect(try stage { try IncomingMessage(message).addressed(to: []) } == .receiver)
        message.secure.envelope.receiver = ID(name: "other", address: scene.bob.id.address)
        #expect(try stage { try addressed(message) } == .receiver)
        message.secure.envelope.receiver = ID(name: "bob", address: scene.bob.id.address, terminal: "phone")
        #expect(try addressed(message).owner.text == scene.bob.id.text)
    }

    @Test("broadcasts and group messages are for the caller that takes them")
    func shared() throws {
        for (receiver, shared) in [
            (ID.anyone, SharedReceivers.broadcasts), (.everyone, .broadcasts), (scene.group, .groups),
        ] {
            let message = try scene.packed(to: receiver)
            let others: SharedReceivers = shared == .groups ? .broadcasts : .groups
            #expect(try stage { try addressed(message) } == .receiver)
            #expect(try stage { try addressed(message, including: others) } == .receiver)
            #expect(try stage { try IncomingMessage(message).addressed(to: [], including: shared) } == .receiver)
            #expect(try addressed(message, including: shared).owner == scene.bob.id)
        }
        let trimmed = try addressed(scene.packed(to: scene.group), including: .groups)
        #expect(trimmed.envelope.receiver == scene.bob.id && trimmed.envelope.group == scene.group)
        #expect(trimmed.message.secure.keys.count == 1)
    }

    @Test("nobody is no sender: refused at meta, whatever is attached")
    func nobody() throws {
        var message = try scene.packed(to: scene.bob.id, attach: true)
        message.secure.envelope.sender = .anyone
        #expect(try stage { try addressed(message) } == .meta)
    }

    @Test("the meta is the known one, else the attached one if it vouches, else to be looked up")
    func meta() throws {
        var incoming = IncomingMessage(try scene.packed(to: scene.bob.id))
        func meta(known: Meta? = nil) throws -> Meta? {
            try incoming.addressed(to: [scene.bob.id]).meta(known: known)
        }
        #expect(try meta() == nil)
        incoming.message.meta = .object(scene.alice.meta.json)
        #expect(try meta()?.vouches(for: scene.alice.id) == true)
        for wrong: JSON in ["x", .object(scene.carol.meta.json)] {
            incoming.message.meta = wrong
            #expect(try stage { try meta() } == .meta)
            #expect(try meta(known: scene.alice.meta)?.vouches(for: scene.alice.id) == true)
        }
    }

    @Test("the signature is the sender's, under the sender's meta")
    func signature() throws {
        var message = try scene.packed(to: scene.bob.id)
        #expect(try stage { try verified(message) } == nil)
        #expect(try stage { try addressed(message).verified(by: scene.carol.meta) } == .meta)
        message.signature[5] ^= 1
        #expect(try stage { try verified(message) } == .signature)
        message.signature[5] ^= 1
        message.secure.data[0] ^= 1
        #expect(try stage { try verified(message) } == .signature)
    }

    @Test("a broadcast has no key, and every other message has one for its reader")
    func key() throws {
        var message = try scene.packed(to: .everyone)
        let broadcast = try verified(message, including: .broadcasts)
        let opened = try broadcast.opened(with: try #require(try broadcast.broadcastKey()))
        #expect(!opened.isEncrypted && opened.key.wrapped == nil)
        #expect(try opened.checkSeal(isRequired: true))
        message.secure.keys = [.init(receiver: "", bytes: [1])]
        let keyed = try verified(message, including: .broadcasts)
        #expect(try stage { try keyed.broadcastKey() } == .key)
        var none = try scene.packed(to: scene.bob.id)
        none.secure.keys = [.init(receiver: scene.carol.id.text, bytes: [1])]
        let keyless = try verified(none)
        #expect(try stage { try keyless.unwrapped(with: scene.bob.decryptionKeys) } == .key)
    }

    @Test("a kept key opens without a private key, for its sender, target and wrapped bytes alone")
    func keptKey() throws {
        let message = try scene.packed(to: scene.bob.id)
        let verified = try verified(message)
        let cache = OneKey()
        #expect(verified.keptKey(in: cache) == nil)
        let unwrapped = try verified.unwrapped(with: scene.bob.decryptionKeys)
        cache.kept = (scene.alice.id, scene.bob.id, Digest.sha256(unwrapped.wrapped ?? []), unwrapped.key)
        let key = try #require(verified.keptKey(in: cache))
        #expect(!key.isByNewest && key.wrapped == unwrapped.wrapped)
        #expect(try verified.opened(with: key).content.body == .text("Hello world!"))
        cache.kept?.target = scene.carol.id
        #expect(verified.keptKey(in: cache) == nil)
    }

    @Test("a wrong key is refused at decrypt, and a content that is none at content")
    func decrypt() throws {
        let verified = try verified(try scene.packed(to: scene.bob.id))
        let random = try verified.unwrapped(with: scene.carol.decryptionKeys)
        #expect(!random.isByNewest)
        #expect(try stage { try verified.opened(with: random) } == .decrypt)
        let key = [UInt8](repeating: 3, count: 32)
        let iv = [UInt8](repeating: 9, count: 16)
        let data = try AES.encrypt(Array(#"{"sn":1}"#.utf8), key: key, iv: iv)
        let text = #"{"algorithm":"AES","data":"\#(Base64.encode(key))"}"#
        let untyped = try scene.crafted(key: text, data: data, iv: iv, to: scene.bob)
        #expect(try stage { try opened(untyped) } == .content)
    }

    @Test(
        "a content whose type is a word of no table is opaque and kept as it is; one without a word or number is none",
        arguments: [("*", true), ("receipt", true), ("99999999999999999999", true), ("", false)])
    func word(type: String, isContent: Bool) throws {
        let key = [UInt8](repeating: 3, count: 32)
        let iv = [UInt8](repeating: 9, count: 16)
        let json: JSON = ["type": .string(type), "sn": 1, "text": "x"]
        let text = #"{"algorithm":"AES","data":"\#(Base64.encode(key))"}"#
        let message = try scene.crafted(
            key: text, data: AES.encrypt(json.bytes, key: key, iv: iv), iv: iv, to: scene.bob)
        guard isContent else { return #expect(try stage { try opened(message) } == .content) }
        let content = try opened(message).content
        #expect(content.body == .opaque && content.type == 0 && JSON.object(content.json) == json)
    }

    @Test("a broadcast inside a message is for whoever that one was for, and every other message for one of the owners")
    func inside() throws {
        let outer = try addressed(scene.packed(to: scene.bob.id))
        let owners = [scene.carol.id, scene.bob.id]
        for receiver in [ID.anyone, .everyone] {
            let inner = IncomingMessage(try scene.packed(to: receiver))
            #expect(try inner.addressed(to: owners, inside: outer).owner == scene.bob.id)
        }
        let other = IncomingMessage(try scene.packed(to: scene.carol.id))
        #expect(try other.addressed(to: owners, inside: outer).owner == scene.carol.id)
        #expect(try stage { try other.addressed(to: [scene.bob.id], inside: outer) } == .receiver)
        let group = IncomingMessage(try scene.packed(to: scene.group))
        #expect(try stage { try group.addressed(to: owners, inside: outer) } == .receiver)
    }

    @Test("the meta inside a message is the sender's own, alone or beside receipts, and nothing else is read of it")
    func metaInside() throws {
        func found(_ content: Content, as owner: Identity? = nil) throws -> Meta? {
            let addressed = try addressed(scene.packed(to: scene.bob.id, content))
            return addressed.metaInside(with: (owner ?? scene.bob).decryptionKeys)
        }
        let alice = scene.alice
        let time = People.now
        let answer = Content.metaCommand(about: alice.id, meta: alice.meta, sn: 1, time: time)
        let documents = Content.documentCommand(
            "document", about: alice.id, document: alice.visa, meta: alice.meta, sn: 1, time: time)
        let receipt = Content.command("receipt", sn: 2, time: time, ["text": "Message received."])
        let both = Content(
            type: .array, sn: 3, time: time, ["contents": [.object(receipt.json), .object(answer.json)]])
        for content in [answer, documents, both] {
            let meta = try #require(try found(content))
            #expect(meta.vouches(for: alice.id))
            #expect(try found(content, as: scene.carol) == nil)
        }
        let foreign = Content.metaCommand(about: scene.carol.id, meta: scene.carol.meta, sn: 1, time: time)
        let mixed = Content(
            type: .array, sn: 3, time: time, ["contents": [.object(scene.text().json), .object(answer.json)]])
        for content in [
            foreign, mixed, receipt, scene.text(), .metaCommand(about: alice.id, meta: nil, sn: 1, time: time),
        ] {
            #expect(try found(content) == nil)
        }
        let attached = try addressed(scene.packed(to: scene.bob.id, answer)).attaching(alice.meta)
        #expect(try attached.meta(known: nil)?.vouches(for: alice.id) == true)
        #expect(try attached.verified(by: alice.meta).sender == alice.id)
    }

    @Test("a message without seal is refused of a peer that seals, and of no other")
    func seal() throws {
        let opened = try opened(unsealed(time: People.now))
        #expect(try opened.checkSeal(isRequired: false) == false)
        #expect(try stage { try opened.checkSeal(isRequired: true) } == .seal)
        var redated = try scene.packed(to: scene.bob.id)
        redated.secure.envelope.time = People.now + 5
        let moved = try self.opened(redated)
        #expect(try stage { try moved.checkSeal(isRequired: false) } == .seal)
        let broadcast = SecureMessage(
            envelope: Envelope(sender: scene.alice.id, receiver: .anyone, time: 1),
            data: Array(#"{"type":1,"sn":1}"#.utf8), iv: nil, keys: [])
        let plain = try verified(try broadcast.signed(by: scene.alice.secret), including: .broadcasts)
        let read = try plain.opened(with: try #require(try plain.broadcastKey()))
        #expect(try read.checkSeal(isRequired: false) == false)
        #expect(try stage { try read.checkSeal(isRequired: true) } == .seal)
    }

    @Test("a sealed broadcast is shown under the address that its seal names, whatever the envelope says besides")
    func broadcastReceiver() throws {
        for (receiver, group) in [
            (ID.everyone, nil), (scene.bob.id, ID.everyone), (.anyone, .everyone), (.anyone, nil),
        ] as [(ID, ID?)] {
            let isToEveryone = receiver == .everyone || group != nil
            var message = try scene.packed(to: isToEveryone ? .everyone : .anyone)
            message.secure.envelope.receiver = receiver
            if let group { message.secure.envelope.group = group }
            let verified = try verified(message, including: .broadcasts)
            let opened = try verified.opened(with: try #require(try verified.broadcastKey()))
            #expect(try opened.checkSeal(isRequired: true))
            #expect(opened.provenReceiver.text == (isToEveryone ? "everyone@everywhere" : "anyone@anywhere"))
        }
    }

    @Test("a content is at most ten minutes ahead and 31 days old; without usable time it is never too old")
    func time() throws {
        for (time, expected) in [
            (0, nil), (600, nil), (601, .time), (-31 * 86_400, nil), (-31 * 86_400 - 1, .time),
        ] as [(Double, Rejection.Stage?)] {
            let opened = try opened(unsealed(time: People.now + time))
            #expect(try stage { try opened.checkTime(at: People.now) } == expected, "\(time)")
        }
        for time in [nil, 0, 1_704_067_199] as [Double?] {
            let opened = try opened(unsealed(time: time))
            #expect(opened.content.usableTime == nil)
            #expect(try stage { try opened.checkTime(at: People.now) } == nil)
        }
        #expect(try opened(unsealed(time: 1_704_067_200)).content.usableTime == 1_704_067_200)
    }
}

/// A cache with room for one received key.
private final class OneKey: KeyCache {
    var kept: (sender: ID, target: ID, digest: [UInt8], key: SymmetricKey)?

    func sendingKey(from sender: ID, to receiver: ID) -> ReusedKey? { nil }

    func receivedKey(from sender: ID, to target: ID, wrapping digest: [UInt8]) -> SymmetricKey? {
        guard let kept, kept.sender == sender, kept.target == target, kept.digest == digest else { return nil }
        return kept.key
    }
}
