import Crypto
import DIMP
import Format
import Records
import TestSupport
import Testing

@testable import Agent

/// Contents that wait while the pool seals the one before go in one message: shipments of several rows.
@Suite("Batches")
struct ShipmentTests {
    private let moki = People.moki
    private let hulk = People.hulk

    /// What each message from the first board to the second holds, in order of publishing.
    private func contents(_ pair: Pair, reader: Identity = People.hulk) throws -> [[Content]] {
        try pair.messages(from: 0, to: reader.id.address).filter { !$0.secure.keys.isEmpty }.map { message in
            let key = try message.secure.unwrapped(for: reader.id, with: reader.decryptionKeys).key
            let content = try message.secure.decrypted(with: key).content
            return try content.batched?.map { try Content($0) } ?? [content]
        }
    }

    private func texts(_ pair: Pair, reader: Identity = People.hulk) throws -> [[String]] {
        try contents(pair, reader: reader).map { $0.map { $0.json["text"]?.string ?? "" } }
    }

    /// `count` contents, of which all but the first share a message. What was sent so far is lost. The tokens are theirs that
    /// share one.
    private func lost(_ count: Int = 4, expiry: Double? = nil) throws -> (Pair, tokens: [UInt64]) {
        let pair = Pair.friends()
        let first = pair.send("first")
        let tokens = (1..<count).map { pair.send("\($0)", expiry: $0 == 1 ? expiry : nil) }
        pair.b.isSilent = true
        pair.settle()
        pair.b.isSilent = false
        #expect(pair.row(first)?.state == .published)
        #expect(Set(tokens.compactMap { pair.row($0)?.shipment }).count == 1)
        #expect(tokens.allSatisfy { pair.row($0)?.state == .published })
        pair.forgetPublished()
        return (pair, tokens)
    }

    /// The messages of the first board in which this shipment went.
    private func copies(_ pair: Pair, of shipment: Shipment) -> [ReliableMessage] {
        pair.messages(from: 0, to: hulk.id.address).filter { Digest.sha256($0.secure.data) == shipment.digest }
    }

