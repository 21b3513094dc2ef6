import Agent
import DIMP
import Format
import Records
import TestSupport
import Testing

/// Whose word about a group, and in it, is taken.
@Suite("Who is heard about a group")
struct GroupTrustTests {
    private let pair: Pair
    private let club = Club(foundedBy: People.moki)

    init() {
        pair = Pair.around(club)
    }

    private func invite(_ identities: Identity...) {
        pair.command("invite", identities.map(\.id), in: club)
        pair.advance(30)
    }

    @Test("a contact shows a group whose owner is a stranger, and closed does not keep it out")
    func closed() throws {
        pair.boards[3].book.apply(.forget(People.moki.id.address))
        pair.a.book.apply(.forget(People.dave.id.address))
        pair.boards[3].befriend(People.hulk)
        pair.boards[1].befriend(People.dave)
        pair.boards[3].policy.strangers = .closed
        invite(People.hulk, People.carol)
        pair.command("hire", [People.hulk.id], in: club)
        pair.advance(30)
        pair.command("invite", [People.dave.id], in: club, from: 1)
        pair.advance(120)
        #expect(club.members(on: pair.boards[3]) == Pair.everybody.map(\.id))
        pair.send("welcome", from: 1, to: club.id)
        pair.advance(60)
        #expect(pair.boards[3].texts == ["welcome"])
        // What else is handed on counts by its signer.
        let text = Content(type: .text, sn: 7, time: pair.now.wall, ["text": "to everybody"])
        let stranger = People.make("stranger")
        try pair.forward(try stranger.broadcast(text), from: People.hulk, on: 3)
        #expect(pair.boards[3].texts == ["welcome"])
        #expect(pair.boards[3].rejections.last?.reason == "the sender is a stranger")
        try pair.forward("join", [], in: club.id, by: stranger, at: pair.now.wall, from: People.hulk, on: 3)
        #expect(pair.boards[3].book.group(club.id.address)?.membership.requests.map(\.member) == [stranger.id])
    }

    @Test("a command of a blocked administrator counts where a member hands it on, and nothing else of it is heard")
    func blocked() throws {
        pair.boards[2].book.apply(.contact(Contact(id: People.hulk.id, trust: .stranger, isBlocked: true)))
        invite(People.hulk, People.carol)
        pair.command("hire", [People.hulk.id], in: club)
        pair.advance(30)
        pair.command("invite", [People.dave.id], in: club, from: 1)
        pair.advance(120)
        #expect(club.members(on: pair.boards[2]) == Pair.everybody.map(\.id))
        pair.send("do you hear me?", from: 1, to: club.id)
        pair.advance(60)
        #expect(pair.a.texts == ["do you hear me?"] && pair.boards[2].texts.isEmpty)
        let text = Content(type: .text, sn: 7, time: pair.now.wall, ["text": "and now?"])
        try pair.forward(try People.hulk.broadcast(text), from: People.moki, on: 2)
        #expect(pair.boards[2].texts.isEmpty)
    }

    @Test("what was on its way when its sender left is taken for an hour, whatever time it bears afterwards")
    func former() throws {
        invite(People.hulk, People.carol)
        pair.boards[2].befriend(People.hulk)
        func text(_ words: String, sn: Int64) throws -> ReliableMessage {
            let content = Content(
                type: .text, sn: sn, time: Pair.start + 10, group: club.id, ["text": .string(words)])
            return try People.hulk.sealedMessage(content, to: People.carol)
        }
        #expect(pair.now.wall > Pair.start + 10)
        pair.command("expel", [People.hulk.id], in: club)
        pair.advance(30)
        pair.lay(try text("before", sn: 8), on: 2)
        pair.advance(1)
        #expect(pair.boards[2].texts == ["before"])
        pair.advance(3600)
        pair.lay(try text("backdated", sn: 9), on: 2)
        pair.advance(1)
        #expect(pair.boards[2].texts == ["before"])
        #expect(pair.boards[2].rejections.last?.reason == "the sender is no member of the group")
    }

    @Test("a member that is no contact gives this board no commands, and its ping is not answered")
    func aside() throws {
        invite(People.carol, People.dave)
        let report = Content.command("report", sn: 7, time: pair.now.wall, ["title": "online"])
        let ping = Content(
            type: .customized, sn: 8, time: pair.now.wall, ["app": "culver", "mod": "ping", "act": "ping"])
        for content in [report, ping] {
            let count = pair.published.count
            pair.lay(try People.carol.sealedMessage(content, to: People.dave), on: 3)
            #expect(pair.boards[3].inbox.isEmpty && pair.published.count == count)
        }
        #expect(
            pair.boards[3].ledger.state.parked.filter { $0.sender == People.carol.id }.map(\.isVerified) == [
                true, true,
            ])
        // What agents ask each other is none of a stranger's.
        let question = Content.documentCommand(
            "documents", about: People.dave.id, document: nil, meta: nil, sn: 9, time: pair.now.wall)
        pair.lay(try People.carol.sealedMessage(question, to: People.dave), on: 3)
        #expect(pair.contents(from: 3, to: People.carol).last?.commandName == "documents")
    }
}
