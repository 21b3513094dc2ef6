import Agent
import DIMP
import Format
import Records
import Testing

@Suite("From submission to receipt")
struct DeliveryTests {
    @Test("a message is delivered by the verified receipt of its receiver")
    func delivered() throws {
        let pair = Pair.friends()
        let token = pair.send("hello")
        pair.settle()
        let row = try #require(pair.row(token))
        #expect(row.state == .delivered)
        #expect(pair.isSpent(token))
        #expect(pair.b.texts == ["hello"])
        #expect(pair.b.inbox.first?.sealed == true)
        #expect(pair.b.inbox.first?.encrypted == true)
        #expect(pair.b.inbox.first?.trust == .contact)
        #expect(pair.a.states[row.id] == [.queued, .published, .delivered])
    }

    @Test(
        "a message by ID alone waits for the directory and goes when meta and visa are there", arguments: [true, false])
    func byIDAlone(metaFirst: Bool) throws {
        let pair = Pair([Board([People.moki]), Board([People.hulk], seed: 2)])
        pair.b.policy.strangers = .open
        pair.link(0)
        pair.settle()
        let token = pair.send("to a stranger")
        #expect(pair.row(token)?.state == .waiting)
        pair.advance(60)
        #expect(pair.row(token)?.state == .waiting)
        let meta = JSON.object(People.hulk.meta.json).bytes
        let visa = JSON.object(People.hulk.visa.json).bytes
        let places: [(Topic, [UInt8])] = [(.meta(pair.b.id.address), meta), (.visa(pair.b.id.address), visa)]
        for (place, bytes) in metaFirst ? places : places.reversed() {
            #expect(pair.row(token)?.state == .waiting)
            pair.put(bytes, at: place)
        }
        #expect(pair.row(token)?.state == .queued)
        pair.link(1)
        pair.settle()
        pair.advance(60)
        #expect(pair.row(token)?.state == .delivered)
        #expect(pair.b.texts == ["to a stranger"])
        #expect(pair.a.book.contact(pair.b.id.address)?.trust == .contact)
    }

    @Test("both boards on one broker need nothing but the ID")
    func onlyTheBroker() throws {
        let pair = Pair([Board([People.moki]), Board([People.hulk], seed: 2)])
        pair.b.policy.strangers = .open
        pair.linkAll()
        let token = pair.send("by ID alone")
        pair.settle()
        #expect(pair.row(token)?.state == .delivered)
        #expect(pair.b.texts == ["by ID alone"])
        #expect(pair.a.book.contact(pair.b.id.address)?.isCulver == true)
    }

    @Test("where the directory is silent the peer itself is asked, and its answer releases what waits")
    func askedPeer() throws {
        let pair = Pair([Board([People.moki]), Board([People.hulk], seed: 2)])
        pair.b.policy.strangers = .open
        pair.linkAll()
        for place in [Topic.meta(pair.b.id.address), .visa(pair.b.id.address)] { pair.put([], at: place) }
        pair.forgetPublished()
        let token = pair.send("anybody there?")
        pair.put([], at: .meta(pair.b.id.address))
        pair.put([], at: .visa(pair.b.id.address))
        pair.settle()
        pair.advance(10)
        #expect(pair.row(token)?.state == .delivered)
        #expect(pair.b.texts == ["anybody there?"])
    }

    @Test("a meta without a visa will do after some patience")
    func metaAlone() throws {
        let pair = Pair([Board([People.moki]), Board([People.hulk], seed: 2)])
        pair.link(0)
        pair.settle()
        let token = pair.send("patience")
        pair.put(JSON.object(People.hulk.meta.json).bytes, at: .meta(pair.b.id.address))
        pair.advance(29)
        #expect(pair.row(token)?.state == .waiting)
        pair.advance(2)
        #expect(pair.row(token)?.state == .queued)
    }

    @Test("patience begins when somebody can be asked, not while no broker is there")
    func patienceOffline() throws {
        let pair = Pair([Board([People.moki]), Board([People.hulk], seed: 2)])
        pair.a.book.apply(.meta(People.hulk.meta, of: People.hulk.id))
        let token = pair.send("much later")
        pair.advance(5000)
        pair.link(0)
        pair.advance(29)
        #expect(pair.row(token)?.state == .waiting)
        pair.advance(2)
        #expect(pair.row(token)?.state == .queued)
    }

