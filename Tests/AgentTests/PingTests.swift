import Agent
import DIMP
import Format
import TestSupport
import Testing

/// Whether a contact is there (extensions.md 5): a message that no program hears of.
@Suite struct PingTests {
    private let ping: JSONObject = ["app": "culver", "mod": "ping", "act": "ping"]

    private func friends() -> Pair {
        let pair = Pair.friends()
        for board in pair.boards { board.agent = "culver 7.0" }
        return pair
    }

    private func agent(in pair: Pair) -> String? { pair.a.messenger.presence(of: pair.b.id)?.agent }

    @Test("a ping is answered without a private key once the two have talked, and reaches no inbox")
    func answered() throws {
        let pair = friends()
        pair.send("hello")
        pair.settle()
        let (unwraps, signatures) = (pair.b.unwraps, pair.b.messenger.counts.signatures)
        let token = pair.submit(.customized, ping)
        pair.settle()
        #expect(pair.row(token)?.state == .delivered && agent(in: pair) == "culver 7.0")
        #expect(pair.b.texts == ["hello"] && pair.b.inbox.count == 1)
        #expect(pair.b.unwraps == unwraps && pair.b.messenger.counts.signatures == signatures)
        // What is acknowledged besides says nothing of the program.
        pair.send("more")
        pair.settle()
        let said = pair.acknowledgements(from: 1, to: pair.a.id.address).map(\.agent)
        #expect(said == [nil, "culver 7.0", nil])
    }

    @Test("where a signed receipt is due it says the same")
    func signed() throws {
        let pair = friends()
        let token = pair.submit(.customized, ping, wantsSignedReceipt: true)
        pair.settle()
        #expect(pair.row(token)?.state == .delivered && agent(in: pair) == "culver 7.0")
        #expect(pair.acknowledgements(from: 1, to: pair.a.id.address).isEmpty && pair.b.inbox.isEmpty)
    }

    @Test("a ping travels alone, so that what gathers with it reaches the inbox")
    func alone() throws {
        let pair = friends()
        pair.send("one")
        pair.submit(.customized, ping)
        pair.send("two")
        pair.send("three")
        pair.settle()
        #expect(pair.b.texts == ["one", "two", "three"] && pair.b.inbox.count == 3)
        #expect(agent(in: pair) == "culver 7.0")
    }

    @Test("a stranger's ping is a content as any other, and is not answered with what this program is")
    func stranger() throws {
        let pair = Pair([Board([People.moki]), Board([People.hulk], seed: 2)])
        pair.b.policy.strangers = .open
        pair.linkAll()
        let content = Content(type: .customized, sn: 5, time: Pair.start, ping)
        pair.lay(try People.moki.sealedMessage(content, to: People.hulk, attach: true))
        #expect(pair.b.inbox.count == 1)
    }

    @Test("pings beyond the budget wait, and are answered when they come again")
    func budget() throws {
        let pair = friends()
        pair.send("hello")
        pair.settle()
        let tokens = (0..<40).map { _ in
            let token = pair.submit(.customized, ping)
            pair.settle()
            return token
        }
        #expect(tokens.count { pair.row($0)?.state == .delivered } == 30)
        pair.advance(60)
        #expect(tokens.allSatisfy { pair.row($0)?.state == .delivered })
        #expect(pair.b.inbox.count == 1)
    }

    @Test("a contact that pings all the time leaves others their share, and all together have a limit")
    func shares() throws {
        let pair = friends()
        let contacts = [People.moki, People.carol, People.dave, People.make("anna"), People.make("ben")]
        for contact in contacts { pair.b.befriend(contact) }
        func over(_ contact: Identity, _ count: Int) throws -> Int64 {
            let before = pair.b.messenger.counts.overBusy
            for number in 0..<count {
                let content = Content(type: .customized, sn: Int64(number + 1), time: Pair.start, ping)
                pair.lay(try contact.sealedMessage(content, to: People.hulk))
            }
            return pair.b.messenger.counts.overBusy - before
        }
        #expect(try contacts.map { try over($0, 35) } == [5, 5, 5, 5, 35])
        pair.advance(2)
        #expect(try contacts.map { try over($0, 10) } == [0, 0, 0, 0, 10])
    }
}