    @Test("what waits while a message is sealed goes in one, with one signature and one receipt, and each is delivered")
    func together() throws {
        let pair = Pair.friends()
        let tokens = (0..<10).map { pair.send("\($0)", ref: "r\($0)") }
        #expect(pair.jobCount == 1 && pair.a.answers.isEmpty)
        let before = pair.a.messenger.counts.signatures
        pair.settle()
        #expect(try texts(pair) == [["0"], (1...9).map { "\($0)" }])
        #expect(pair.a.messenger.counts.signatures == before + 1)
        #expect(pair.b.texts == (0...9).map { "\($0)" })
        #expect(pair.b.ledger.state.accepted.count == 2)
        let rows = try tokens.map { try #require(pair.row($0)) }
        #expect(rows.allSatisfy { pair.a.states[$0.id] == [.queued, .published, .delivered] })
        #expect(rows.map(\.order) == rows.map(\.order).sorted())
        #expect(tokens.allSatisfy { pair.isSpent($0) })
        let counts = pair.a.messenger.counts
        #expect((counts.accepted, counts.sealed, counts.published, counts.delivered) == (10, 10, 10, 10))
        // Each has its own number, serial number and time, and nothing of the message around it.
        let inside = try contents(pair).flatMap { $0 }
        #expect(inside.map { $0.json["seq"]?["n"]?.integer } == (1...10).map { Int64($0) })
        #expect(inside.map(\.sn) == rows.map(\.sn))
        #expect(inside.allSatisfy { $0.time == Pair.start && $0.json["seq"]?["waited"] == nil })
        #expect(pair.b.inbox.map(\.sn) == rows.map(\.sn))
        #expect(pair.a.book.state.sending.values.map(\.uses) == [2])
    }

    @Test("a thousand that come while one is sealed go in order, as many in a message as the peer takes")
    func thousand() throws {
        let pair = Pair.friends()
        for number in 0...1000 { pair.send("\(number)") }
        pair.settle()
        pair.advance(5)
        #expect(pair.b.texts == (0...1000).map { "\($0)" })
        #expect(try texts(pair).map(\.count) == [1] + [Int](repeating: 64, count: 15) + [40])
        #expect(pair.a.ledger.state.outgoing.allSatisfy { $0.state == .delivered })
        #expect(pair.a.ledger.outboxSize() == (0, 0))
    }

    @Test("as many share a message as the peer's visa says", arguments: [(0, 6), (1, 6), (2, 4), (64, 2)])
    func visa(batch: Int64, messages: Int) throws {
        let pair = Pair.friends()
        var visa = try hulk.visa(time: People.time + 1)
        if batch > 0 {
            visa = try Document(
                kind: "visa", about: hulk.id,
                properties: ["key": hulk.visaKeys[0].publicKey.json, "culver": ["v": 1, "batch": .integer(batch)]],
                time: People.time + 1, signedBy: hulk.secret)
        }
        pair.a.befriend(hulk, visa: visa)
        for number in 0..<6 { pair.send("\(number)") }
        pair.settle()
        #expect(try texts(pair).count == messages)
        #expect(try texts(pair).flatMap { $0 } == (0..<6).map { "\($0)" })
        #expect(pair.b.texts == (0..<6).map { "\($0)" })
    }

    @Test("to a stock peer each goes alone, under a key of its own, and without anything of ours but the seal")
    func stock() throws {
        let pair = Pair.friends()
        pair.a.befriend(hulk, isCulver: false, visa: People.stockHulk)
        for number in 0..<5 { pair.send("\(number)") }
        #expect(pair.jobCount == 5)
        pair.settle()
        let messages = pair.messages(from: 0, to: hulk.id.address)
        #expect(Set(messages.flatMap { $0.secure.keys.map(\.bytes) }).count == 5)
        #expect(
            try contents(pair).allSatisfy {
                $0.count == 1 && Set($0[0].json.names) == ["type", "sn", "time", "text", "seal"]
            })
    }

    @Test("what travels alone is sealed alone, and keeps its place among the others")
    func alone() throws {
        let pair = Pair.friends()
        for text in ["a", "b", "c"] { pair.send(text) }
        pair.submit(.command, ["command": "mute", "text": "command"])
        for text in ["d", "e"] { pair.send(text) }
        pair.settle()
        #expect(try texts(pair) == [["a"], ["b", "c"], ["command"], ["d", "e"]])
    }

    @Test(
        "what was written under another clock shares no message, and keeps nothing back",
        arguments: [-90_000.0, 90_000])
    func clocks(error: Double) throws {
        let pair = Pair.friends()
        for number in 0..<3 { pair.send("\(number)") }
        pair.a.clockError = error
        let wrong = pair.send("wrong")
        pair.a.clockError = 0
        let tokens = (3..<6).map { pair.send("\($0)") }
        pair.settle()
        #expect(try texts(pair) == [["0"], ["1", "2"], ["wrong"], ["3", "4", "5"]])
        #expect(tokens.allSatisfy { pair.row($0)?.state == .delivered })
        #expect(pair.row(wrong)?.state == (error > 0 ? .published : .delivered))
    }

    @Test("a batch that is sealed under a wrong clock has the time of what is in it")
    func sealedUnderAnotherClock() throws {
        let pair = Pair.friends()
        let tokens = (0..<3).map { pair.send("\($0)") }
        pair.a.clockError = 1e8
        pair.settle()
        pair.a.clockError = 0
        pair.advance(60)
        #expect(tokens.allSatisfy { pair.row($0)?.state == .delivered })
        #expect(pair.b.rejections.isEmpty)
    }

