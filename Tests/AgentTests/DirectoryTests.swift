import Agent
import DIMP
import Format
import Records
import TestSupport
import Testing

@Suite("The directory")
struct DirectoryTests {
    private let moki = People.moki
    private let hulk = People.hulk
    private var visaPlace: Topic { .visa(moki.id.address) }

    private func cards(_ pair: Pair, at place: Topic, on broker: String = "home") -> Int {
        pair.published.count { $0.parcel.topic == place && $0.parcel.broker == broker }
    }

    @Test("on every connect our meta and visa are laid out")
    func published() throws {
        let pair = Pair.friends()
        #expect(pair.shelf(.meta(moki.id.address)) == JSON.object(moki.meta.json).bytes)
        #expect(pair.shelf(visaPlace) == JSON.object(moki.visa.json).bytes)
        let before = cards(pair, at: visaPlace)
        pair.unlink(0)
        pair.link(0)
        #expect(cards(pair, at: visaPlace) == before + 1)
    }

    @Test("our own card is put back, again with back-off, and not while it is right")
    func putBack() throws {
        let pair = Pair.friends()
        let card = JSON.object(moki.visa.json).bytes
        let before = cards(pair, at: visaPlace)
        pair.put([], at: visaPlace)
        #expect(pair.shelf(visaPlace) == card)
        #expect(pair.a.ledger.state.events.contains { $0.reason == "card-changed" })
        pair.put(Array("{}".utf8), at: visaPlace)
        #expect(pair.shelf(visaPlace) == Array("{}".utf8))
        #expect(cards(pair, at: visaPlace) == before + 1)
        pair.advance(61)
        #expect(pair.shelf(visaPlace) == card)
        #expect(cards(pair, at: visaPlace) == before + 2)
        // Somebody who insists for an hour is answered a few times only.
        for _ in 0..<360 {
            pair.put(Array("{}".utf8), at: visaPlace)
            pair.advance(10)
        }
        #expect(cards(pair, at: visaPlace) < before + 10)
        pair.advance(4000)
        #expect(pair.shelf(visaPlace) == card)
        let after = cards(pair, at: visaPlace)
        pair.advance(10_000)
        #expect(cards(pair, at: visaPlace) == after)
    }

    @Test("each broker's copy is put back by itself")
    func putBackTwice() throws {
        let pair = Pair([Board([moki]), Board([hulk])], brokers: ["cloud", "lan"])
        pair.linkAll()
        pair.put([], at: visaPlace, on: "cloud")
        pair.put([], at: visaPlace, on: "lan")
        for broker in ["cloud", "lan"] {
            #expect(pair.shelf(visaPlace, on: broker) == JSON.object(moki.visa.json).bytes)
        }
    }

    /// moki with an ongoing lookup of hulk.
    private func looking() -> Pair {
        let pair = Pair([Board([moki]), Board([hulk])])
        pair.link(0)
        pair.a.befriend(hulk, isCulver: false)
        pair.a.book.state.visas = [:]
        pair.send("x")
        pair.settle()
        return pair
    }

    private func show(_ visa: Document, to pair: Pair) {
        pair.put(JSON.object(visa.json).bytes, at: .visa(hulk.id.address))
    }

    private func shown(_ pair: Pair) -> Double? { pair.a.book.visa(of: hulk.id)?.time }

    @Test("a newer visa is taken; an older one is an event, one without key after one with key is refused")
    func visas() throws {
        let pair = looking()
        show(try hulk.visa(time: People.time + 100), to: pair)
        #expect(shown(pair) == People.time + 100)
        show(try hulk.visa(time: People.time + 50), to: pair)
        #expect(shown(pair) == People.time + 100)
        #expect(pair.a.ledger.state.events.count { $0.reason == "visa-rolled-back" } == 1)
        #expect(pair.a.messenger.counts.visasRolledBack == 1)
        show(try hulk.visa(time: People.time + 200, hasKey: false), to: pair)
        #expect(shown(pair) == People.time + 100)
        show(try hulk.visa(time: People.time + 200), to: pair)
        #expect(shown(pair) == People.time + 200)
    }

    /// A visa of hulk as stock software writes it for one device: the terminal in the signed data or beside it.
    private func device(
        _ terminal: String?, _ time: Double, key: PrivateKey, isSigned: Bool = true
    ) throws -> Document {
        var properties: JSONObject = ["name": "hulk", "key": key.publicKey.json]
        if isSigned, let terminal { properties["terminal"] = .string(terminal) }
        var json = try Document(
            kind: "visa", about: hulk.id, properties: properties, time: People.time + time, signedBy: hulk.secret
        ).json
        if !isSigned, let terminal { json["terminal"] = .string(terminal) }
        return try Document(.object(json))
    }

