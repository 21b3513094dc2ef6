import Agent
import DIMP
import Format
import Testing

@Suite("What is parked, nobody may say again")
struct ParkingTests {
    private let moki = People.moki
    private let hulk = People.hulk

    private func pair(_ strangers: Policy.Strangers) -> Pair {
        let pair = Pair([Board([hulk])])
        pair.a.policy.strangers = strangers
        pair.linkAll()
        return pair
    }

    private func stock(_ text: String, attach: Bool = true) throws -> ReliableMessage {
        let content = Content(type: .text, sn: 7, time: Pair.start, ["text": .string(text)])
        var message = try moki.stockMessage(content, to: hulk, attach: attach)
        // The visa speaks of culver, whose messages are sealed.
        message.visa = nil
        return message
    }

    @Test("an accepted stranger's message survives a power cut at any step of its way in", arguments: 0..<4)
    func accepted(steps: Int) throws {
        let pair = pair(.ask)
        pair.lay(try stock("once"), on: 0)
        pair.feed(0, .befriended(moki.id))
        pair.feedSome(steps)
        pair.restart(0)
        pair.advance(10)
        #expect(pair.a.texts == ["once"])
        #expect(pair.a.ledger.state.parked.isEmpty)
    }

    @Test("and so does one that waited for its sender's meta", arguments: 0..<8)
    func found(steps: Int) throws {
        let pair = pair(.open)
        pair.lay(try stock("once", attach: false), on: 0)
        #expect(pair.a.ledger.state.parked.count == 1)
        pair.dropJobs()
        pair.feed(0, .found(.meta(moki.id.address), JSON.object(moki.meta.json).bytes, broker: "home"))
        pair.feedSome(steps)
        pair.restart(0)
        pair.putCard(of: moki)
        pair.advance(10)
        #expect(pair.a.texts == ["once"])
        #expect(pair.a.ledger.state.parked.isEmpty)
    }

    @Test("one that is refused after all is not kept")
    func refused() throws {
        let pair = pair(.ask)
        var message = try stock("forged")
        message.secure.data[0] ^= 1
        pair.lay(message, on: 0)
        #expect(pair.a.ledger.state.parked.isEmpty)
        message = try stock("blocked")
        pair.lay(message, on: 0)
        pair.a.book.apply(.contact(Contact(id: moki.id, trust: .contact, isBlocked: true)))
        pair.restart(0)
        pair.a.policy.strangers = .open
        pair.restart(0)
        pair.advance(10)
        #expect(pair.a.ledger.state.parked.isEmpty)
        #expect(pair.a.texts.isEmpty)
    }

    @Test("many are taken a few at a time, and all of them")
    func aFew() throws {
        let pair = pair(.ask)
        let texts = (0..<64).map { "number \($0)" }
        for text in texts { pair.lay(try stock(text), on: 0) }
        #expect(pair.a.ledger.state.parked.count == 64)
        pair.feed(0, .befriended(moki.id))
        #expect((1...4).contains(pair.jobCount))
        pair.advance(60)
        #expect(pair.a.texts == texts)
        #expect(pair.a.ledger.state.parked.isEmpty)
    }

    @Test("what finds the inbox full stays parked until there is room")
    func full() throws {
        let pair = pair(.ask)
        pair.lay(try stock("patience"), on: 0)
        pair.a.ledger.inboxLimit = 0
        pair.feed(0, .befriended(moki.id))
        pair.advance(60)
        #expect(pair.a.ledger.state.parked.count == 1)
        pair.a.ledger.inboxLimit = 1
        pair.advance(3700)
        #expect(pair.a.texts == ["patience"])
        #expect(pair.a.ledger.state.parked.isEmpty)
    }
}