    @Test("a program cannot make a batch of its own")
    func reserved() throws {
        let pair = Pair.friends()
        // A batch would be refused for what is in it.
        let inner: JSON = ["type": 202, "sn": 5, "time": .number(Pair.start), "contents": ["inner"]]
        pair.submit(.array, ["batch": true, "contents": [inner]])
        pair.settle()
        #expect(pair.b.inbox.map(\.type) == [202] && pair.b.rejections.isEmpty)
    }

    @Test("what the receiver's visa says that it takes holds for a batch: nothing fails that would have gone alone")
    func receiverTakesLess() throws {
        let pair = Pair.friends()
        let limit = ProtocolLimits.leastMessageSize
        let abilities = Abilities(batch: 64, takesAcknowledgements: true, size: limit)
        pair.a.befriend(hulk, visa: try hulk.visa(saying: abilities, time: People.time + 1))
        let long = String(repeating: "x", count: 1_000)
        let tokens = (0..<20).map { pair.send("\($0) \(long)") }
        // Each goes twice: a repeat is looked at once more.
        pair.trouble.lost = 1
        pair.settle()
        pair.trouble.lost = 0
        pair.advance(60)
        #expect(tokens.allSatisfy { pair.row($0)?.state == .delivered })
        let sent = pair.published.filter { $0.board == 0 && $0.parcel.topic == .inbox(hulk.id.address) }
        #expect(sent.allSatisfy { Int64($0.parcel.payload.count) <= limit })
        #expect(try texts(pair).contains { $0.count > 1 })
    }

    @Test("what is sealed while no broker is there goes through one that takes little")
    func sealedOffline() throws {
        let pair = Pair.friends()
        pair.unlink(0)
        let long = String(repeating: "x", count: 2_000)
        let tokens = (0..<30).map { pair.send("\($0) \(long)") }
        pair.settle()
        #expect(tokens.allSatisfy { pair.row($0)?.state == .queued })
        pair.packetLimit = ProtocolLimits.leastMessageSize + Int64(Tuning.packetOverhead)
        pair.link(0)
        pair.settle()
        pair.advance(60)
        #expect(tokens.allSatisfy { pair.row($0)?.state == .delivered })
    }

    @Test("the brokers' limit holds for a batch, and no content is too large to go alone")
    func size() throws {
        let pair = Pair([Board([moki]), Board([hulk], seed: 2)])
        pair.a.befriend(hulk)
        pair.b.befriend(moki)
        pair.packetLimit = 64 << 10
        pair.linkAll()
        pair.forgetPublished()
        let long = String(repeating: "x", count: 9_000)
        for number in 0..<20 { pair.send("\(number) \(long)") }
        pair.settle()
        pair.advance(5)
        #expect(pair.b.texts.count == 20)
        let sizes = pair.published.filter { $0.board == 0 && $0.parcel.topic == .inbox(hulk.id.address) }
        #expect(sizes.allSatisfy { $0.parcel.payload.count <= 64 << 10 })
        #expect((4...10).contains(sizes.count))
    }

    @Test("a repeat is the same message, and one receipt closes all of it")
    func repeats() throws {
        let (pair, tokens) = try lost()
        let sent = try #require(pair.shipment(tokens[0]))
        pair.advance(11)
        #expect(copies(pair, of: sent).map(\.signature) == [sent.signature])
        #expect(tokens.allSatisfy { pair.row($0)?.state == .delivered && pair.row($0)?.attempts == 2 })
        #expect(pair.b.texts == ["first", "1", "2", "3"])
        #expect(pair.a.messenger.counts.repeats == 2)
    }

    @Test("a message that is cancelled inside a batch ends alone: the others go on, and it does not come back")
    func cancelledInside() throws {
        let (pair, tokens) = try lost()
        let row = try #require(pair.row(tokens[1]))
        pair.feed(0, .cancelled(id: row.id, token: 99))
        #expect(tokens.map { pair.row($0)?.state } == [.published, .cancelled, .published])
        pair.advance(11)
        // What was sealed is inside: nothing takes it out of the ciphertext.
        #expect(pair.b.texts == ["first", "1", "2", "3"])
        #expect(tokens.map { pair.row($0)?.state } == [.delivered, .cancelled, .delivered])
        #expect(pair.isSpent(tokens[1]))
    }