    /// The names under which the last message to hulk has its key, with the time of the visa whose key opens it.
    private func entries(_ pair: Pair, _ keys: [Double: PrivateKey]) throws -> [String: Double] {
        let message = try #require(pair.messages(from: 0, to: hulk.id.address).last)
        let pairs = message.secure.keys.filter { !$0.receiver.isEmpty }.map { wrapped in
            let time = keys.first { _, key in
                ((try? key.decryption?.decrypt(wrapped.bytes).revealed) ?? nil).flatMap { try? JSON(parsing: $0) }
                    != nil
            }?.key
            return (String(wrapped.receiver.dropFirst(hulk.id.text.count)), time ?? -1)
        }
        return Dictionary(uniqueKeysWithValues: pairs)
    }

    @Test("the newest visa of each device is kept, and the key of a message is wrapped for each and for the bare ID")
    func devices() throws {
        let pair = looking()
        let newest = try #require(hulk.visaKeys.first)
        let keys: [Double: PrivateKey] = [
            1: People.spareKeys[0], 2: People.spareKeys[1], 3: newest, 4: hulk.secret,
        ]
        func show(_ terminal: String?, _ time: Double, isSigned: Bool = true) throws {
            let key = try #require(keys[time])
            self.show(try device(terminal, time, key: key, isSigned: isSigned), to: pair)
        }
        func sent() throws -> [String: Double] {
            pair.send("next")
            pair.settle()
            return try entries(pair, keys)
        }
        try show("phone", 2)
        #expect(try entries(pair, keys) == ["": 2, "/phone": 2])
        try show("phone", 1)
        #expect(try sent() == ["": 2, "/phone": 2])
        #expect(pair.a.ledger.state.events.count { $0.reason == "visa-rolled-back" } == 1)
        try show("tablet", 1, isSigned: false)
        #expect(try sent() == ["": 2, "/phone": 2, "/tablet": 1])
        // The same signed data under another name is no other device.
        try show("fridge", 1, isSigned: false)
        #expect(try sent() == ["": 2, "/phone": 2, "/tablet": 1])
        try show("phone", 3)
        try show(nil, 4)
        #expect(try sent() == ["": 4, "/phone": 3, "/tablet": 1])
        let wire = try #require(pair.messages(from: 0, to: hulk.id.address).last).json
        #expect(wire["key"] != nil && wire["key"] == wire["keys"]?[hulk.id.text])
    }

    @Test("a culver agent has one visa for all that it is")
    func devicesOfCulver() throws {
        let pair = looking()
        show(try hulk.visa(time: People.time + 1), to: pair)
        show(try device("phone", 2, key: People.spareKeys[0]), to: pair)
        #expect(shown(pair) == People.time + 1 && pair.a.book.deviceVisas(of: hulk.id).isEmpty)
        #expect(pair.a.rejections.map(\.stage) == [.meta])
    }

    @Test("visas that come before their metas are held within a bound; for the others the peer is asked")
    func early() throws {
        let pair = Pair([Board([moki]), Board([hulk], seed: 2)])
        pair.linkAll()
        let filling = JSON.string(String(repeating: "x", count: 60_000))
        let peers = (0..<30).map { ID.sample("peer-\($0)") }
        for peer in peers {
            pair.send("hello", to: peer)
            let visa = try Document(
                kind: "visa", about: peer, properties: ["x": filling], time: People.time, signedBy: moki.secret)
            pair.put(JSON.object(visa.json).bytes, at: .visa(peer.address))
        }
        #expect(pair.a.messenger.heldVisaBytes > 500_000 && pair.a.messenger.heldVisaBytes <= 1 << 20)
    }

    @Test("a visa from the future, of another signer or of another is not taken")
    func badVisas() throws {
        let pair = looking()
        show(try hulk.visa(time: Pair.start + 3600), to: pair)
        show(try moki.visa(time: People.time + 100), to: pair)
        var json = try hulk.visa(time: People.time + 100).json
        json["signature"] = .string(Base64.encode([UInt8](repeating: 1, count: 128)))
        pair.put(JSON.object(json).bytes, at: .visa(hulk.id.address))
        pair.put(Array("[]".utf8), at: .visa(hulk.id.address))
        pair.put([UInt8](repeating: 0x20, count: 70_000), at: .visa(hulk.id.address))
        #expect(shown(pair) == nil)
        #expect(pair.a.rejections.allSatisfy { $0.stage == .meta })
    }

