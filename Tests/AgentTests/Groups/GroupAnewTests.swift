import Agent
import DIMP
import Format
import Records
import TestSupport
import Testing

/// What others cannot know, or do not obey, the owner's agent says once more in a `reset`.
@Suite("The owner of a group says everything anew")
struct GroupAnewTests {
    private let pair: Pair
    private let club = Club(foundedBy: People.moki)

    init() {
        pair = Pair.around(club)
    }

    private func invite(_ identities: Identity...) {
        pair.command("invite", identities.map(\.id), in: club)
        pair.advance(30)
    }

    private func resets(on board: Board) -> Int {
        board.ledger.state.events.count { $0.kind == .group && $0.reason == "reset" }
    }

    /// A command of a member that comes encrypted to the owner alone, as older software sends it.
    private func say(_ act: String, _ members: [ID] = [], by signer: Identity, sn: Int64, ahead: Double = 0) throws {
        let content = Content(
            type: .history, sn: sn, time: pair.now.wall + ahead, group: club.id, Club.said(act, members))
        pair.lay(try signer.sealedMessage(content, to: People.moki), on: 0)
    }

    @Test(
        "a command that was in the pool, or came, before the reset was signed is not undone by it",
        arguments: [true, false])
    func undone(isOurs: Bool) throws {
        try pair.makeDaveStock()
        invite(People.hulk, People.dave)
        pair.command("expel", [People.hulk.id], in: club)
        pair.settle()
        if isOurs { pair.command("invite", [People.carol.id], in: club) }
        // The reset is made, and not signed.
        pair.feed(0, .ticked)
        if !isOurs {
            var group = try #require(pair.a.book.group(club.id.address))
            let invitation = Content(
                type: .history, sn: 1, time: pair.now.wall, group: club.id, Club.said("invite", [People.carol.id]))
            let message = try People.moki.broadcast(invitation, attach: false).json.object
            let record = try #require(GroupRecord(invitation, signedBy: People.moki.id, message: message))
            #expect(group.take(record) == .changed)
            pair.a.book.apply(.group(group))
        }
        pair.advance(60)
        let members = [People.moki.id, People.dave.id, People.carol.id]
        #expect(club.members(on: pair.a) == members && club.members(on: pair.boards[2]) == members)
        #expect(pair.a.book.group(club.id.address)?.records.map(\.act) == [.reset])
    }

    @Test("requests without proof make no reset and stay; changes without proof make one, with a pause")
    func withoutProof() throws {
        invite(People.hulk, People.carol, People.dave)
        for number in 1...5 {
            let somebody = ID(name: "anna", address: .btc(network: 0, of: [UInt8(number)]))
            try say("invite", [somebody], by: People.carol, sn: Int64(number))
            pair.advance(10)
        }
        #expect(pair.a.book.group(club.id.address)?.membership.requests.count == 5 && resets(on: pair.a) == 0)
        try say("quit", by: People.hulk, sn: 6)
        pair.advance(2)
        #expect(resets(on: pair.a) == 1 && club.members(on: pair.boards[3]).count == 3)
        try say("quit", by: People.carol, sn: 7)
        pair.advance(20)
        #expect(resets(on: pair.a) == 1 && club.members(on: pair.a) == [People.moki.id, People.dave.id])
        pair.advance(20)
        #expect(resets(on: pair.a) == 2 && club.members(on: pair.boards[3]) == club.members(on: pair.a))
        pair.advance(4000)
        #expect(resets(on: pair.a) == 2)
    }

    @Test("a reset that was due when the power was cut is made after it", arguments: [true, false])
    func afterStart(isInPool: Bool) throws {
        try pair.makeDaveStock()
        invite(People.hulk, People.dave)
        pair.command("expel", [People.hulk.id], in: club)
        pair.settle()
        if isInPool { pair.feed(0, .ticked) }
        #expect(resets(on: pair.a) == 0)
        pair.restart(0)
        pair.advance(10)
        #expect(resets(on: pair.a) == 1)
        pair.restart(0)
        pair.advance(100)
        #expect(resets(on: pair.a) == 1)
    }