    @Test("when the last of a batch has ended it is sent no more", arguments: [true, false])
    func allEnded(byOwner: Bool) throws {
        let (pair, tokens) = try lost(3)
        let sent = try #require(pair.shipment(tokens[0]))
        if byOwner {
            for token in tokens {
                #expect(!pair.isSpent(token))
                pair.feed(0, .cancelled(id: try #require(pair.row(token)).id, token: 99))
            }
        } else {
            pair.a.book.state.identities = []
            pair.feed(0, .identityGone(moki.id))
        }
        #expect(tokens.allSatisfy { pair.isSpent($0) && pair.row($0)?.state == (byOwner ? .cancelled : .failed) })
        #expect(pair.a.ledger.outboxSize().count == (byOwner ? 1 : 0))
        pair.advance(100_000)
        #expect(copies(pair, of: sent).isEmpty)
        #expect(pair.b.texts == (byOwner ? ["first"] : []))
    }

    @Test("a message inside a batch expires at its own time, and a late receipt of the batch still delivers it")
    func expiredInside() throws {
        let (pair, tokens) = try lost(expiry: 60)
        pair.trouble.lost = 1
        pair.advance(59)
        #expect(tokens.map { pair.row($0)?.state } == [.published, .published, .published])
        pair.advance(2)
        #expect(tokens.map { pair.row($0)?.state } == [.expired, .published, .published])
        pair.trouble.lost = 0
        pair.advance(600)
        #expect(tokens.map { pair.row($0)?.state } == [.delivered, .delivered, .delivered])
    }

    @Test("a message inside a batch expires at its own time without any broker, and the daemon sleeps until then")
    func expiredOffline() throws {
        let pair = Pair.friends()
        pair.unlink(0)
        let tokens = (0..<4).map { pair.send("\($0)", expiry: Double($0) * 100 + 100) }
        pair.settle()
        let ticks = pair.a.ticks
        pair.advance(250)
        #expect(tokens.map { pair.row($0)?.state } == [.expired, .expired, .queued, .queued])
        pair.advance(1000)
        #expect(tokens.allSatisfy { pair.row($0)?.state == .expired && pair.isSpent($0) })
        #expect(pair.a.ticks - ticks < 10)
    }

    @Test("a receiver whose inbox is full takes nothing of a batch, and all of it later")
    func fullInbox() throws {
        let pair = Pair.friends()
        pair.b.ledger.inboxLimit = 1
        let tokens = (0..<4).map { pair.send("\($0)") }
        pair.settle()
        #expect(pair.b.texts == ["0"])
        #expect(tokens.map { pair.row($0)?.state } == [.delivered, .published, .published, .published])
        pair.b.ledger.inboxLimit = 100
        pair.advance(60)
        #expect(pair.b.texts == ["0", "1", "2", "3"])
        #expect(tokens.allSatisfy { pair.row($0)?.state == .delivered })
    }

    @Test("what a broker says of a batch is said of each message in it")
    func brokersWord() throws {
        let pair = Pair.friends()
        pair.outcome = .refused("not authorized")
        let tokens = (0..<3).map { pair.send("\($0)") }
        pair.settle()
        #expect(tokens.allSatisfy { pair.row($0)?.reason == "broker-refused: not authorized" })
        #expect(tokens.allSatisfy { pair.row($0)?.state == .queued })
        pair.outcome = nil
        pair.advance(60)
        #expect(tokens.allSatisfy { pair.row($0)?.state == .delivered && pair.row($0)?.reason == nil })
    }

    @Test("a batch on its way to a broker that is lost goes again")
    func brokerLost() throws {
        let pair = Pair.friends()
        pair.isAcknowledging = false
        pair.trouble.lost = 1
        let tokens = (0..<3).map { pair.send("\($0)") }
        pair.settle()
        #expect(tokens.allSatisfy { pair.row($0)?.state == .queued && pair.row($0)?.attempts == 1 })
        pair.unlink(0)
        (pair.isAcknowledging, pair.trouble.lost) = (true, 0)
        pair.link(0)
        pair.settle()
        #expect(pair.b.texts == ["0", "1", "2"])
        #expect(tokens.allSatisfy { pair.row($0)?.state == .delivered })
    }

    // MARK: - Peers change

    @Test("what was sealed alone stays alone when the peer learns batches; the next go together")
    func learned() throws {
        let pair = Pair.friends()
        pair.a.befriend(hulk, visa: try hulk.visa(time: People.time - 1))
        pair.trouble.lost = 1
        for number in 0..<3 { pair.send("old \(number)") }
        pair.settle()
        pair.trouble.lost = 0
        pair.a.befriend(hulk)
        for number in 0..<3 { pair.send("new \(number)") }
        pair.settle()
        pair.forgetPublished()
        pair.advance(60)
        #expect(try texts(pair).allSatisfy { $0.count == 1 })
        #expect(Set(pair.b.texts) == Set((0..<3).flatMap { ["old \($0)", "new \($0)"] }))
        #expect(pair.b.texts.count == 6)
        #expect(pair.a.ledger.state.outgoing.allSatisfy { $0.state == .delivered })
        #expect(Set(pair.a.ledger.state.outgoing.compactMap(\.shipment)).count == 5)
    }

    @Test("what was sealed together stays together when the peer takes no batches any more; the next go alone")
    func unlearned() throws {
        let (pair, tokens) = try lost()
        pair.a.befriend(hulk, visa: try hulk.visa(time: People.time + 1))
        for number in 4..<7 { pair.send("\(number)") }
        pair.settle()
        #expect(try texts(pair) == [["4"], ["5"], ["6"]])
        pair.advance(60)
        #expect(tokens.allSatisfy { pair.row($0)?.state == .delivered })
        #expect(Set(pair.b.texts) == Set(["first"] + (1..<7).map { "\($0)" }))
    }

    @Test("what gathers goes alone when the ability is gone by then")
    func unlearnedMeanwhile() throws {
        let pair = Pair.friends()
        for number in 0..<4 { pair.send("\(number)") }
        pair.a.befriend(hulk, visa: try hulk.visa(time: People.time + 1))
        pair.settle()
        #expect(try texts(pair) == (0..<4).map { ["\($0)"] })
        #expect(pair.b.texts == (0..<4).map { "\($0)" })
    }

    @Test("between two repeats the receiver has another key: the batch is wrapped for it, and is the same")
    func rotated() throws {
        let (pair, tokens) = try lost()
        let old = pair.b.identity
        let key = People.spareKeys[0]
        let visa = try Document.visa(
            of: old.id, name: nil, key: key.publicKey, time: pair.now.wall, signedBy: old.secret)
        pair.b.book.state.identities[0] = Identity(
            id: old.id, meta: old.meta, secret: old.secret, visa: visa, visaKeys: [key])
        pair.feed(1, .identitiesChanged)
        pair.a.befriend(pair.b.book.identities[0])
        let sent = try #require(pair.shipment(tokens[0]))
        pair.forgetPublished()
        pair.advance(11)
        #expect(pair.b.texts == ["first", "1", "2", "3"])
        #expect(copies(pair, of: sent).count == 1)
        #expect(tokens.allSatisfy { pair.row($0)?.state == .delivered })
    }

    @Test("the contact goes while contents gather: they wait for a key on disk, and are answered")
    func forgotten() throws {
        let pair = Pair.friends()
        let tokens = (0..<3).map { pair.send("\($0)", ref: "r\($0)") }
        let joined = pair.send("2", ref: "r2")
        pair.feed(0, .forgot(hulk.id))
        pair.feedSome(1)
        #expect(tokens.map { pair.row($0)?.state } == [.queued, .waiting, .waiting])
        #expect(pair.row(joined)?.id == pair.row(tokens[2])?.id)
        pair.feed(0, .befriended(hulk.id))
        pair.settle()
        pair.putCard(of: hulk)
        pair.advance(700)
        #expect(tokens.allSatisfy { pair.row($0)?.state == .delivered })
        #expect(Set(pair.b.texts) == ["0", "1", "2"])
    }

    // MARK: - Power, pool and disk

    @Test("power that is cut while contents gather loses only what nobody was told is accepted")
    func powerCut() throws {
        let pair = Pair.friends()
        let tokens = (0..<5).map { pair.send("\($0)", ref: "r\($0)") }
        pair.feedSome(1)
        #expect(tokens.map { pair.row($0) != nil } == [true, false, false, false, false])
        pair.restart(0)
        pair.settle()
        let again = (0..<5).map { pair.send("\($0)", ref: "r\($0)") }
        pair.settle()
        pair.advance(60)
        #expect(again.allSatisfy { pair.row($0)?.state == .delivered })
        #expect(pair.b.texts.sorted() == (0..<5).map { "\($0)" })
        #expect(!pair.b.ledger.state.events.contains { $0.kind == .gap || $0.kind == .clone })
    }

    @Test("a batch that lay on disk is repeated after a power cut")
    func restarted() throws {
        let (pair, tokens) = try lost()
        pair.restart(0)
        pair.advance(60)
        #expect(pair.b.texts == ["first", "1", "2", "3"])
        #expect(tokens.allSatisfy { pair.row($0)?.state == .delivered })
    }

    @Test("what gathers counts for the size of the outbox")
    func outboxFull() throws {
        let pair = Pair.friends()
        pair.a.policy.outboxCount = 3
        pair.trouble.lost = 1
        let tokens = (0..<5).map { pair.send("\($0)") }
        pair.settle()
        #expect(tokens.map { pair.row($0) != nil } == [true, true, true, false, false])
        #expect(pair.a.messenger.counts.outboxFull == 2)
    }

    @Test("a caller that asks again for what gathers is answered with it")
    func joined() throws {
        let pair = Pair.friends()
        pair.send("0")
        let tokens = ["1", "2", "2", "3"].map { pair.send($0, ref: "r\($0)") }
        pair.settle()
        #expect(pair.row(tokens[1])?.id == pair.row(tokens[2])?.id)
        #expect(pair.b.texts == ["0", "1", "2", "3"])
    }

    @Test("a batch that the pool cannot seal is refused as a whole, and the next goes on")
    func cannotSeal() throws {
        let pair = Pair.friends()
        let tokens = (0..<3).map { pair.send("\($0)") }
        pair.feedSome(1)
        pair.failNextSeal = true
        let next = pair.send("next")
        pair.settle()
        #expect(tokens.map { pair.row($0) != nil } == [true, false, false])
        for token in tokens.dropFirst() {
            guard case .refused(let refusal)? = pair.a.answers[token] else { Issue.record("accepted"); continue }
            #expect(refusal.reason == "cannot-seal")
        }
        #expect(pair.row(next)?.state == .delivered)
        #expect(pair.a.ledger.outboxSize() == (0, 0))
    }

    @Test("a disk that is full refuses what was sealed and what gathered behind it, and then goes on")
    func diskFull() throws {
        let pair = Pair.friends()
        let tokens = (0..<4).map { pair.send("\($0)", ref: "r\($0)") }
        pair.a.ledger.isFull = true
        pair.settle()
        for token in tokens {
            guard case .refused(let refusal)? = pair.a.answers[token] else { Issue.record("accepted"); continue }
            #expect(refusal.reason == "disk-full")
        }
        pair.a.ledger.isFull = false
        let again = (0..<4).map { pair.send("\($0)", ref: "r\($0)") }
        pair.settle()
        #expect(again.allSatisfy { pair.row($0)?.state == .delivered })
        #expect(pair.b.texts == ["0", "1", "2", "3"])
        pair.advance(1000)
        #expect(!pair.b.ledger.state.events.contains { $0.kind == .gap })
    }

    @Test("what had waited and could not be written keeps its place before what waits behind it")
    func keepsItsPlace() throws {
        let (pair, tokens) = try waiting(100)
        // The first is with the pool, then those behind it are.
        while pair.a.ledger.state.shipments.isEmpty { pair.feedSome(1) }
        pair.a.ledger.isFull = true
        pair.settle()
        pair.a.ledger.isFull = false
        pair.settle()
        pair.advance(60)
        #expect(tokens.allSatisfy { pair.row($0)?.state == .delivered })
        #expect(pair.b.texts == (0..<100).map { "\($0)" })
    }

    // MARK: - What waited for a key

    /// Rows that wait on disk, and whose card is there now.
    private func waiting(_ count: Int) throws -> (Pair, tokens: [UInt64]) {
        let pair = Pair([Board([moki]), Board([hulk], seed: 2)])
        pair.b.policy.strangers = .open
        pair.link(0)
        let tokens = (0..<count).map { pair.send("\($0)") }
        pair.settle()
        #expect(tokens.allSatisfy { pair.row($0)?.state == .waiting })
        pair.link(1)
        while pair.jobCount == 0 || pair.a.book.visa(of: hulk.id) == nil, let step = pair.nextStep() { step() }
        return (pair, tokens)
    }

    @Test("what waited for a key shares messages, and each says that it waited")
    func waited() throws {
        let (pair, tokens) = try waiting(9)
        pair.settle()
        pair.advance(60)
        #expect(tokens.allSatisfy { pair.row($0)?.state == .delivered })
        #expect(pair.b.texts == (0..<9).map { "\($0)" })
        let inside = try contents(pair).filter { $0[0].json["text"] != nil }
        #expect(inside.map(\.count).max() ?? 0 > 1)
        #expect(inside.flatMap { $0 }.allSatisfy { $0.json["seq"]?["waited"]?.bool == true })
    }

    @Test("a waiting message that is cancelled while its batch is sealed is in nothing that leaves")
    func cancelledInThePool() throws {
        let (pair, tokens) = try waiting(6)
        // The first is with the pool, then the others are.
        while pair.a.ledger.state.shipments.isEmpty { pair.feedSome(1) }
        let row = try #require(pair.row(tokens[3]))
        #expect(row.state == .waiting)
        pair.feed(0, .cancelled(id: row.id, token: 99))
        pair.settle()
        pair.advance(60)
        #expect(try !texts(pair).contains { $0.contains("3") })
        #expect(pair.b.texts == ["0", "1", "2", "4", "5"])
        #expect(tokens.map { pair.row($0)?.state == .delivered } == [true, true, true, false, true, true])
    }

    @Test("what gathers behind a batch that goes nowhere is answered, and goes when its key is there again")
    func gatheredBehindNothing() throws {
        let (pair, tokens) = try waiting(6)
        while pair.a.ledger.state.shipments.isEmpty { pair.feedSome(1) }
        let behind = pair.send("behind")
        let row = try #require(pair.row(tokens[3]))
        #expect(row.state == .waiting && pair.a.answers[behind] == nil)
        pair.feed(0, .cancelled(id: row.id, token: 99))
        pair.feed(0, .forgot(hulk.id))
        pair.settle()
        guard case .accepted? = pair.a.answers[behind] else { return #expect(Bool(false), "nobody was answered") }
        pair.feed(0, .befriended(hulk.id))
        pair.settle()
        pair.advance(700)
        #expect(pair.row(behind)?.state == .delivered)
        #expect(Set(pair.b.texts) == ["0", "1", "2", "4", "5", "behind"])
    }
}
