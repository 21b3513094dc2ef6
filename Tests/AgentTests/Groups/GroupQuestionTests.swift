import Agent
import DIMP
import Format
import Records
import TestSupport
import Testing

/// Who asks what a group is and who its members are, how often, and who is told.
@Suite("Questions about groups")
struct GroupQuestionTests {
    private let pair: Pair
    private let club = Club(foundedBy: People.moki)

    init() {
        pair = Pair.around(club)
    }

    private func invite(_ identities: Identity...) {
        pair.command("invite", identities.map(\.id), in: club)
        pair.advance(30)
    }

    /// Hulk says that he takes others for members.
    private func ask(_ number: Int, since: Double? = nil) throws {
        var said: JSONObject = ["command": "query", "cmd": "query", "roll": "another"]
        if let since { said["last_time"] = .number(since) }
        let content = Content(type: .command, sn: Int64(number + 1), time: pair.now.wall, group: club.id, said)
        pair.lay(try People.hulk.sealedMessage(content, to: People.moki), on: 0)
    }

    /// How often the history was given to hulk.
    private var told: Int { pair.a.ledger.state.outgoing.count { $0.receiver == People.hulk.id } }

    @Test("who asks again and again for the same is answered less and less often, until something changes")
    func pauses() throws {
        invite(People.hulk, People.carol)
        let before = told
        for number in 0..<64 {
            try ask(number)
            pair.advance(60)
        }
        // After 0, 1, 3, 7, 15 and 31 minutes, and 63.
        #expect(told - before == 7)
        pair.command("invite", [People.dave.id], in: club)
        pair.advance(60)
        let changed = told
        try ask(70)
        pair.advance(60)
        #expect(told == changed + 1)
    }

    @Test("who asks is not told again what is on its way to it")
    func onItsWay() throws {
        invite(People.hulk, People.carol)
        pair.boards[1].isSilent = true
        let before = told
        for number in 0..<10 {
            try ask(number)
            pair.advance(4000)
        }
        #expect(told == before + 1)
    }

    @Test("what was given since a time is not all there is")
    func since() throws {
        invite(People.hulk, People.carol)
        pair.boards[1].isSilent = true
        let before = told
        try ask(0, since: pair.now.wall - 10)
        pair.advance(4000)
        try ask(1)
        pair.advance(4000)
        #expect(told == before + 2)
    }

    @Test("an administrator that is invited once more gets that command, and all of it only where it is missed")
    func again() throws {
        invite(People.hulk, People.carol)
        pair.command("hire", [People.hulk.id], in: club)
        pair.advance(30)
        pair.forgetPublished()
        pair.command("invite", [People.hulk.id], in: club)
        pair.advance(120)
        let forwards = pair.contents(from: 0, to: People.hulk).filter { $0.type == ContentType.forward.rawValue }
        #expect(forwards.map { $0.json["secrets"]?.array?.count } == [1])
        pair.boards[1].book.apply(.forgetGroup(club.id.address))
        pair.command("invite", [People.hulk.id], in: club)
        pair.advance(120)
        #expect(club.members(on: pair.boards[1]) == club.members(on: pair.a))
    }

    @Test("who asks what a group is all the time is told once a minute at most")
    func cards() throws {
        invite(People.hulk)
        pair.forgetPublished()
        for number in 0..<20 {
            let content = Content.documentCommand(
                "documents", about: club.id, document: nil, meta: nil, sn: Int64(number + 1), time: pair.now.wall)
            pair.lay(try People.hulk.sealedMessage(content, to: People.moki), on: 0)
            pair.advance(1)
        }
        #expect(pair.contents(from: 0, to: People.hulk).count { $0.commandName == "documents" } == 1)
    }

    /// Moki writes to Dave in so many groups that Dave does not know.
    private func name(_ groups: Range<Int>) throws {
        for number in groups {
            let group = Club(foundedBy: People.moki, name: "club\(number)").id
            let content = Content(
                type: .text, sn: Int64(number + 1), time: pair.now.wall, group: group, ["text": .string("\(number)")])
            pair.lay(try People.moki.sealedMessage(content, to: People.dave), on: 3)
        }
    }

    @Test("a contact that names any number of groups is asked about some of them")
    func named() throws {
        func questions() -> Int { pair.contents(from: 3, to: People.moki).count { $0.commandName == "documents" } }
        try name(0..<20)
        pair.settle()
        #expect(questions() == 8 && pair.boards[3].texts.count == 20)
        pair.advance(61)
        try name(20..<22)
        pair.settle()
        #expect(questions() == 10)
    }

    // MARK: - Groups of others

    private func show(_ other: Club, by identity: Identity) throws {
        let card = try other.card(naming: [], time: pair.now.wall)
        try pair.forward(try other.owner.broadcast(card), from: identity, on: 3)
    }

    @Test("a member that is no contact shows no other group")
    func strange() throws {
        invite(People.carol, People.dave)
        let other = Club(foundedBy: People.carol, name: "other")
        try show(other, by: People.carol)
        #expect(pair.boards[3].book.group(other.id.address) == nil)
        #expect(pair.boards[3].rejections.contains { $0.reason == "a stranger shows a group" })
        try show(other, by: People.moki)
        #expect(pair.boards[3].book.group(other.id.address) != nil)
    }

    @Test("of groups that are only shown the oldest goes, and those of this board and those with a name stay")
    func shown() throws {
        invite(People.dave)
        let dave = pair.boards[3]
        let others = (0..<20).map { Club(foundedBy: People.moki, name: "club\($0)") }
        for other in others {
            try show(other, by: People.moki)
            guard other.id == others[0].id, var group = dave.book.group(other.id.address) else { continue }
            group.name = "named"
            dave.book.apply(.group(group))
        }
        // The one with a name, the last sixteen, and the own one.
        let known = others.indices.filter { dave.book.group(others[$0].id.address) != nil }
        #expect(known == [0] + Array(4..<20))
        #expect(club.members(on: dave) == [People.moki.id, People.dave.id] && dave.rejections.isEmpty)
    }

    @Test("a board whose groups are all its own takes no more")
    func full() throws {
        for number in 0..<KnownGroup.limit {
            let other = Club(foundedBy: People.hulk, name: "club\(number)")
            pair.boards[1].book.apply(.group(KnownGroup(other.id, foundedBy: People.hulk.id)))
        }
        invite(People.hulk)
        #expect(pair.boards[1].book.group(club.id.address) == nil)
        #expect(pair.boards[1].book.groups.count == KnownGroup.limit)
        #expect(pair.boards[1].rejections.contains { $0.reason.contains("this board knows") })
    }
}