    @Test("one that the pool could not sign is made again")
    func notSigned() throws {
        try pair.makeDaveStock()
        invite(People.hulk, People.dave)
        pair.command("expel", [People.hulk.id], in: club)
        pair.settle()
        pair.failNextSeal = true
        pair.feed(0, .ticked)
        pair.settle()
        #expect(resets(on: pair.a) == 0)
        pair.advance(1000)
        #expect(resets(on: pair.a) == 1)
    }

    @Test("a board that stands back says nothing anew")
    func standingBack() throws {
        let twins = Pair([Board([People.moki]), Board([People.moki], seed: 2)])
        for board in twins.boards {
            board.befriend(People.dave, isCulver: false, visa: try People.dave.visa(time: People.time, isStock: true))
            club.found(on: board)
        }
        var group = try #require(twins.b.book.group(club.id.address))
        for (number, act) in ["invite", "expel"].enumerated() {
            let members = [People.carol.id, People.dave.id].dropLast(number)
            let content = Content(
                type: .history, sn: Int64(number + 1), time: twins.now.wall, group: club.id,
                Club.said(act, Array(members)))
            #expect(group.take(try #require(GroupRecord(content, signedBy: People.moki.id))) == .changed)
        }
        for board in twins.boards { board.book.apply(.group(group)) }
        twins.a.begin("one", at: Pair.start - 60)
        twins.b.begin("two", at: Pair.start - 30)
        twins.linkAll()
        #expect(twins.b.messenger.olderBoard != nil)
        twins.advance(100)
        twins.feed(1, .ticked)
        twins.settle()
        #expect(twins.boards.map { resets(on: $0) } == [1, 0])
    }

    // MARK: - Clocks

    @Test("a command that others take, dated ahead, does not keep the owner from giving the next")
    func ahead() throws {
        invite(People.hulk, People.carol)
        pair.command("hire", [People.hulk.id], in: club)
        pair.advance(30)
        pair.boards[1].clockError = 590
        pair.command("expel", [People.carol.id], in: club, from: 1)
        pair.advance(30)
        pair.boards[1].clockError = 0
        #expect(club.members(on: pair.a) == [People.moki.id, People.hulk.id])
        // Behind it there is no number in this second.
        try pair.forward(
            "invite", [], in: club.id, by: People.hulk, at: (pair.now.wall + 598).rounded(.down),
            sn: GroupRecord.largestSN, from: People.hulk, on: 0)
        let token = pair.command("invite", [People.dave.id], in: club)
        pair.settle()
        guard case .accepted = pair.a.answers[token] else {
            Issue.record("\(pair.a.answers[token] as Any)")
            return
        }
        pair.advance(1200)
        for number in [0, 1, 3] {
            #expect(club.members(on: pair.boards[number]) == [People.moki.id, People.hulk.id, People.dave.id])
        }
    }

    @Test("while the clock is not set a command does not count and is not receipted, alone or in an array")
    func clockless() throws {
        invite(People.hulk, People.carol, People.dave)
        let carol = pair.boards[2]
        carol.isClockSet = false
        // A thousand years ahead, for all that this board knows.
        try pair.forward("expel", [People.hulk.id], in: club.id, by: People.moki, at: 30_000_000_000, on: 2)
        pair.command("expel", [People.hulk.id], in: club)
        pair.advance(30)
        #expect(club.members(on: carol).count == 4 && club.members(on: pair.boards[3]).count == 3)
        let expulsion = Content(
            type: .history, sn: 9, time: pair.now.wall, group: club.id, Club.said("expel", [People.dave.id]))
        let text = Content(type: .text, sn: 10, time: pair.now.wall, group: club.id, ["text": "bye, Dave"])
        let array = try People.moki.sealedMessage(
            Content(
                type: .array, sn: 11, time: pair.now.wall, group: club.id,
                ["contents": [.object(expulsion.json), .object(text.json)]]), to: People.carol)
        pair.lay(array, on: 2)
        pair.advance(1)
        #expect(club.members(on: carol).count == 4 && carol.texts.isEmpty)
        carol.isClockSet = true
        pair.lay(array, on: 2)
        pair.advance(2000)
        #expect(carol.texts == ["bye, Dave"])
        #expect(carol.book.group(club.id.address)?.records.map(\.act) == [.invite, .expel, .expel])
    }
}