    @Test("another name before a right address fails with a reason, and the address alone reaches its owner")
    func wrongName() throws {
        let pair = Pair([Board([moki]), Board([hulk])])
        let mistyped = pair.send("to Hulk", to: ID(name: "Hulk", address: hulk.id.address))
        let bare = pair.send("to the address", to: ID(name: nil, address: hulk.id.address))
        pair.linkAll()
        pair.settle()
        #expect(pair.row(mistyped)?.state == .failed)
        #expect(pair.row(mistyped)?.reason == "wrong-name")
        #expect(pair.a.book.contact(hulk.id.address)?.id == hulk.id)
        #expect(pair.a.book.meta(of: hulk.id) != nil)
        pair.advance(60)
        #expect(pair.row(bare)?.receiver == hulk.id)
        #expect(pair.row(bare)?.state == .published)
    }

    @Test("mutated cards teach nothing that was not signed")
    func mutated() throws {
        let pair = looking()
        let dice = Dice(seed: 7)
        let card = JSON.object(hulk.visa.json).bytes
        for number in 0..<300 {
            var bytes = card
            switch number % 3 {
            case 0: bytes[dice.below(bytes.count)] ^= UInt8(1 << dice.below(8))
            case 1: bytes = Array(bytes.prefix(dice.below(bytes.count)))
            default: bytes.remove(at: dice.below(bytes.count))
            }
            pair.put(bytes, at: .visa(hulk.id.address))
            pair.put(bytes, at: .meta(hulk.id.address))
            let learnt = pair.a.book.visa(of: hulk.id)
            #expect(learnt == nil || learnt?.data == hulk.visa.data)
        }
        #expect(pair.a.book.meta(of: hulk.id)?.fingerprint == hulk.meta.fingerprint)
    }

    @Test("a visa that advertises culver marks the contact, and another one later does not unmark it")
    func sticky() throws {
        let pair = looking()
        show(try hulk.visa(time: People.time + 100), to: pair)
        show(try hulk.visa(time: People.time + 200, isStock: true), to: pair)
        #expect(shown(pair) == People.time + 200)
        #expect(pair.a.book.contact(hulk.id.address)?.isCulver == true)
    }

    @Test("a repeat goes to the peer's new key")
    func newKey() throws {
        let pair = Pair.friends()
        pair.trouble.lost = 1
        pair.send("first")
        pair.settle()
        var renewed = try Identity.register(name: "other", network: 0, algorithm: .rsa, bits: 1024, time: 0).visaKeys
        let visa = try Document.visa(
            of: hulk.id, name: "hulk", key: renewed[0].publicKey, time: People.time + 9, signedBy: hulk.secret)
        pair.a.book.apply(.visa(visa, of: hulk.id))
        renewed += hulk.visaKeys
        pair.b.book.state.identities[0].visaKeys = [renewed[0]]
        pair.trouble.lost = 0
        pair.advance(30)
        #expect(pair.b.texts == ["first"])
    }

    @Test("however many are known that never came, a new peer that is written to is found")
    func manyKnown() throws {
        let pair = Pair([Board([moki]), Board([hulk], seed: 2)])
        pair.a.policy.directorySubscriptions = 8
        pair.grants = 6
        pair.linkAll()
        for network in 1..<20 {
            let id = try #require(People.dave.meta.id(network: UInt8(network * 2)))
            pair.feed(0, .befriended(id))
        }
        pair.settle()
        let token = pair.send("hello")
        pair.b.befriend(moki)
        pair.advance(20)
        #expect(pair.row(token)?.state == .delivered)
    }

    /// The answer of an application: encrypted to the one that asked, with the card inside and nothing attached.
    private func answer(_ who: Identity, to asker: Identity, hasVisa: Bool = true) throws -> ReliableMessage {
        let time = Pair.start
        let content =
            hasVisa
            ? Content.documentCommand(
                "document", about: who.id, document: who.visa, meta: who.meta, sn: 5, time: time)
            : Content.metaCommand(about: who.id, meta: who.meta, sn: 5, time: time)
        return try who.stockMessage(content, to: asker)
    }

    @Test(
        "the card inside an answer that was asked for is learnt, and the message that waits for it goes",
        arguments: [true, false])
    func cardInside(isAsked: Bool) throws {
        let pair = Pair([Board([moki]), Board([hulk])])
        pair.link(0)
        pair.settle()
        let carol = People.carol
        let token = pair.send("x", to: carol.id)
        if isAsked { pair.advance(40) }
        #expect(pair.messages(from: 0, to: carol.id.address).isEmpty == !isAsked)
        pair.lay(try answer(carol, to: moki), on: 0)
        // To look for it is work with a private key, for somebody who was a stranger until then.
        #expect(pair.a.messenger.counts.decryptionsOfStrangers == (isAsked ? 1 : 0))
        #expect((pair.a.book.visa(of: carol.id) != nil) == isAsked)
        #expect(pair.row(token)?.state == (isAsked ? .queued : .waiting))
        #expect(pair.a.ledger.state.parked.count == (isAsked ? 0 : 1))
        #expect(pair.a.inbox.isEmpty && pair.a.rejections.isEmpty)
    }

