import DIMP
import Format
import Records
import Testing

@testable import Agent

@Suite("A receiver that takes less than others send")
struct SizeTests {
    private let limit: Int64 = 65_536

    /// The second board is linked to a broker that says how much it takes.
    private func link(_ pair: Pair, limit: Int64?) {
        pair.boards[1].linked.insert("home")
        pair.feed(1, .linked(broker: "home", room: 20, packetLimit: limit))
        pair.settle()
    }

    private func size(_ board: Board) -> Int64? { board.book.identities[0].visa.abilities?.size }

    @Test("its visa says so when that has lasted, for the same key, and takes it back later")
    func said() throws {
        let pair = Pair.friends()
        let before = pair.b.book.identities[0].visa
        link(pair, limit: limit)
        pair.advance(Tuning.visaPatience - 1)
        #expect(pair.b.book.identities[0].visa.data == before.data)
        pair.advance(2)
        let visa = pair.b.book.identities[0].visa
        #expect(size(pair.b) == limit - Tuning.packetOverhead)
        #expect(visa.abilities?.batch == before.abilities?.batch)
        #expect(visa.time > before.time)
        #expect(visa.properties["key"] == before.properties["key"])
        try visa.check(about: pair.b.id, meta: pair.b.book.identities[0].meta)
        #expect(pair.b.ledger.state.events.map(\.reason).contains("visa-renewed"))
        // Another limit is not said before an hour is over, and then once.
        link(pair, limit: nil)
        pair.advance(Tuning.visaPause - Tuning.visaPatience)
        #expect(size(pair.b) != nil)
        pair.advance(Tuning.visaPatience)
        #expect(size(pair.b) == nil)
        pair.advance(86_400)
        #expect(pair.b.ledger.state.events.count { $0.reason == "visa-renewed" } == 2)
    }

    @Test("neither a short time, nor reconnecting, nor one of two brokers makes a new visa")
    func steady() throws {
        let pair = Pair.friends()
        let before = pair.b.book.identities[0].visa.data
        link(pair, limit: limit)
        pair.advance(Tuning.visaPatience / 2)
        link(pair, limit: nil)
        pair.advance(Tuning.visaPatience)
        for _ in 0..<20 {
            link(pair, limit: nil)
            pair.advance(60)
        }
        link(pair, limit: limit)
        pair.feed(1, .linked(broker: "cloud", room: 20))
        pair.advance(60)
        // What is away may come back, and then takes what is larger.
        pair.feed(1, .unlinked(broker: "cloud"))
        pair.advance(86_400)
        #expect(pair.b.book.identities[0].visa.data == before)
    }

    @Test("its own limit counts as well, and no less is said than all may send")
    func own() throws {
        let pair = Pair.friends()
        pair.b.policy.messageSize = 4 << 10
        pair.restart(1)
        pair.advance(Tuning.visaPatience + 1)
        #expect(size(pair.b) == ProtocolLimits.leastMessageSize)
        pair.advance(86_400)
        #expect(pair.b.ledger.state.events.count { $0.reason == "visa-renewed" } == 1)
    }

    @Test("its sender refuses what is too large, and ends with a reason what was accepted before")
    func told() throws {
        let pair = Pair.friends()
        let text = String(repeating: "x", count: 60_000)
        link(pair, limit: limit)
        pair.advance(Tuning.visaPatience + 1)
        // What the broker drops; it still has the new visa.
        pair.b.isSilent = true
        let early = pair.send(text)
        pair.advance(600)
        let row = try #require(pair.row(early))
        #expect(row.state == .failed && row.reason == "too-large")
        #expect(pair.a.ledger.state.events.contains { $0.id == row.id && $0.text.contains("at most 65280") })
        #expect(pair.a.book.abilities(of: pair.b.id).size == 65_280)
        pair.b.isSilent = false
        let late = pair.send(text)
        guard case .refused(let refusal) = pair.a.answers[late] else { return #expect(Bool(false)) }
        #expect(refusal.reason == "too-large" && refusal.kind == .badData)
        #expect(refusal.text.contains("65280"))
        let small = pair.send("small")
        pair.advance(60)
        #expect(pair.row(small)?.state == .delivered)
    }

    @Test("what a visa says is bounded when it is read")
    func bounded() throws {
        func read(_ size: JSON) throws -> Int64? {
            let moki = People.moki
            var properties = moki.visa.properties
            properties["culver"] = ["v": 1, "size": size]
            let visa = try Document(
                kind: "visa", about: moki.id, properties: properties, time: 1, signedBy: moki.secret)
            return try #require(visa.abilities).size
        }
        #expect(try read(0) == 16_384)
        #expect(try read(-1) == 16_384)
        #expect(try read(100_000) == 100_000)
        #expect(try read(1_048_576) == nil)
        #expect(try read(.number(1e300)) == nil)
        #expect(try read("100000") == nil)
    }
}
