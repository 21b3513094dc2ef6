import Agent
import DIMP
import Format
import Records
import TestSupport
import Testing

@Suite("Groups")
struct GroupsTests {
    private let pair: Pair
    private let club = Club(foundedBy: People.moki)
    private static let everybody = Pair.everybody

    init() {
        pair = Pair.around(club)
    }

    private func refusal(_ token: UInt64, of board: Int = 0) -> String? {
        guard case .refused(let refusal) = pair.boards[board].answers[token] else { return nil }
        return refusal.reason
    }

    private func rows(_ token: UInt64, of board: Int = 0) -> [Outgoing] {
        guard case .accepted(let id, _, _, _) = pair.boards[board].answers[token] else { return [] }
        return pair.boards[board].ledger.outgoing(message: id)
    }

    private func invite(_ numbers: Int...) {
        pair.command("invite", numbers.map { Self.everybody[$0].id }, in: club)
        pair.advance(30)
    }

    @Test("who is invited knows the group, its members and its owner")
    func invitation() {
        invite(1, 2)
        for board in pair.boards[0...2] {
            #expect(club.members(on: board) == Self.everybody[0...2].map(\.id))
            #expect(board.book.bulletin(of: club.id)?.founder == People.moki.id)
        }
        #expect(pair.boards[3].book.group(club.id.address) == nil)
        #expect(pair.boards.allSatisfy { $0.rejections.isEmpty })
    }

    @Test("a message is sealed and signed once, and has a state for each member")
    func message() throws {
        invite(1, 2)
        let signed = pair.a.messenger.counts.signatures
        let token = pair.send("hello club", to: club.id)
        pair.settle()
        #expect(pair.a.messenger.counts.signatures == signed + 1)
        let copies = [1, 2].flatMap { pair.messages(from: 0, to: Self.everybody[$0].id.address) }
            .filter { $0.envelope.group == club.id && $0.envelope.type == 1 }
        #expect(copies.count == 2)
        #expect(copies[0].secure.data == copies[1].secure.data && copies[0].signature == copies[1].signature)
        #expect(copies[0].secure.keys.count == 1 && copies[0].secure.keys != copies[1].secure.keys)
        pair.advance(60)
        #expect(rows(token).map(\.receiver) == [People.hulk.id, People.carol.id])
        #expect(rows(token).allSatisfy { $0.state == .delivered && $0.recipient.group == club.id })
        #expect(Outgoing.message(of: rows(token))?.state == .delivered)
        #expect(pair.boards[1].texts == ["hello club"] && pair.boards[2].texts == ["hello club"])
        #expect(pair.boards[1].inbox.first?.group == club.id)
    }

    @Test("members that are no contacts of each other write in the group, and ask to write beside it")
    func strangers() {
        invite(1, 2)
        let inGroup = pair.send("to all", from: 1, to: club.id)
        pair.advance(60)
        #expect(pair.boards[2].texts == ["to all"] && pair.a.texts == ["to all"])
        #expect(rows(inGroup, of: 1).allSatisfy { $0.state == .delivered })
        pair.send("to you alone", from: 1, to: People.carol.id)
        pair.advance(60)
        #expect(pair.boards[2].texts == ["to all"])
        #expect(pair.boards[2].ledger.state.parked.contains { $0.isVerified && $0.sender == People.hulk.id })
        pair.feed(2, .befriended(People.hulk.id))
        pair.advance(60)
        #expect(pair.boards[2].texts == ["to all", "to you alone"])
    }

    @Test("what anybody can read was not written to a group that is known here")
    func unencrypted() throws {
        invite(1)
        pair.boards[1].befriend(People.carol)
        for (sender, group) in [(People.carol, club.id), (People.moki, club.id), (People.carol, nil)] {
            let content = Content(type: .text, sn: 9, time: pair.now.wall, group: group, ["text": "to all"])
            pair.lay(try sender.broadcast(content), on: 1)
            pair.advance(1)
        }
        // The last is for nobody's group.
        #expect(pair.boards[1].inbox.map(\.group) == [nil])
    }