    @Test("a row that two brokers release is sealed once")
    func releasedTwice() throws {
        let pair = Pair([Board([People.moki]), Board([People.hulk], seed: 2)], brokers: ["cloud", "lan"])
        pair.b.policy.strangers = .open
        pair.link(0, "cloud")
        pair.link(0, "lan")
        let token = pair.send("once")
        let visa = JSON.object(People.hulk.visa.json).bytes
        pair.put(JSON.object(People.hulk.meta.json).bytes, at: .meta(pair.b.id.address), on: "cloud")
        // Both are shown before the pool is done.
        pair.feed(0, .found(.visa(pair.b.id.address), visa, broker: "cloud"))
        pair.feed(0, .found(.visa(pair.b.id.address), visa, broker: "lan"))
        #expect(pair.jobCount == 1)
        pair.link(1, "cloud")
        pair.link(1, "lan")
        pair.settle()
        pair.advance(120)
        #expect(pair.b.texts == ["once"])
        #expect(pair.row(token)?.state == .delivered)
    }

    @Test("messages to one peer leave in the order of their submission")
    func inOrder() throws {
        let pair = Pair.friends()
        let words = (0..<30).map { "number \($0)" }
        for word in words { pair.send(word) }
        pair.settle()
        #expect(pair.b.texts == words)
    }

    @Test("many that waited are sealed a few at a time, in order, and what is sent meanwhile comes behind them")
    func releasedInPortions() throws {
        let pair = Pair([Board([People.moki]), Board([People.hulk], seed: 2)])
        pair.b.policy.strangers = .open
        pair.link(0)
        for number in 0..<100 { pair.send("\(number)") }
        pair.settle()
        pair.put(JSON.object(People.hulk.meta.json).bytes, at: .meta(pair.b.id.address))
        let visa = JSON.object(People.hulk.visa.json).bytes
        let place = Topic.visa(pair.b.id.address)
        pair.feed(0, .found(place, visa, broker: "home"))
        // The pool checks the visa.
        #expect(pair.jobCount == 1)
        let effects = pair.effectsOfNextJob()
        let jobs = effects.compactMap { effect -> Job? in if case .work(let job) = effect { job } else { nil } }
        #expect((1...64).contains(jobs.count))
        // Their results are lost with the power, and nothing with them.
        pair.restart(0)
        let last = pair.send("100")
        #expect(pair.row(last)?.state == .waiting)
        #expect((1...64).contains(pair.jobCount))
        pair.link(1)
        pair.settle()
        pair.advance(60)
        #expect(pair.b.texts == (0...100).map { "\($0)" })
        #expect(pair.a.ledger.state.outgoing.allSatisfy { $0.state == .delivered })
    }

    @Test("our card rides along until the peer shows that it knows us")
    func card() throws {
        let pair = Pair.friends()
        pair.a.befriend(People.hulk, knowsUs: false)
        pair.trouble.lost = 1
        pair.send("one")
        pair.settle()
        pair.trouble.lost = 0
        pair.advance(10)
        pair.send("two")
        pair.settle()
        let cards = pair.messages(from: 0, to: pair.b.id.address).map { $0.meta != nil && $0.visa != nil }
        #expect(cards == [true, true, false])
    }

    @Test("messages to a culver peer carry a sequence that rises by one, receipts and stock messages none")
    func sequence() throws {
        let pair = Pair.friends()
        for number in 0..<3 {
            pair.send("\(number)", wantsSignedReceipt: true)
            pair.settle()
        }
        func sequences(_ messages: [ReliableMessage], _ reader: Identity) throws -> [JSON?] {
            try messages.map { message in
                let key = try message.secure.unwrapped(for: reader.id, with: reader.decryptionKeys).key
                return try message.secure.decrypted(with: key).content.json["seq"]
            }
        }
        let sent = try sequences(pair.messages(from: 0, to: pair.b.id.address), People.hulk)
        #expect(sent.map { $0?["n"]?.integer } == [1, 2, 3])
        #expect(Set(sent.map { $0?["s"]?.string ?? "" }).count == 1)
        #expect(sent.allSatisfy { $0?["s"]?.string?.isEmpty == false })
        let receipts = pair.messages(from: 1, to: pair.a.id.address)
        #expect(!receipts.isEmpty)
        #expect(try sequences(receipts, People.moki).allSatisfy { $0 == nil })
        pair.a.befriend(People.carol, isCulver: false, visa: try People.carol.visa(time: People.time, isStock: true))
        pair.send("stock", to: People.carol.id)
        pair.settle()
        #expect(try sequences(pair.messages(from: 0, to: People.carol.id.address), People.carol) == [nil])
        #expect(pair.b.inbox.allSatisfy { !$0.content.contains("seq") && !$0.content.contains("seal") })
    }

