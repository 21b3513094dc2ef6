import Agent
import DIMP
import Format
import Records
import TestSupport
import Testing

@Suite("Strangers")
struct StrangerTests {
    private let moki = People.moki
    private let hulk = People.hulk

    private func pair(_ strangers: Policy.Strangers) -> Pair {
        let pair = Pair([Board([moki]), Board([hulk], seed: 2)])
        pair.b.policy.strangers = strangers
        pair.linkAll()
        return pair
    }

    @Test("under open a stranger's message comes in, and the stranger gets its receipt")
    func open() throws {
        let pair = pair(.open)
        let token = pair.send("hi")
        pair.settle()
        #expect(pair.b.texts == ["hi"])
        #expect(pair.b.inbox.first?.trust == .stranger)
        #expect(pair.b.book.contact(moki.id.address)?.isTrusted == false)
        #expect(pair.row(token)?.state == .delivered)
    }

    @Test("under ask it waits, verified and unread, until the stranger is accepted")
    func ask() throws {
        let pair = pair(.ask)
        let token = pair.send("may I?")
        pair.advance(60)
        #expect(pair.b.inbox.isEmpty)
        #expect(pair.b.unwraps == 0)
        #expect(pair.b.book.contact(moki.id.address) == nil)
        #expect(pair.b.book.state.metas.isEmpty)
        #expect(pair.messages(from: 1, to: moki.id.address).isEmpty)
        #expect(pair.b.ledger.state.parked.map(\.isVerified) == [true])
        #expect(pair.b.ledger.state.events.count { $0.kind == .request } == 1)
        pair.feed(1, .befriended(moki.id))
        pair.settle()
        #expect(pair.b.texts == ["may I?"])
        #expect(pair.b.inbox.first?.trust == .contact)
        #expect(pair.row(token)?.state == .delivered)
        #expect(pair.b.ledger.state.parked.isEmpty)
    }

    @Test("a refused stranger's messages go, and the next one asks again")
    func refused() throws {
        let pair = pair(.ask)
        pair.send("one")
        pair.settle()
        pair.feed(1, .refusedStranger(moki.id))
        #expect(pair.b.ledger.state.parked.isEmpty)
        pair.send("two")
        pair.settle()
        #expect(pair.b.ledger.state.parked.count == 1)
        #expect(pair.b.ledger.state.events.count { $0.kind == .request } == 2)
    }

    @Test("under closed nothing of a stranger is kept, and who we write to is no stranger")
    func closed() throws {
        let pair = pair(.closed)
        pair.send("let me in")
        pair.settle()
        #expect(pair.b.ledger.state.parked.isEmpty)
        #expect(pair.b.rejections.contains { $0.stage == .trust })
        pair.send("come in", from: 1)
        pair.settle()
        #expect(pair.b.book.contact(moki.id.address)?.trust == .contact)
        pair.advance(30)
        #expect(pair.b.texts == ["let me in"])
    }

    @Test(
        "a blocked contact is not heard under any policy, also when it is blocked while the pool verifies",
        arguments: Policy.Strangers.allCases)
    func blocked(strangers: Policy.Strangers) throws {
        let pair = pair(strangers)
        pair.b.befriend(moki)
        let block = Contact(id: moki.id, trust: .contact, isBlocked: true)
        let message = try moki.sealedMessage(.text("x", sn: 1, time: Pair.start), to: hulk)
        pair.feed(1, .arrived(message.json.bytes, at: hulk.id.address))
        #expect(pair.jobCount == 1)
        pair.b.book.apply(.contact(block))
        pair.settle()
        pair.lay(message)
        #expect(pair.b.inbox.isEmpty)
        #expect(pair.b.ledger.state.parked.isEmpty)
        #expect(pair.b.rejections.map(\.stage) == [.trust, .trust])
    }

    @Test("without a meta a message is parked unverified until the directory shows it")
    func unverified() throws {
        let pair = Pair([Board([moki]), Board([hulk], seed: 2)])
        pair.b.policy.strangers = .open
        pair.link(1)
        pair.settle()
        let message = try moki.sealedMessage(.text("who am I", sn: 1, time: Pair.start), to: hulk)
        pair.lay(message)
        pair.lay(message)
        #expect(pair.b.ledger.state.parked.map(\.isVerified) == [false])
        pair.putCard(of: moki)
        #expect(pair.b.texts == ["who am I"])
        #expect(pair.b.ledger.state.parked.isEmpty)
        #expect(pair.messages(from: 1, to: moki.id.address).count == 1)
    }

