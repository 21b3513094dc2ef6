import Agent
import DIMP
import Format
import Records
import TestSupport
import Testing

/// What a board knows of how its contacts are (extensions.md 1).
@Suite struct PeerPresenceTests {
    private let moki = People.moki
    private let hulk = People.hulk
    private var place: Topic { .state(moki.id.address) }

    private func statement(
        _ boot: String, at: Double, isOnline: Bool = true, by identity: Identity? = nil
    ) throws -> [UInt8] {
        try Statement(isOnline: isOnline, at: at, boot: boot).signed(by: identity ?? moki, with: [])
    }

    /// hulk has heard from moki, whose presence stands on no broker yet.
    private func acquainted(brokers: [String] = ["home"]) throws -> Pair {
        let pair = Pair([Board([moki]), Board([hulk], seed: 2)], brokers: brokers)
        pair.a.befriend(hulk)
        pair.b.befriend(moki)
        pair.linkAll()
        pair.send("hello")
        pair.settle()
        #expect(pair.b.texts == ["hello"] && pair.b.watchedStates == [moki.id.address])
        return pair
    }

    private func presence(in pair: Pair) -> PeerPresence? { pair.b.messenger.presence(of: moki.id) }

    private func events(of board: Board) -> [String] {
        board.ledger.state.events.filter { $0.kind == .presence }.compactMap(\.reason)
    }

    @Test("a contact is unknown until a broker shows its statement, then online, and gone by the will of that start")
    func course() throws {
        let pair = try acquainted()
        #expect(presence(in: pair)?.state == .unknown && presence(in: pair)?.since == nil)
        #expect(presence(in: pair)?.seen == Pair.start)
        pair.advance(10)
        pair.put(try statement("one", at: Pair.start), at: place)
        #expect(presence(in: pair)?.state == .online && presence(in: pair)?.boot == "one")
        #expect(presence(in: pair)?.since == Pair.start + 10)
        pair.advance(10)
        pair.put(try statement("one", at: Pair.start), at: place)
        #expect(presence(in: pair)?.since == Pair.start + 10)
        pair.put(try statement("one", at: Pair.start, isOnline: false), at: place)
        #expect(presence(in: pair)?.state == .gone && presence(in: pair)?.since == Pair.start + 20)
        pair.put(try statement("two", at: Pair.start + 30), at: place)
        #expect(presence(in: pair)?.state == .online && presence(in: pair)?.boot == "two")
        #expect(events(of: pair.b) == ["online", "gone", "online"])
        #expect(pair.b.rejections.isEmpty)
    }

    @Test("two real boards know of each other once they have talked")
    func both() throws {
        let pair = Pair([Board([moki]), Board([hulk], seed: 2)])
        pair.a.befriend(hulk)
        pair.b.befriend(moki)
        pair.a.begin("one", at: Pair.start - 60)
        pair.b.begin("two", at: Pair.start - 30)
        pair.linkAll()
        pair.send("hello")
        pair.settle()
        #expect(pair.a.messenger.presence(of: hulk.id)?.boot == "two")
        #expect(presence(in: pair)?.state == .online && presence(in: pair)?.boot == "one")
    }

    @Test("a will of an older start, an older statement and a forged one say nothing, and are counted")
    func hostile() throws {
        let pair = try acquainted()
        pair.put(try statement("two", at: Pair.start), at: place)
        pair.put(try statement("one", at: Pair.start - 100, isOnline: false), at: place)
        pair.put(try statement("one", at: Pair.start - 100), at: place)
        #expect(pair.b.rejections.map(\.stage) == [.time, .time])
        pair.put(try statement("new", at: Pair.start + 100, isOnline: false, by: hulk), at: place)
        pair.put(try statement("new", at: Pair.start + 100, isOnline: false, by: People.carol), at: place)
        pair.put(Array("{\"data\":\"{}\"}".utf8), at: place)
        pair.put(try statement(String(repeating: "b", count: 5000), at: Pair.start + 200), at: place)
        #expect(pair.b.rejections.map(\.stage) == [.time, .time] + Array(repeating: .signature, count: 4))
        pair.put([], at: place)
        #expect(presence(in: pair)?.state == .online && presence(in: pair)?.boot == "two")
        #expect(events(of: pair.b) == ["online"])
        #expect(pair.b.messenger.counts.rejected[.time] == 2 && pair.b.messenger.counts.rejected[.signature] == 4)
    }