    @Test("a program cannot set what the agent sets")
    func reserved() throws {
        let pair = Pair.friends()
        let token = pair.submit(
            .text, ["type": 136, "sn": 1, "time": 5, "seal": "x", "seq": ["n": 99], "text": "mine"])
        pair.settle()
        let row = try #require(pair.row(token))
        #expect(row.state == .delivered)
        #expect(pair.b.inbox.first?.type == 1)
        #expect(pair.b.inbox.first?.sn == row.sn)
        #expect(pair.b.inbox.first?.time == Pair.start)
    }

    @Test("an expired message ends, and a late receipt still delivers it")
    func expires() throws {
        let pair = Pair.friends()
        pair.trouble.lost = 1
        let token = pair.send("too late", expiry: 100)
        pair.advance(99)
        #expect(pair.row(token)?.state == .published)
        pair.advance(2)
        #expect(pair.row(token)?.state == .expired)
        #expect(pair.isSpent(token))
        let message = try #require(pair.messages(from: 0, to: pair.b.id.address).first)
        pair.trouble.lost = 0
        pair.lay(message)
        #expect(pair.row(token)?.state == .delivered)
    }

    @Test("an expired message that no broker has taken ends while none is there")
    func expiresOffline() throws {
        let pair = Pair.friends()
        pair.unlink(0)
        let token = pair.send("nobody", expiry: 100)
        pair.advance(8000)
        #expect(pair.row(token)?.state == .expired)
        #expect(pair.a.ticks < 10)
    }