    @Test("who was expelled reads nothing more, and who comes reads nothing from before")
    func changes() {
        invite(1, 2)
        pair.send("one", to: club.id)
        pair.advance(30)
        pair.command("expel", [People.carol.id], in: club)
        pair.command("invite", [People.dave.id], in: club)
        pair.advance(30)
        pair.send("two", to: club.id)
        pair.send("three", from: 1, to: club.id)
        pair.advance(60)
        #expect(pair.boards[1].texts == ["one", "two"])
        #expect(pair.boards[2].texts == ["one"])
        #expect(pair.boards[3].texts == ["two", "three"])
        for board in [0, 1, 3] {
            #expect(club.members(on: pair.boards[board]) == [0, 1, 3].map { Self.everybody[$0].id })
        }
        // What it sends is not taken any more, and this board does not let it.
        #expect(refusal(pair.send("four", from: 2, to: club.id), of: 2) == "no-member")
    }

    @Test("who may not give a command is told, and nothing of it leaves the board")
    func authority() {
        invite(1, 2)
        let count = pair.published.count
        #expect(refusal(pair.command("expel", [People.carol.id], in: club, from: 1), of: 1) == "no-authority")
        #expect(refusal(pair.command("quit", in: club)) == "no-authority")
        #expect(refusal(pair.command("hire", [People.hulk.id], in: club, from: 1), of: 1) == "no-authority")
        pair.advance(30)
        #expect(pair.published.count == count)
        pair.command("hire", [People.hulk.id], in: club)
        pair.advance(30)
        pair.command("expel", [People.carol.id], in: club, from: 1)
        pair.advance(30)
        for board in pair.boards[0...2] { #expect(club.members(on: board) == [People.moki.id, People.hulk.id]) }
    }

    @Test("a proposal is the owner's to accept")
    func proposal() {
        invite(1)
        pair.command("invite", [People.dave.id], in: club, from: 1)
        pair.advance(30)
        #expect(pair.a.book.group(club.id.address)?.membership.requests.map(\.member) == [People.dave.id])
        invite(3)
        for board in [0, 1, 3] {
            #expect(club.members(on: pair.boards[board]) == [0, 1, 3].map { Self.everybody[$0].id })
        }
        #expect(pair.a.book.group(club.id.address)?.membership.requests.isEmpty == true)
    }

    @Test("a member that quits is gone for all, also for those who came at the same time")
    func quitting() {
        invite(1, 2)
        pair.unlink(0)
        pair.command("quit", in: club, from: 1)
        pair.command("invite", [People.dave.id], in: club)
        pair.advance(60)
        pair.link(0)
        pair.advance(300)
        for board in [0, 2, 3] {
            #expect(club.members(on: pair.boards[board]) == [0, 2, 3].map { Self.everybody[$0].id })
        }
    }

    @Test("what tells of a group has none on its envelope, and a reset names the owner first")
    func forApplications() throws {
        invite(1)
        let told = pair.messages(from: 0, to: People.hulk.id.address).filter { $0.envelope.type == 255 }
        #expect(!told.isEmpty && told.allSatisfy { $0.envelope.group == nil })
        pair.command("reset", [People.hulk.id, People.moki.id], in: club, administrators: [])
        pair.advance(30)
        let message = try #require(pair.a.book.group(club.id.address)?.records.last?.message)
        let content = try Content(JSON(parsing: ReliableMessage(.object(message)).secure.data))
        #expect(content.groupCommand?.members == [People.moki.id, People.hulk.id])
    }

    @Test("a change that came without proof, and an expulsion that a stock member would not obey, are said anew")
    func saidAnew() throws {
        invite(1, 2)
        let quit = Content(type: .history, sn: 3, time: pair.now.wall, group: club.id, Club.said("quit", []))
        pair.lay(try People.carol.sealedMessage(quit, to: People.moki), on: 0)
        pair.advance(60)
        func last(on board: Board) -> GroupRecord? { board.book.group(club.id.address)?.records.last }
        #expect(last(on: pair.boards[1])?.act == .reset && last(on: pair.boards[1])?.signer == People.moki.id)
        #expect(club.members(on: pair.boards[1]) == [People.moki.id, People.hulk.id])
    }

    @Test("a bulletin that names administrators gives them their office, and takes it from others")
    func bulletin() throws {
        invite(1, 2)
        for (number, office) in [[People.hulk.id], [People.carol.id], []].enumerated() {
            let card = try club.card(naming: office, time: pair.now.wall + Double(number))
            pair.lay(try People.moki.sealedMessage(card, to: People.carol), on: 2)
            pair.advance(1)
            #expect(pair.boards[2].book.group(club.id.address)?.membership.administrators == office)
        }
        let group = try #require(pair.boards[2].book.group(club.id.address))
        #expect(group.records.filter { $0.act == .appoint }.count == 3)
    }

    /// Nobody has a key of its own here: what counts is how many they are.
    private func crowd(_ count: Int) throws -> [Identity] {
        try (0..<count).map { number in
            let secret = People.hulk.secret
            let meta = try Meta(seed: "member\(number)", signedBy: secret)
            let id = try #require(meta.id(network: 0))
            let visa = try Document.visa(
                of: id, name: nil, key: secret.publicKey, time: People.time, signedBy: secret)
            return Identity(id: id, meta: meta, secret: secret, visa: visa, visaKeys: [secret])
        }
    }

    @Test("commands without authority, from the future and from before a reset are counted and change nothing")
    func hostile() throws {
        invite(1, 2)
        pair.command("reset", [1, 2].map { Self.everybody[$0].id }, in: club, administrators: [])
        pair.advance(30)
        let board = pair.boards[2]
        let before = club.members(on: board)
        func refused(_ body: () throws -> Void) rethrows -> Bool {
            let count = board.rejections.count
            try body()
            return board.rejections.count > count && club.members(on: board) == before
        }
        #expect(
            try refused {
                try pair.forward("expel", [People.carol.id], in: club.id, by: People.hulk, at: pair.now.wall, on: 2)
            })
        #expect(
            try refused {
                try pair.forward("invite", [People.dave.id], in: club.id, by: People.dave, at: pair.now.wall, on: 2)
            })
        #expect(
            try refused {
                try pair.forward(
                    "expel", [People.hulk.id], in: club.id, by: People.moki, at: pair.now.wall + 4000, on: 2)
            })
        #expect(
            try refused {
                try pair.forward(
                    "expel", [People.hulk.id], in: club.id, by: People.moki, at: pair.now.wall - 4000, on: 2)
            })
        #expect(try refused { try pair.forward("expel", [People.hulk.id], in: club.id, by: People.moki, at: 5, on: 2) })
        let many = (0..<2_000).map { _ in People.dave.id }
        #expect(
            try refused { try pair.forward("invite", many, in: club.id, by: People.moki, at: pair.now.wall, on: 2) })
        let other = Club(foundedBy: People.moki, name: "other").id
        #expect(
            try refused {
                try pair.forward("expel", [People.hulk.id], in: other, by: People.dave, at: pair.now.wall, on: 2)
            })
        #expect(
            try refused {
                try pair.forward("expel", [People.moki.id], in: club.id, by: People.moki, at: pair.now.wall, on: 2)
            })
        #expect(board.inbox.isEmpty)
        let told = board.ledger.state.events.filter { $0.kind == .refused }.map(\.text)
        for word in ["may not expel", "is no member", "future", "older than the owner's last reset", "usable time"] {
            #expect(told.contains { $0.contains(word) }, "\(word)")
        }
    }

    @Test("a hundred thousand members in one command are not read, whatever number the command has")
    func crowded() throws {
        invite(1, 2)
        let before = club.members(on: pair.boards[2])
        for type in [ContentType.history, .command] {
            for count in [2_000, 100_000] {
                let said = Club.said("reset", Array(repeating: People.dave.id, count: count), administrators: [])
                let content = Content(type: type, sn: 9, time: pair.now.wall, group: club.id, said)
                let refused = pair.boards[2].rejections.count
                try pair.forward(try People.moki.broadcast(content), on: 2)
                #expect(pair.boards[2].rejections.count == refused + 1, "\(count)")
            }
        }
        #expect(club.members(on: pair.boards[2]) == before && pair.boards[2].inbox.isEmpty)
    }

    @Test("a command that came before the last reset does not count again, and one that came twice counts once")
    func replayed() throws {
        invite(1, 2, 3)
        let invited = try #require(pair.a.book.group(club.id.address)?.records.first?.message)
        pair.command("reset", [1, 2].map { Self.everybody[$0].id }, in: club, administrators: [])
        pair.advance(30)
        let group = pair.boards[2].book.group(club.id.address)
        for _ in 0..<3 {
            try pair.forward(try ReliableMessage(.object(invited)), on: 2)
            pair.advance(60)
        }
        #expect(pair.boards[2].book.group(club.id.address) == group)
        #expect(pair.boards[2].rejections.count == 3)
        let last = try #require(pair.a.book.group(club.id.address)?.records.last?.message)
        try pair.forward(try ReliableMessage(.object(last)), on: 2)
        #expect(pair.boards[2].book.group(club.id.address) == group && pair.boards[2].rejections.count == 3)
    }

    @Test("many that ask to be let in make the owner say everything anew, once, and nothing of them stays")
    func shortening() throws {
        pair.boards[0].befriend(People.hulk)
        let count = KnownGroup.othersLimit / 2 + 10
        for (number, stranger) in try crowd(count).enumerated() {
            try pair.forward(
                "join", [], in: club.id, by: stranger, at: pair.now.wall, sn: Int64(number + 1), from: People.hulk,
                on: 0)
        }
        let group = try #require(pair.a.book.group(club.id.address))
        let resets = group.records.filter { $0.act == .reset }
        #expect(resets.map(\.administrators) == [[]] && resets.first?.signer == People.moki.id)
        #expect(group.records.count < count && group.membership.requests.count == group.records.count - 1)
        #expect(group.membership.members == [People.moki.id])
        #expect(pair.a.rejections.isEmpty)
    }

    @Test("a board that reads of a group asks its contact what the group is, and then for its members")
    func unheard() throws {
        invite(1)
        let content = Content(type: .text, sn: 8, time: pair.now.wall, group: club.id, ["text": "do you know it?"])
        pair.lay(try People.moki.sealedMessage(content, to: People.dave), on: 3)
        pair.advance(30)
        #expect(pair.boards[3].texts == ["do you know it?"])
        #expect(pair.boards[3].book.bulletin(of: club.id)?.founder == People.moki.id)
        // Only members are told who else is one.
        #expect(club.members(on: pair.boards[3]) == [People.moki.id])
        invite(3)
        #expect(club.members(on: pair.boards[3]) == [0, 1, 3].map { Self.everybody[$0].id })
    }

    @Test("what the applications say of their keys is counted and no message, and their question is answered")
    func keyExchange() throws {
        invite(1, 2)
        func say(_ module: String, _ act: String) throws {
            let content = Content(
                type: .customized, sn: 8, time: pair.now.wall, group: club.id,
                ["app": "chat.dim.group", "mod": .string(module), "act": .string(act)])
            pair.lay(try People.hulk.sealedMessage(content, to: People.moki), on: 0)
            pair.advance(1)
        }
        let count = pair.messages(from: 0, to: People.hulk.id.address).count
        try say("keys", "request")
        #expect(pair.a.rejections.map(\.stage) == [.content] && pair.a.inbox.isEmpty)
        #expect(pair.messages(from: 0, to: People.hulk.id.address).count == count)
        try say("history", "query")
        #expect(pair.messages(from: 0, to: People.hulk.id.address).count > count)
        #expect(pair.a.inbox.isEmpty)
    }

    @Test("messages to a group go one by one, and each member signs its receipts")
    func singly() throws {
        invite(1, 2)
        let count = pair.published.count
        // What told them of the group was for each alone, and is acknowledged so.
        let acknowledged = pair.a.messenger.counts.acknowledgementsVerified
        let tokens = (0..<5).map { pair.send("number \($0)", to: club.id) }
        pair.advance(120)
        for token in tokens { #expect(rows(token).allSatisfy { $0.state == .delivered }) }
        #expect(pair.boards[1].texts == (0..<5).map { "number \($0)" })
        let published = pair.published.dropFirst(count)
        #expect(!published.contains { if case .acknowledgements = $0.parcel.topic { true } else { false } })
        #expect(pair.a.messenger.counts.acknowledgementsVerified == acknowledged)
        let copies = pair.messages(from: 0, to: People.hulk.id.address).filter { $0.envelope.group == club.id }
        #expect(copies.allSatisfy { $0.envelope.type != ContentType.array.rawValue })
        #expect(Set(copies.filter { $0.envelope.type == 1 }.map(\.signature)).count == 5)
    }

    @Test("a member cannot say for another that a message came")
    func forgedAcknowledgement() throws {
        invite(1, 2)
        pair.trouble.lost = 1
        let token = pair.send("to both", to: club.id)
        pair.settle()
        let row = try #require(rows(token).last)
        let number = try #require(row.shipment)
        let digest = try #require(pair.a.ledger.shipment(number)?.digest)
        let key = try SymmetricKey(JSON(parsing: try #require(pair.a.ledger.ciphertext(of: number)?.key)))
        let forged = try #require(
            Acknowledgement(
                of: [digest], from: People.carol.id.address, to: People.moki.id.address, at: pair.now.wall, under: key))
        pair.feed(0, .confirmed(forged.bytes, at: People.moki.id.address))
        #expect(rows(token).allSatisfy { $0.state != .delivered })
        #expect(pair.a.rejections.map(\.stage) == [.content])
    }

    @Test("a member that was away for long gets what was said meanwhile, and only that")
    func absent() {
        invite(1, 2)
        pair.unlink(2)
        let token = pair.send("while you were away", to: club.id)
        pair.advance(7200)
        #expect(rows(token).map(\.state) == [.delivered, .published])
        #expect(Outgoing.message(of: rows(token))?.state == .published)
        pair.command("expel", [People.hulk.id], in: club)
        pair.advance(60)
        pair.link(2)
        pair.advance(1200)
        #expect(pair.boards[2].texts == ["while you were away"])
        #expect(rows(token).allSatisfy { $0.state == .delivered })
        #expect(club.members(on: pair.boards[2]) == [People.moki.id, People.carol.id])
    }

    @Test("a member that missed a command asks for it when a message shows that it did")
    func query() {
        invite(1, 2)
        guard let old = pair.boards[1].book.group(club.id.address) else { return }
        pair.command("invite", [People.dave.id], in: club)
        pair.advance(30)
        pair.boards[1].book.apply(.group(old))
        #expect(club.members(on: pair.boards[1]).count == 3)
        pair.send("news", to: club.id)
        pair.advance(120)
        #expect(pair.boards[1].texts == ["news"])
        #expect(club.members(on: pair.boards[1]) == club.members(on: pair.a))
    }

    /// What the owner still repeats to a board.
    private func repeated(to board: Int) -> Int {
        pair.a.ledger.state.outgoing.count { $0.receiver == Self.everybody[board].id && $0.isLiving }
    }

    @Test("a command that a clock has dated ahead counts when its time has come, though nobody says anything")
    func ahead() {
        pair.a.clockError = 1112
        pair.command("reset", [1, 2].map { Self.everybody[$0].id }, in: club, administrators: [])
        // It is dated, and not signed yet.
        pair.a.clockError = 0
        pair.advance(300)
        for board in pair.boards[1...2] {
            #expect(board.rejections.contains { $0.stage == .time })
            #expect(club.members(on: board) == [People.moki.id])
        }
        #expect(repeated(to: 1) == 1 && repeated(to: 2) == 1)
        pair.advance(1000)
        for board in pair.boards[1...2] { #expect(club.members(on: board) == club.members(on: pair.a)) }
        #expect(repeated(to: 1) == 0 && repeated(to: 2) == 0)
    }

    @Test("one that is dated more than a day ahead is not repeated", arguments: [80_000.0, 90_000])
    func daysAhead(seconds: Double) {
        invite(1, 2)
        pair.a.clockError = seconds
        pair.command("expel", [People.hulk.id], in: club)
        pair.a.clockError = 0
        pair.advance(30)
        #expect(repeated(to: 2) == (seconds > 86_400 ? 0 : 1))
        #expect(club.members(on: pair.boards[2]).count == 3)
    }

    @Test("who asks is not told what a clock has dated ahead: it is repeated as it is")
    func askedAhead() {
        invite(1, 2)
        pair.a.clockError = 50_000
        pair.command("invite", [People.dave.id], in: club)
        pair.a.clockError = 0
        pair.advance(100)
        for _ in 0..<5 {
            pair.send("news", to: club.id)
            pair.advance(100)
        }
        #expect(pair.boards[1].texts.count == 5)
        #expect(club.members(on: pair.boards[1]).count == 3)
        #expect(repeated(to: 1) == 1)
    }

    @Test("who knows the group and never heard that it is a member asks when somebody writes there")
    func unaware() {
        invite(1, 2)
        pair.boards[1].book.apply(.group(KnownGroup(club.id, foundedBy: People.moki.id)))
        pair.send("news", to: club.id)
        pair.advance(120)
        #expect(club.members(on: pair.boards[1]) == club.members(on: pair.a))
        pair.send("more", from: 1, to: club.id)
        pair.advance(30)
        #expect(pair.a.texts == ["more"] && pair.boards[2].texts == ["news", "more"])
    }

    @Test("a member whose key is not known yet gets the same message when it is")
    func keyless() {
        invite(1, 2)
        pair.boards[1].book.apply(.forget(People.carol.id.address))
        pair.boards[1].book.state.contacts[People.carol.id.address] = nil
        let token = pair.send("wait for me", from: 1, to: club.id)
        pair.settle()
        pair.advance(700)
        #expect(pair.boards[2].texts == ["wait for me"] && pair.a.texts == ["wait for me"])
        #expect(rows(token, of: 1).allSatisfy { $0.state == .delivered })
    }

    @Test("a ref names a message to a group once, and a cancelled one is cancelled for all")
    func refs() {
        invite(1, 2)
        pair.unlink(0)
        let first = pair.send("once", to: club.id, ref: "r")
        pair.settle()
        let again = pair.send("once", to: club.id, ref: "r")
        pair.settle()
        guard case .accepted(let id, _, _, false) = pair.a.answers[first],
            case .accepted(let other, _, _, true) = pair.a.answers[again]
        else {
            Issue.record("\(pair.a.answers[first] as Any) \(pair.a.answers[again] as Any)")
            return
        }
        #expect(id == other && rows(first).count == 2)
        #expect(refusal(pair.send("other", to: club.id, ref: "r")) == "ref-reused")
        pair.feed(0, .cancelled(id: id, token: pair.a.newToken()))
        #expect(rows(first).allSatisfy { $0.state == .cancelled })
        pair.link(0)
        pair.advance(60)
        #expect(pair.boards[1].texts.isEmpty && pair.boards[2].texts.isEmpty)
    }

    @Test("what was on its way when its sender left is taken, and what it writes later is not")
    func former() throws {
        invite(1, 2)
        pair.boards[2].befriend(People.hulk)
        let before = Content(
            type: .text, sn: 8, time: pair.now.wall, group: club.id, ["text": "before"])
        pair.advance(10)
        pair.command("expel", [People.hulk.id], in: club)
        pair.advance(30)
        pair.lay(try People.hulk.sealedMessage(before, to: People.carol), on: 2)
        pair.advance(1)
        #expect(pair.boards[2].texts == ["before"])
        let after = Content(type: .text, sn: 9, time: pair.now.wall, group: club.id, ["text": "after"])
        pair.lay(try People.hulk.sealedMessage(after, to: People.carol), on: 2)
        pair.advance(1)
        #expect(pair.boards[2].texts == ["before"])
    }

    @Test("two hundred members cost one signature, and a key for each")
    func many() throws {
        let board = pair.a
        let people = try crowd(200).map { identity in
            board.befriend(identity)
            return identity.id
        }
        pair.command("reset", people, in: club, administrators: [])
        // The members are told in messages of their own.
        pair.settle()
        let signed = board.messenger.counts.signatures
        let token = pair.send("to all of you", to: club.id)
        #expect(board.messenger.counts.signatures == signed + 1)
        pair.settle()
        let rows = rows(token)
        #expect(rows.count == 200 && Set(rows.map(\.receiver)) == Set(people))
        #expect(Set(rows.map(\.id)).count == 200)
        let shipments = rows.compactMap { $0.shipment.flatMap { board.ledger.shipment($0) } }
        #expect(Set(shipments.map(\.signature)).count == 1 && Set(shipments.map(\.digest)).count == 1)
        let keys = pair.published.compactMap { _, parcel -> [SecureMessage.WrappedKey]? in
            guard let message = try? ReliableMessage(parsing: parcel.payload), message.envelope.group == club.id,
                message.envelope.type == ContentType.text.rawValue
            else { return nil }
            return message.secure.keys
        }
        // Each copy has the key of its receiver alone.
        #expect(keys.count == 200 && keys.allSatisfy { $0.count == 1 })
        #expect(Set(keys.flatMap { $0.map(\.receiver) }) == Set(people.map(\.text)))
    }

    @Test("a message to a group that is not known, or has nobody else, is refused")
    func alone() {
        #expect(refusal(pair.send("x", to: Club(foundedBy: People.hulk, name: "other").id)) == "unknown-group")
        #expect(refusal(pair.send("x", to: club.id)) == "no-members")
        #expect(refusal(pair.command("invite", [People.hulk.id], in: club, from: 1), of: 1) == "unknown-group")
    }
}
