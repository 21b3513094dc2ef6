import Agent
import Records
import Testing

@Suite("Expiry without a broker")
struct ExpiryTests {
    @Test("a message that cannot leave expires when it is due, and nobody wakes before")
    func due() throws {
        let pair = Pair([Board([People.moki])])
        pair.a.befriend(People.hulk)
        let known = pair.send("known", to: People.hulk.id, expiry: 100)
        let unknown = pair.send("unknown", to: People.carol.id, expiry: 200)
        pair.settle()
        let ticks = pair.a.ticks
        pair.advance(99)
        #expect(pair.a.ticks == ticks)
        #expect(pair.row(known)?.state == .queued)
        pair.advance(1)
        #expect(pair.row(known)?.state == .expired)
        #expect(pair.row(unknown)?.state == .waiting)
        pair.advance(100)
        #expect(pair.row(unknown)?.state == .expired)
        #expect(pair.a.states.values.allSatisfy { $0.last == .expired })
        #expect(pair.a.ticks == ticks + 2)
    }

    @Test("also behind many that are due and live on")
    func behind() throws {
        let pair = Pair([Board([People.moki])])
        pair.a.befriend(People.hulk)
        for number in 0..<150 { pair.send("\(number)", to: People.hulk.id) }
        let token = pair.send("last", to: People.hulk.id, expiry: 60)
        pair.advance(60)
        #expect(pair.row(token)?.state == .expired)
    }

    @Test("and while a broker takes nothing more")
    func crowded() throws {
        let pair = Pair.friends()
        pair.feed(0, .linked(broker: "home", room: 0))
        let token = pair.send("no room", expiry: 60)
        pair.advance(60)
        #expect(pair.row(token)?.state == .expired)
    }

    @Test("many that expire at once are all noticed")
    func many() throws {
        let pair = Pair([Board([People.moki])])
        let tokens = (0..<250).map { pair.send("\($0)", to: People.carol.id, expiry: 60) }
        pair.advance(61)
        #expect(tokens.allSatisfy { pair.row($0)?.state == .expired })
    }
}