    @Test("a cancelled message ends and is not sent again; a receipt does not bring it back")
    func cancels() throws {
        let pair = Pair.friends()
        pair.trouble.lost = 1
        let token = pair.send("never mind")
        pair.settle()
        let row = try #require(pair.row(token))
        pair.feed(0, .cancelled(id: row.id, token: 77))
        #expect(pair.a.answers[77] == .accepted(id: row.id, sn: row.sn, state: "cancelled", isRepeat: false))
        let count = pair.messages(from: 0, to: pair.b.id.address).count
        pair.advance(1000)
        #expect(pair.messages(from: 0, to: pair.b.id.address).count == count)
        pair.trouble.lost = 0
        pair.lay(try #require(pair.messages(from: 0, to: pair.b.id.address).first))
        #expect(pair.row(token)?.state == .cancelled)
        pair.feed(0, .cancelled(id: row.id, token: 78))
        guard case .refused(let refusal)? = pair.a.answers[78] else { Issue.record("cancelled twice"); return }
        #expect(refusal.kind == .ended)
    }

    @Test("what is delivered cannot be called back, and says so")
    func cancelsDelivered() throws {
        let pair = Pair.friends()
        let token = pair.send("x")
        pair.settle()
        let row = try #require(pair.row(token))
        #expect(row.state == .delivered)
        pair.feed(0, .cancelled(id: row.id, token: 77))
        guard case .refused(let refusal)? = pair.a.answers[77] else { Issue.record("cancelled"); return }
        #expect(refusal.kind == .exists && refusal.reason == "ended")
        #expect(pair.row(token)?.state == .delivered)
    }

    @Test("a waiting message that is cancelled while the pool seals it is not sent")
    func cancelledInThePool() throws {
        let pair = Pair([Board([People.moki]), Board([People.hulk], seed: 2)])
        pair.linkAll()
        pair.dropJobs()
        pair.unlink(0)
        let token = pair.send("quick")
        let row = try #require(pair.row(token))
        #expect(row.state == .waiting)
        pair.link(0)
        while pair.jobCount == 0, let step = pair.nextStep() { step() }
        #expect(pair.jobCount == 1)
        pair.feed(0, .cancelled(id: row.id, token: 5))
        pair.settle()
        pair.advance(100)
        #expect(pair.row(token)?.state == .cancelled)
        #expect(pair.messages(from: 0, to: pair.b.id.address).isEmpty)
    }

    @Test("a message that the pool cannot seal is refused and leaves nothing")
    func cannotSeal() throws {
        let pair = Pair.friends()
        pair.failNextSeal = true
        let token = pair.send("no")
        pair.settle()
        guard case .refused(let refusal)? = pair.a.answers[token] else { Issue.record("accepted"); return }
        #expect(refusal.reason == "cannot-seal")
        #expect(pair.a.ledger.state.outgoing.isEmpty)
        let next = pair.send("yes")
        pair.settle()
        #expect(pair.row(next)?.state == .delivered)
    }

    @Test("a message to an identity of one's own arrives and is delivered")
    func toOneself() throws {
        let pair = Pair.friends()
        let token = pair.send("note", to: pair.a.id)
        pair.settle()
        #expect(pair.row(token)?.state == .delivered)
        #expect(pair.a.texts == ["note"])
        #expect(pair.a.inbox.first?.trust == .verified)
        #expect(pair.a.book.contact(pair.a.id.address) == nil)
    }

    @Test("a blocked contact, a group without members and an unknown sender are refused with their reasons")
    func refusals() throws {
        let pair = Pair.friends()
        pair.a.book.apply(.contact(Contact(id: pair.b.id, trust: .contact, isBlocked: true)))
        let group = try #require(pair.a.identity.meta.id(network: 16))
        func reason(_ token: UInt64) -> String? {
            if case .refused(let refusal)? = pair.a.answers[token] { refusal.reason } else { nil }
        }
        #expect(reason(pair.send("x")) == "blocked")
        #expect(reason(pair.send("x", to: group)) == "unknown-group")
        #expect(reason(pair.send("x", to: pair.a.id, expiry: -1)) == "bad-expiry")
        #expect(reason(pair.send("x", to: pair.a.id, expiry: 14 * 86_400 + 1)) == "bad-expiry")
        #expect(reason(pair.send(String(repeating: "x", count: 1 << 20), to: pair.a.id)) == "too-large")
        pair.feed(
            0,
            .submitted(
                Submission(token: 99, sender: pair.b.id, receiver: pair.a.id, type: .text, members: ["text": "x"])))
        #expect(reason(99) == "unknown-identity")
        #expect(pair.a.ledger.state.outgoing.isEmpty)
    }

    @Test("three boards write to each other, each by IDs alone")
    func three() throws {
        let trio = Pair([
            Board([People.moki]), Board([People.hulk], seed: 2), Board([People.carol], seed: 3),
        ])
        for board in trio.boards { board.policy.strangers = .open }
        trio.linkAll()
        var tokens: [(board: Int, token: UInt64)] = []
        for from in 0..<3 {
            for to in 0..<3 where to != from {
                tokens.append((from, trio.send("\(from) to \(to)", from: from, to: trio.boards[to].id)))
            }
        }
        trio.advance(60)
        #expect(tokens.allSatisfy { trio.row($0.token, of: $0.board)?.state == .delivered })
        for (to, board) in trio.boards.enumerated() {
            #expect(Set(board.texts) == Set((0..<3).filter { $0 != to }.map { "\($0) to \(to)" }))
            #expect(board.texts.count == 2)
        }
    }

    @Test("a contact that the owner adds with its card releases what waits for it")
    func added() throws {
        let pair = Pair([Board([People.moki]), Board([People.hulk], seed: 2)])
        let token = pair.send("soon")
        pair.a.book.apply(.meta(People.hulk.meta, of: pair.b.id))
        pair.a.book.apply(.visa(People.hulk.visa, of: pair.b.id))
        pair.feed(0, .befriended(pair.b.id))
        pair.settle()
        #expect(pair.row(token)?.state == .queued)
    }

    @Test("a full outbox refuses, and takes again when a message has ended; receipts still flow")
    func outboxFull() throws {
        let pair = Pair.friends()
        pair.a.policy.outboxCount = 3
        pair.trouble.lost = 1
        for number in 0..<3 { pair.send("\(number)") }
        let fourth = pair.send("4")
        pair.settle()
        guard case .refused(let refusal)? = pair.a.answers[fourth] else { Issue.record("not full"); return }
        #expect(refusal.reason == "outbox-full")
        #expect(refusal.kind == .notNow)
        pair.trouble.lost = 0
        let back = pair.send("from b", from: 1)
        pair.settle()
        #expect(pair.row(back, of: 1)?.state == .delivered)
        pair.advance(30)
        let fifth = pair.send("5")
        pair.settle()
        #expect(pair.row(fifth)?.state == .delivered)
    }

    @Test("the outbox counts bytes, of what is being sealed too; what has ended makes room")
    func outboxBytes() throws {
        let pair = Pair.friends()
        pair.a.policy.outboxBytes = 10_000
        pair.trouble.lost = 1
        let text = String(repeating: "x", count: 4_000)
        let tokens = (0..<3).map { _ in pair.send(text) }
        guard case .refused(let refusal)? = pair.a.answers[tokens[2]] else { Issue.record("not full"); return }
        #expect(refusal.reason == "outbox-full")
        pair.settle()
        #expect(tokens.prefix(2).allSatisfy { pair.row($0) != nil })
        pair.trouble.lost = 0
        pair.advance(60)
        let later = pair.send(text)
        pair.settle()
        #expect(pair.row(later)?.state == .delivered)
    }

    @Test("a submission whose turn cannot be written is refused, and nothing of it stays")
    func diskFull() throws {
        let pair = Pair.friends()
        let token = pair.send("while full", ref: "r")
        pair.a.ledger.isFull = true
        pair.settle()
        guard case .refused(let refusal)? = pair.a.answers[token] else { Issue.record("accepted"); return }
        #expect(refusal.reason == "disk-full")
        pair.a.ledger.isFull = false
        let again = pair.send("while full", ref: "r")
        pair.settle()
        #expect(pair.row(again)?.state == .delivered)
        #expect(pair.b.texts == ["while full"])
    }

    @Test("a message that arrives while the disk is full is not receipted, and arrives later")
    func receiverDiskFull() throws {
        let pair = Pair.friends()
        pair.b.ledger.isFull = true
        let token = pair.send("hold on")
        pair.advance(5)
        #expect(pair.row(token)?.state == .published)
        pair.b.ledger.isFull = false
        pair.advance(60)
        #expect(pair.row(token)?.state == .delivered)
        #expect(pair.b.texts == ["hold on"])
    }
}

extension DeliveryTests {
    @Test("what is in the inbox already is receipted again though nothing can be written, at most once in 10 s")
    func receiptOnFullDisk() throws {
        let pair = Pair.friends()
        pair.send("once")
        pair.settle()
        let message = try #require(pair.messages(from: 0, to: pair.b.id.address).first)
        pair.advance(11)
        pair.forgetPublished()
        pair.b.ledger.isFull = true
        for _ in 0..<2 {
            pair.lay(message)
            pair.settle()
        }
        #expect(pair.messages(from: 1, to: pair.a.id.address).count == 1)
        pair.advance(11)
        pair.lay(message)
        pair.settle()
        #expect(pair.messages(from: 1, to: pair.a.id.address).count == 2)
        #expect(pair.b.texts == ["once"])
    }
}

@Suite("Refs")
struct RefTests {
    @Test("a repeat under the same ref sends nothing and answers the first, before and after sealing")
    func repeats() throws {
        let pair = Pair.friends()
        let first = pair.send("once", ref: "r1")
        let second = pair.send("once", ref: "r1")
        #expect(pair.a.answers.isEmpty)
        pair.settle()
        let third = pair.send("once", ref: "r1")
        let row = try #require(pair.row(first))
        #expect(pair.a.answers[first] == .accepted(id: row.id, sn: row.sn, state: "queued", isRepeat: false))
        #expect(pair.a.answers[second] == .accepted(id: row.id, sn: row.sn, state: "queued", isRepeat: true))
        #expect(pair.a.answers[third] == .accepted(id: row.id, sn: row.sn, state: "delivered", isRepeat: true))
        #expect(pair.b.texts == ["once"])
    }