    @Test("a false name in front of the address does not keep the true sender out")
    func falseName() throws {
        let pair = Pair([Board([moki]), Board([hulk], seed: 2)])
        pair.b.policy.strangers = .open
        pair.link(1)
        pair.settle()
        var liar = try moki.sealedMessage(.text("lie", sn: 1, time: Pair.start), to: hulk)
        liar.secure.envelope.sender = ID(name: "liar", address: moki.id.address)
        pair.lay(liar)
        pair.lay(try moki.sealedMessage(.text("truth", sn: 2, time: Pair.start), to: hulk))
        pair.putCard(of: moki)
        #expect(pair.b.texts == ["truth"])
        #expect(pair.b.ledger.state.parked.allSatisfy { $0.sender.name == "liar" })
    }

    @Test("under ask a parked message whose meta was found keeps it, and is read when the stranger is accepted")
    func unverifiedUnderAsk() throws {
        let pair = Pair([Board([moki]), Board([hulk], seed: 2)])
        pair.link(1)
        pair.settle()
        pair.lay(try moki.sealedMessage(.text("slow", sn: 1, time: Pair.start), to: hulk))
        pair.putCard(of: moki)
        #expect(pair.b.ledger.state.parked.map(\.isVerified) == [true])
        #expect(pair.b.inbox.isEmpty)
        pair.advance(700)
        #expect(pair.b.watched.isEmpty)
        pair.feed(1, .befriended(moki.id))
        pair.settle()
        #expect(pair.b.texts == ["slow"])
    }

    @Test("where the directory is silent the stranger is asked, and the answer lets the parked message on")
    func askedStranger() throws {
        let pair = pair(.ask)
        for place in [Topic.meta(moki.id.address), .visa(moki.id.address)] { pair.put([], at: place) }
        pair.a.isSilent = true
        for place in [Topic.meta(moki.id.address), .visa(moki.id.address)] { pair.put([], at: place) }
        pair.a.isSilent = false
        #expect(pair.shelf(.meta(moki.id.address)) == [])
        pair.lay(try moki.sealedMessage(.text("slow", sn: 1, time: Pair.start), to: hulk))
        #expect(pair.b.ledger.state.parked.map(\.isVerified) == [false])
        pair.advance(10)
        #expect(!pair.b.ledger.state.parked.isEmpty)
        #expect(pair.b.ledger.state.parked.allSatisfy { $0.isVerified })
        pair.feed(1, .befriended(moki.id))
        pair.settle()
        #expect(pair.b.texts == ["slow"])
    }

    @Test("an attached card of a contact releases what was parked unverified and what waited for its key")
    func attachedCard() throws {
        let pair = Pair([Board([moki]), Board([hulk], seed: 2)])
        pair.link(1)
        pair.settle()
        let token = pair.send("answer", from: 1, to: moki.id)
        pair.lay(try moki.sealedMessage(.text("without card", sn: 1, time: Pair.start), to: hulk))
        #expect(pair.row(token, of: 1)?.state == .waiting)
        #expect(pair.b.ledger.state.parked.count == 1)
        pair.lay(try moki.sealedMessage(.text("with card", sn: 2, time: Pair.start), to: hulk, attach: true))
        #expect(Set(pair.b.texts) == ["without card", "with card"])
        #expect(pair.row(token, of: 1)?.state == .queued)
        #expect(pair.b.ledger.state.parked.isEmpty)
    }

    @Test("a foreign meta attached to a message is refused")
    func foreignMeta() throws {
        let pair = pair(.open)
        var message = try moki.sealedMessage(.text("x", sn: 1, time: Pair.start), to: hulk)
        message.meta = .object(People.carol.meta.json)
        pair.lay(message)
        #expect(pair.b.rejections.map(\.stage) == [.meta])
        #expect(pair.b.inbox.isEmpty)
    }

    private func numbered(_ number: Int, to receiver: Identity? = nil) throws -> ReliableMessage {
        let content = Content.text("\(number)", sn: Int64(number) + 1, time: Pair.start)
        return try moki.sealedMessage(content, to: receiver ?? hulk, attach: true)
    }

    @Test("strangers over their budget wait, neither refused nor dropped, and come in by themselves in their order")
    func budgets() throws {
        let pair = pair(.open)
        for number in 0..<9 { pair.lay(try numbered(number)) }
        // Each costs two operations, because this board has two keys, and a peer has five a second.
        #expect(pair.b.unwraps == 3)
        #expect(pair.b.inbox.count == 3)
        #expect(pair.b.messenger.heldBack.count == 6)
        #expect(pair.b.messenger.counts.overPrivateBudget == 0)
        pair.advance(10)
        #expect(pair.b.texts == (0..<9).map(String.init))
        #expect(pair.b.rejections.isEmpty)
        #expect(pair.b.messenger.heldBack.count == 0)
        pair.b.policy.publicOperations = 3
        let fresh = Board([hulk], policy: pair.b.policy)
        let crowd = Pair([Board([moki]), fresh])
        for number in 0..<9 { crowd.lay(try numbered(number)) }
        // The first one costs three: meta, signature and visa.
        #expect(fresh.texts == ["0"])
        crowd.advance(10)
        #expect(fresh.texts == (0..<9).map(String.init))
        #expect(fresh.rejections.isEmpty)
        #expect(fresh.messenger.counts.overPublicBudget == 0)
    }

