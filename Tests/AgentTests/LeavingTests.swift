import DIMP
import Records
import Testing

@testable import Agent

@Suite("An identity that is gone leaves nothing behind")
struct LeavingTests {
    private func clear(_ pair: Pair, _ address: Address) -> [LedgerKey] {
        pair.a.ledger.values(.clearingsOf(address)).map(\.key)
    }

    /// moki goes from its board, which keeps dave.
    private func leave(_ pair: Pair) {
        let address = People.moki.id.address
        pair.a.book.state.identities = [People.dave]
        pair.a.ledger.state.values[.clearing(address, broker: "home")] = "moki"
        pair.feed(0, .identitiesChanged)
        pair.feed(0, .identityGone(People.moki.id))
        pair.settle()
    }

    private func world() -> Pair {
        let pair = Pair([Board([People.moki, People.dave]), Board([People.hulk], seed: 1000)])
        pair.a.befriend(People.hulk)
        pair.b.befriend(People.moki)
        pair.linkAll()
        return pair
    }

    @Test("its retained topics are cleared at the next connection, and not put back")
    func cleared() {
        let pair = world()
        let address = People.moki.id.address
        #expect(pair.shelf(.meta(address)) != nil && pair.shelf(.visa(address)) != nil)
        leave(pair)
        #expect(!clear(pair, address).isEmpty)
        pair.unlink(0)
        pair.link(0)
        pair.settle()
        #expect(clear(pair, address).isEmpty)
        for place in [Topic.meta(address), .visa(address), .state(address)] {
            #expect(pair.shelf(place)?.isEmpty ?? true)
        }
        pair.advance(7200)
        for place in [Topic.meta(address), .visa(address)] { #expect(pair.shelf(place)?.isEmpty ?? true) }
        #expect(pair.shelf(.meta(People.dave.id.address))?.isEmpty == false)
    }

    @Test("where the link breaks before all are cleared it is done once more")
    func broken() {
        let pair = world()
        let address = People.moki.id.address
        leave(pair)
        pair.unlink(0)
        pair.link(0)
        pair.unlink(0)
        #expect(!clear(pair, address).isEmpty)
        pair.link(0)
        pair.settle()
        #expect(clear(pair, address).isEmpty)
    }

    @Test("one that came back meanwhile is not cleared")
    func back() {
        let pair = world()
        let address = People.moki.id.address
        leave(pair)
        pair.a.book.state.identities = [People.dave, People.moki]
        pair.unlink(0)
        pair.link(0)
        pair.settle()
        #expect(clear(pair, address).isEmpty)
        #expect(pair.shelf(.visa(address))?.isEmpty == false)
    }

    @Test("its messages fail and say why, and another's do not")
    func failed() {
        let pair = world()
        pair.unlink(1)
        let tokens = (0..<3).map { pair.send("\($0)") }
        pair.settle()
        leave(pair)
        for token in tokens {
            #expect(pair.row(token)?.state == .failed)
            #expect(pair.row(token)?.reason == "identity-removed")
        }
    }
}