    @Test("another content under a used ref is refused, before and after sealing")
    func misused() throws {
        let pair = Pair.friends()
        pair.send("once", ref: "r1")
        let early = pair.send("twice", ref: "r1")
        pair.settle()
        let late = pair.submit(.command, ["text": "once"], ref: "r1")
        for token in [early, late] {
            guard case .refused(let refusal)? = pair.a.answers[token] else { Issue.record("taken"); continue }
            #expect(refusal.reason == "ref-reused")
            #expect(refusal.kind == .exists)
        }
        #expect(pair.b.texts == ["once"])
    }

    @Test("one ref is free again for another receiver, and a waiting row answers to its ref")
    func scope() throws {
        let pair = Pair.friends()
        let one = pair.send("x", ref: "r")
        let other = pair.send("y", to: People.carol.id, ref: "r")
        pair.settle()
        #expect(pair.row(one)?.id != pair.row(other)?.id)
        let again = pair.send("y", to: People.carol.id, ref: "r")
        guard case .accepted(_, _, let state, let isRepeat)? = pair.a.answers[again] else { Issue.record("?"); return }
        #expect(state == "waiting")
        #expect(isRepeat)
    }

    @Test("answers stand before the parcel")
    func order() throws {
        let pair = Pair.friends()
        pair.send("once", ref: "r1")
        pair.send("once", ref: "r1")
        let effects = pair.effectsOfNextJob()
        let kinds = effects.map { effect in
            switch effect {
            case .answer: "answer"
            case .publish: "publish"
            case .changed: "changed"
            default: "other"
            }
        }
        #expect(kinds == ["answer", "answer", "publish", "changed"])
    }
}