    @Test("what a stranger sends again while it waits does not wait twice")
    func waitsOnce() throws {
        let pair = pair(.open)
        let messages = try (0..<9).map { try numbered($0) }
        for _ in 0..<3 { for message in messages { pair.lay(message) } }
        #expect(pair.b.messenger.heldBack.count == 6)
        pair.advance(10)
        #expect(pair.b.texts == (0..<9).map(String.init))
    }

    @Test("the private-key budget counts operations: one message may buy eight")
    func operations() throws {
        let pair = pair(.open)
        var dear = try numbered(0)
        let wrapped = try #require(dear.secure.keys.first)
        for terminal in ["a", "b", "c"] {
            let bytes = wrapped.bytes.dropLast() + [UInt8(ascii: "x")]
            dear.secure.keys.append(
                SecureMessage.WrappedKey(
                    receiver: "\(hulk.id.text)/\(terminal)", bytes: bytes.dropFirst() + Array(terminal.utf8)))
        }
        pair.lay(dear)
        #expect(pair.b.texts == ["0"])
        pair.lay(try numbered(1))
        // Three are owed, and five a second are given.
        pair.advance(0.7)
        #expect(pair.b.texts == ["0"])
        pair.advance(0.4)
        #expect(pair.b.texts == ["0", "1"])
    }

    @Test("one stranger that waits does not keep another one out")
    func otherStranger() throws {
        let pair = pair(.open)
        for number in 0..<9 { pair.lay(try numbered(number)) }
        let content = Content.text("carol", sn: 1, time: Pair.start)
        pair.lay(try People.carol.sealedMessage(content, to: hulk, attach: true))
        #expect(pair.b.texts.last == "carol")
    }

    @Test("a stranger that is blocked, or accepted, while its messages wait")
    func spokenOf() throws {
        let pair = pair(.open)
        for number in 0..<9 { pair.lay(try numbered(number)) }
        pair.feed(1, .befriended(moki.id))
        pair.advance(0.1)
        #expect(pair.b.texts == (0..<9).map(String.init))
        let other = self.pair(.open)
        for number in 0..<9 { other.lay(try numbered(number)) }
        other.b.book.apply(.contact(Contact(id: moki.id, trust: .stranger, isBlocked: true)))
        other.advance(10)
        #expect(other.b.inbox.count == 3)
        #expect(other.b.rejections.count == 6)
        #expect(other.b.messenger.heldBack.count == 0)
    }

    @Test("what a stranger signs is checked by the pool, also when it comes alone, and a contact's is not")
    func pooled() throws {
        let pair = pair(.ask)
        pair.b.befriend(People.carol)
        let content = Content.text("x", sn: 1, time: Pair.start)
        let wire = try moki.sealedMessage(content, to: hulk, attach: true).json.bytes
        pair.feed(1, .arrived(wire, at: hulk.id.address))
        #expect(pair.jobCount == 1)
        #expect(pair.b.ledger.state.parked.isEmpty)
        pair.settle()
        #expect(pair.b.ledger.state.parked.count == 1)
        var forged = try People.carol.sealedMessage(content, to: hulk)
        forged.signature[0] ^= 1
        pair.feed(1, .arrived(forged.json.bytes, at: hulk.id.address))
        #expect(pair.jobCount == 0)
        #expect(pair.b.rejections.map(\.stage) == [.signature])
    }