    @Test("a forged answer teaches nothing: the meta must be the sender's, and then the signature")
    func forgedAnswer() throws {
        let pair = Pair([Board([moki]), Board([hulk])])
        pair.link(0)
        pair.settle()
        let carol = People.carol
        pair.send("x", to: carol.id)
        pair.advance(40)
        var foreign = try answer(hulk, to: moki)
        foreign.secure.envelope.sender = carol.id
        pair.lay(foreign, on: 0)
        #expect(pair.a.ledger.state.parked.count == 1 && pair.a.rejections.isEmpty)
        var unsigned = try answer(carol, to: moki)
        unsigned.signature = foreign.signature
        pair.lay(unsigned, on: 0)
        #expect(pair.a.rejections.map(\.stage) == [.signature])
        #expect(pair.a.book.meta(of: carol.id) == nil)
        pair.lay(try answer(carol, to: moki), on: 0)
        #expect(pair.a.book.meta(of: carol.id) != nil)
    }

    @Test("the identity that wants to write asks, and no other of the board")
    func asker() throws {
        let dave = People.dave
        let pair = Pair([Board([moki, dave]), Board([hulk])])
        pair.link(0)
        pair.settle()
        pair.feed(
            0,
            .submitted(
                Submission(
                    token: pair.a.newToken(), sender: dave.id, receiver: People.carol.id, type: .text,
                    members: ["text": "x"])))
        pair.advance(40)
        let questions = pair.messages(from: 0, to: People.carol.id.address)
        #expect(questions.count == 2 && questions.allSatisfy { $0.envelope.sender == dave.id })
    }

    @Test("an ID that nobody knows is asked for once in ten minutes, and does not keep the board awake")
    func nobodyKnows() throws {
        let pair = Pair([Board([moki]), Board([hulk])])
        pair.link(0)
        pair.settle()
        pair.send("x", to: People.carol.id)
        let asked = { pair.messages(from: 0, to: People.carol.id.address).count }
        pair.advance(590)
        #expect(asked() == 2)
        pair.advance(3010)
        #expect(asked() <= 14)
        #expect(pair.a.ticks < 40)
        #expect(pair.a.watched == [People.carol.id.address])
    }

    @Test("how often it is asked for is configured")
    func interval() throws {
        let pair = Pair([Board([moki]), Board([hulk])])
        pair.a.policy.queryInterval = 60
        pair.link(0)
        pair.settle()
        pair.send("x", to: People.carol.id)
        pair.advance(590)
        #expect(pair.messages(from: 0, to: People.carol.id.address).count >= 9)
    }

    @Test("with no broker there is no hurry: waiting rows, lookups and repeats make no ticks")
    func idleOffline() throws {
        let pair = Pair.friends()
        pair.send("waiting", to: People.carol.id)
        pair.trouble.lost = 1
        pair.send("published")
        pair.advance(5)
        pair.unlink(0)
        pair.unlink(1)
        let before = pair.a.ticks
        pair.advance(20_000)
        #expect(pair.a.ticks - before < 20)
    }

    @Test("with no broker a message expires in time")
    func expiresOffline() throws {
        let pair = Pair([Board([People.moki])])
        let token = pair.send("waiting", to: People.carol.id, expiry: 500)
        pair.advance(499)
        #expect(pair.row(token)?.state == .waiting)
        pair.advance(2)
        #expect(pair.row(token)?.state == .expired)
    }

    @Test("a broker without room makes no ticks either")
    func idleWithoutRoom() throws {
        let pair = Pair.friends()
        pair.isAcknowledging = false
        for number in 0..<25 {
            pair.send("\(number)")
            pair.settle()
        }
        let before = pair.a.ticks
        pair.advance(20_000)
        #expect(pair.a.ticks - before < 20)
        #expect(pair.messages(from: 0, to: hulk.id.address).count <= 20)
        pair.isAcknowledging = true
        pair.unlink(0)
        pair.link(0)
        pair.advance(100)
        #expect(pair.b.texts.count == 25)
    }

    @Test("of what a broker shows only so much is checked")
    func flood() throws {
        let pair = Pair([Board([People.moki])])
        pair.linkAll()
        pair.send("x", to: People.hulk.id)
        pair.settle()
        var card = People.hulk.meta.json
        card["fingerprint"] = .string(Base64.encode([1]))
        let bytes = JSON.object(card).bytes
        for _ in 0..<2000 {
            pair.feed(0, .found(.meta(People.hulk.id.address), bytes, broker: "home"))
            pair.settle()
        }
        #expect(pair.a.rejections.count == 1024)
        pair.advance(2)
        pair.putCard(of: People.hulk)
        #expect(pair.a.book.visa(of: People.hulk.id) != nil)
    }
}
