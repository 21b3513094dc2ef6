import Agent
import DIMP
import Format
import Records
import Testing

@Suite("Messages that are handed on")
struct RelayTests {
    private let moki = People.moki
    private let hulk = People.hulk
    private let carol = People.carol

    /// Moki, hulk who hands on, and carol, each of whom knows the other two.
    private func three(_ relaying: Policy.Relaying) -> Pair {
        var policy = Policy()
        policy.relaying = relaying
        let pair = Pair([
            Board([moki], seed: 1), Board([hulk], policy: policy, seed: 2), Board([carol], seed: 3),
        ])
        for (number, others) in [[hulk, carol], [moki, carol], [moki, hulk]].enumerated() {
            for other in others { pair.boards[number].befriend(other) }
        }
        pair.linkAll()
        return pair
    }

    private func inner(_ words: String = "for carol", traces: [JSON] = []) throws -> ReliableMessage {
        var message = try moki.sealedMessage(.text(words, sn: 9, time: Pair.start), to: carol)
        message.traces = traces
        return message
    }

    private func forward(_ messages: [ReliableMessage], by sender: Identity? = nil, sn: Int64 = 50) throws
        -> ReliableMessage
    {
        let secrets = JSON.array(messages.map(\.json))
        let content = Content(type: .forward, sn: sn, time: Pair.start, ["secrets": secrets])
        return try (sender ?? moki).sealedMessage(content, to: hulk)
    }

    private func handedOn(_ pair: Pair) -> [ReliableMessage] { pair.messages(from: 1, to: carol.id.address) }

    @Test("a message inside that is for a contact goes on as it is, and comes from its own sender")
    func handedOn() throws {
        let pair = three(.forContacts)
        let message = try inner()
        pair.lay(try forward([message]))
        pair.settle()
        let sent = try #require(handedOn(pair).first)
        #expect(handedOn(pair).count == 1 && pair.b.inbox.isEmpty)
        #expect(sent.signature == message.signature && sent.secure.data == message.secure.data)
        #expect(sent.traces == [.string(hulk.id.text)])
        #expect(pair.boards[2].texts == ["for carol"])
        #expect(pair.boards[2].inbox.first?.sender == moki.id && pair.boards[2].inbox.first?.sealed == true)
        // Hulk's receipt for the forward, carol's for the message.
        #expect(pair.messages(from: 1, to: moki.id.address).count == 1)
        #expect(pair.messages(from: 2, to: moki.id.address).count == 1)
    }

    @Test("what a program sends so is delivered when it was handed on")
    func delivered() throws {
        let pair = three(.forThese([carol.id]))
        let token = pair.submit(.forward, ["secrets": [try inner().json]])
        pair.settle()
        pair.advance(1)
        #expect(pair.row(token)?.state == .delivered)
        #expect(pair.boards[2].texts == ["for carol"])
    }

    @Test("without configuration, for somebody else than is named, and for a stranger it is for somebody else")
    func notServed() throws {
        for relaying in [Policy.Relaying.forNobody, .forThese([People.dave.id])] {
            let pair = three(relaying)
            pair.lay(try forward([try inner()]))
            #expect(handedOn(pair).isEmpty && pair.b.rejections.map(\.stage) == [.receiver])
        }
        let pair = three(.forContacts)
        pair.b.book.apply(.forget(carol.id.address))
        pair.lay(try forward([try inner()]))
        #expect(handedOn(pair).isEmpty && pair.b.rejections.map(\.stage) == [.receiver])
    }

    @Test("nothing goes on that a stranger sends")
    func ofStranger() throws {
        let pair = three(.forContacts)
        pair.b.policy.strangers = .open
        pair.b.book.apply(.forget(moki.id.address))
        var message = try forward([try inner()])
        message.meta = .object(moki.meta.json)
        pair.lay(message)
        #expect(handedOn(pair).isEmpty && pair.b.rejections.map(\.stage) == [.receiver])
    }

    @Test(
        "no message goes in circles: one that was here before, or at eight boards, goes no further",
        arguments: ["text", "object", "many"])
    func circles(kind: String) throws {
        let pair = three(.forContacts)
        let own = JSON.string(hulk.id.text)
        let traces: [JSON] =
            switch kind {
            case "text": [.string(moki.id.text), own]
            case "object": [["ID": own, "time": 5]]
            default: [JSON](repeating: .string(moki.id.text), count: 8)
            }
        pair.lay(
            try forward([try inner(traces: traces), try inner("goes", traces: Array(traces.dropFirst().dropLast()))]))
        #expect(pair.b.rejections.map(\.stage) == [.receiver])
        #expect(handedOn(pair).count == 1)
        // All of it has come to its end.
        #expect(pair.messages(from: 1, to: moki.id.address).count == 1)
    }

    @Test("what is not signed can be anything, and does no harm", arguments: [7, "x", [7, .null, [], "?"]] as [JSON])
    func strangeTraces(traces: JSON) throws {
        let pair = three(.forContacts)
        var json = try #require(try inner().json.object)
        json["traces"] = traces
        let content = Content(type: .forward, sn: 50, time: Pair.start, ["secrets": [.object(json)]])
        pair.lay(try moki.sealedMessage(content, to: hulk))
        #expect(pair.boards[2].texts == ["for carol"])
        #expect(handedOn(pair).first?.traces == (traces.array ?? []) + [.string(hulk.id.text)])
    }

    @Test(
        "the forward has its receipt when a broker has what is inside, and comes again where none took it",
        arguments: [Outcome.nobody, .refused("quota"), .notNow])
    func taken(outcome: Outcome) throws {
        let pair = three(.forContacts)
        let message = try forward([try inner()])
        pair.isAcknowledging = false
        pair.lay(message)
        let first = try #require(pair.published.first { $0.parcel.topic == .inbox(carol.id.address) })
        #expect(pair.b.ledger.state.accepted.isEmpty && pair.messages(from: 1, to: moki.id.address).isEmpty)
        pair.feed(1, .acknowledged(first.parcel.number, outcome))
        #expect(pair.b.ledger.state.accepted.isEmpty)
        pair.lay(message)
        let second = try #require(pair.published.last { $0.parcel.topic == .inbox(carol.id.address) })
        #expect(second.parcel.number != first.parcel.number)
        pair.feed(1, .acknowledged(second.parcel.number, .taken))
        #expect(pair.b.ledger.state.accepted.count == 1)
    }

    @Test("a broker that goes before its word, and one without room, leave the forward to come again")
    func lost() throws {
        let pair = three(.forContacts)
        pair.isAcknowledging = false
        pair.lay(try forward([try inner()]))
        pair.unlink(1)
        #expect(pair.b.ledger.state.accepted.isEmpty)
        pair.link(1)
        for number in 0..<40 { pair.lay(try forward([try inner("\(number)")], sn: 60 + Int64(number))) }
        // As many as the link has room for, and none waits in memory.
        #expect(handedOn(pair).count < 40)
        #expect(pair.b.ledger.state.accepted.isEmpty)
    }

    @Test("without a broker the forward is not taken, and its sender repeats it")
    func offline() throws {
        let pair = three(.forContacts)
        let message = try forward([try inner()])
        pair.unlink(1)
        pair.lay(message)
        #expect(pair.b.ledger.state.accepted.isEmpty)
        pair.link(1)
        pair.lay(message)
        pair.settle()
        #expect(pair.b.ledger.state.accepted.count == 1)
        #expect(pair.boards[2].texts == ["for carol"])
    }
}