    @Test("under open nothing is kept of a stranger whose message is not taken")
    func keptWhenTaken() throws {
        let pair = pair(.open)
        // No key of this board opens it.
        var message = try moki.stockMessage(.text("x", sn: 1, time: Pair.start), to: People.carol, attach: true)
        message.secure.envelope.receiver = hulk.id
        message.secure.keys = message.secure.keys.map {
            SecureMessage.WrappedKey(receiver: hulk.id.text, bytes: $0.bytes)
        }
        message.visa = nil
        pair.lay(message)
        #expect(pair.b.rejections.map(\.stage) == [.decrypt])
        // A culver agent seals, and what it has to say of itself comes with the message.
        pair.lay(try moki.stockMessage(.text("y", sn: 2, time: Pair.start), to: hulk, attach: true))
        #expect(pair.b.rejections.map(\.stage) == [.decrypt, .seal])
        // A question is answered and no more.
        let question = Content.metaCommand(about: hulk.id, meta: nil, sn: 3, time: Pair.start)
        pair.lay(try moki.sealedMessage(question, to: hulk, attach: true))
        #expect(pair.messages(from: 1, to: moki.id.address).count == 1)
        // What they cost is paid.
        pair.advance(2)
        pair.b.ledger.inboxLimit = 0
        let last = try moki.sealedMessage(.text("z", sn: 4, time: Pair.start), to: hulk, attach: true)
        pair.lay(last)
        #expect(pair.b.book.state.contacts.isEmpty)
        #expect(pair.b.book.state.metas.isEmpty)
        #expect(pair.b.book.state.visas.isEmpty)
        #expect(pair.b.book.state.received.isEmpty)
        pair.b.ledger.inboxLimit = 1
        pair.lay(last)
        #expect(pair.b.texts == ["z"])
        #expect(pair.b.book.contact(moki.id.address)?.trust == .stranger)
        #expect(pair.b.book.visa(of: moki.id)?.data == moki.visa.data)
        #expect(pair.b.book.state.received.count == 1)
    }

    @Test("only so many strangers are known; a new one takes the place of another, never of one the owner spoke about")
    func bounded() throws {
        let pair = pair(.open)
        let book = pair.b.book
        for number in 0..<1000 {
            let id = ID.sample("stranger \(number)")
            book.apply(.contact(Contact(id: id, trust: .stranger)))
            pair.b.ledger.state.values[.window(owner: hulk.id.address, sender: id.address, target: hulk.id.address)] =
                "w"
        }
        let kept = [
            Contact(id: .sample("blocked"), trust: .stranger, isBlocked: true),
            Contact(id: .sample("named"), name: "n", trust: .stranger), Contact(id: .sample("friend"), trust: .contact),
        ]
        for contact in kept { book.apply(.contact(contact)) }
        pair.lay(try moki.sealedMessage(.text("hi", sn: 1, time: Pair.start), to: hulk, attach: true))
        #expect(pair.b.texts == ["hi"])
        #expect(book.strangers.count == 1000)
        #expect(book.contact(moki.id.address) != nil)
        for contact in kept { #expect(book.contact(contact.id.address) == contact) }
        #expect(pair.b.ledger.state.values.keys.count { $0.text.hasPrefix(LedgerKey.Family.windows.prefix) } == 999)
    }

    @Test("lookups for strangers leave half of the room, and end when nobody waits")
    func lookupRoom() throws {
        let pair = pair(.ask)
        pair.b.policy.directorySubscriptions = 4
        let message = try moki.sealedMessage(.text("x", sn: 1, time: Pair.start), to: hulk)
        for network in 1..<10 {
            var forged = message
            forged.secure.envelope.sender = try #require(People.dave.meta.id(network: UInt8(network * 2)))
            pair.lay(forged)
        }
        #expect(pair.b.watched.count == 2)
        #expect(pair.b.messenger.counts.lookupsDropped == 7)
        pair.send("ours", from: 1, to: People.carol.id)
        #expect(pair.b.watched.contains(People.carol.id.address))
        pair.advance(700)
        #expect(pair.b.watched == [People.carol.id.address])
    }

    @Test("a stranger's broadcast is heard as a question only")
    func strangersBroadcast() throws {
        let pair = pair(.ask)
        pair.lay(try moki.broadcast(.text("buy", sn: 3, time: Pair.start)))
        #expect(pair.b.inbox.isEmpty)
        #expect(pair.b.rejections.map(\.stage) == [.trust])
        // Nor by a group name that is a broadcast, in a message to us.
        var message = try moki.broadcast(.text("buy", sn: 4, time: Pair.start))
        message.secure.envelope.group = .everyone
        message.secure.envelope.receiver = hulk.id
        pair.lay(message)
        #expect(pair.b.inbox.isEmpty)
    }

    @Test("a contact that is forgotten is a stranger again")
    func forgotten() throws {
        let pair = Pair.friends()
        pair.send("one")
        pair.settle()
        pair.feed(1, .forgot(moki.id))
        #expect(pair.b.book.contact(moki.id.address) == nil)
        // What was taken once must not be taken again when the sender is a contact once more.
        #expect(pair.b.ledger.state.accepted.count == 1)
        pair.send("two")
        pair.advance(10)
        #expect(pair.b.texts == ["one"])
        #expect(pair.b.ledger.state.parked.count == 1)
    }
}