    @Test("a contact is online while one of the brokers shows it, and unknown without any")
    func brokers() throws {
        let pair = try acquainted(brokers: ["home", "lan"])
        let (online, gone) = (
            try statement("one", at: Pair.start), try statement("one", at: Pair.start, isOnline: false)
        )
        pair.put(online, at: place, on: "home")
        pair.put(online, at: place, on: "lan")
        pair.put(gone, at: place, on: "lan")
        #expect(presence(in: pair)?.state == .online)
        pair.unlink(1, "home")
        #expect(presence(in: pair)?.state == .online)
        pair.put(gone, at: place, on: "lan")
        #expect(presence(in: pair)?.state == .gone)
        pair.unlink(1, "lan")
        #expect(presence(in: pair)?.state == .unknown)
        // Coming back is no news.
        pair.put(gone, at: place, on: "home")
        pair.link(1, "lan")
        pair.link(1, "home")
        pair.settle()
        #expect(presence(in: pair)?.state == .gone)
        #expect(events(of: pair.b) == ["online", "gone"])
    }

    @Test("after a restart the contact is watched again, and an older start is still older")
    func remembered() throws {
        let pair = try acquainted()
        pair.put(try statement("two", at: Pair.start), at: place)
        pair.put(try statement("one", at: Pair.start - 100, isOnline: false), at: place)
        pair.restart(1)
        pair.settle()
        #expect(pair.b.watchedStates == [moki.id.address])
        #expect(presence(in: pair)?.state == .unknown && presence(in: pair)?.boot == "two")
        #expect(pair.b.rejections.map(\.stage) == [.time, .time])
        pair.put(try statement("two", at: Pair.start), at: place)
        #expect(presence(in: pair)?.state == .online && events(of: pair.b) == ["online"])
    }

    @Test("strangers, blocked ones and contacts that are no culver agents are not watched, and a forgotten one no more")
    func whom() throws {
        let pair = Pair([Board([moki]), Board([hulk], seed: 2)])
        pair.b.befriend(moki, isCulver: false, visa: try moki.visa(time: moki.visa.time + 1, isStock: true))
        pair.linkAll()
        for id in [moki.id, People.carol.id, hulk.id, ID.everyone] { pair.feed(1, .presenceWanted(id)) }
        #expect(pair.b.watchedStates.isEmpty && pair.b.messenger.presence(of: People.carol.id) == nil)
        pair.b.befriend(moki)
        pair.feed(1, .presenceWanted(moki.id))
        #expect(pair.b.watchedStates == [moki.id.address])
        pair.put(try statement("one", at: Pair.start), at: place)
        pair.feed(1, .forgot(moki.id))
        #expect(pair.b.watchedStates.isEmpty && presence(in: pair) == nil)
        #expect(pair.b.ledger.state.values[.presence(of: moki.id.address)] == nil)
    }

    @Test(
        "only so many are watched: one that was silent makes room, and a broker that grants fewer has half of them left"
    )
    func bounded() throws {
        let pair = Pair([Board([moki]), Board([hulk], seed: 2)])
        let others = [moki, People.carol, People.dave]
        for other in others { pair.b.befriend(other) }
        pair.b.policy.directorySubscriptions = 2
        pair.linkAll()
        for other in others { pair.feed(1, .presenceWanted(other.id)) }
        #expect(pair.b.watchedStates == [moki.id.address, People.carol.id.address])
        pair.advance(700)
        pair.feed(1, .presenceWanted(moki.id))
        pair.feed(1, .presenceWanted(People.dave.id))
        #expect(pair.b.watchedStates == [moki.id.address, People.dave.id.address])
        pair.feed(1, .stateRefused(broker: "home"))
        #expect(pair.b.watchedStates.count == 1)
        pair.feed(1, .presenceWanted(People.carol.id))
        #expect(pair.b.watchedStates.count == 1)
    }

    @Test("a flood of statements costs no more signatures than the budget")
    func flood() throws {
        let pair = try acquainted()
        for number in 0..<2000 {
            pair.feed(1, .found(place, Array("{\"data\":\"\(number)\"}".utf8), broker: "home"))
        }
        pair.settle()
        #expect((500...600).contains(pair.b.messenger.counts.rejected[.signature] ?? 0))
    }
}
