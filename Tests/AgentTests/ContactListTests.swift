import Agent
import DIMP
import Format
import Records
import Testing

@Suite("Muted and blocked ones, and the lists that other devices of ours hold")
struct ContactListTests {
    private let moki = People.moki
    private let hulk = People.hulk
    private let dave = People.dave

    private func list(_ command: String, _ ids: [ID]?, sn: Int64 = 1) -> Content {
        var members: JSONObject = [:]
        if let ids { members["list"] = .array(ids.map { .string($0.text) }) }
        return Content.command(command, sn: sn, time: Pair.start, members)
    }

    /// What hulk's board sent to the other devices of hulk.
    private func told(_ pair: Pair) throws -> [Content] {
        try pair.messages(from: 1, to: hulk.id.address).map { message in
            let key = try message.secure.unwrapped(for: hulk.id, with: hulk.decryptionKeys).key
            return try message.secure.decrypted(with: key).content
        }
    }

    private func isMuted(_ pair: Pair, _ who: Identity) -> Bool? { pair.b.book.contact(who.id.address)?.isMuted }
    private func isBlocked(_ pair: Pair, _ who: Identity) -> Bool? { pair.b.book.contact(who.id.address)?.isBlocked }

    @Test("a list of a stock device with the same identity adds to the one that is here, and frees nobody, however old")
    func taken() throws {
        let pair = Pair.friends()
        pair.b.befriend(People.carol)
        pair.lay(try hulk.stockMessage(list("mute", [moki.id, dave.id]), to: hulk))
        #expect(isMuted(pair, moki) == true && isMuted(pair, People.carol) == false)
        #expect(isMuted(pair, dave) == true && pair.b.book.contact(dave.id.address)?.trust == .stranger)
        pair.lay(try hulk.stockMessage(list("mute", [People.carol.id], sn: 2), to: hulk))
        #expect(isMuted(pair, moki) == true && isMuted(pair, People.carol) == true && isMuted(pair, dave) == true)
        let empty = try hulk.stockMessage(list("block", [], sn: 9), to: hulk)
        pair.lay(empty)
        pair.lay(try hulk.stockMessage(list("block", [moki.id], sn: 3), to: hulk))
        #expect(isBlocked(pair, moki) == true && isMuted(pair, People.carol) == true)
        pair.lay(empty)
        pair.lay(try hulk.stockMessage(list("block", [], sn: 4), to: hulk))
        #expect(isBlocked(pair, moki) == true)
        pair.lay(try moki.sealedMessage(.text("heard?", sn: 1, time: Pair.start), to: hulk))
        #expect(pair.b.texts.isEmpty)
        let events = pair.b.ledger.state.events.filter { $0.kind == .contact }.map(\.text)
        #expect(events.contains("blocked \(moki.id), as another device of ours says"))
        #expect(events.contains("muted \(dave.id), as another device of ours says"))
        #expect(try told(pair).isEmpty)
    }

    @Test("messages of muted ones are taken and receipted like all others")
    func muted() throws {
        let pair = Pair.friends()
        pair.lay(try hulk.stockMessage(list("mute", [moki.id]), to: hulk))
        let token = pair.send("psst")
        pair.settle()
        pair.advance(1)
        #expect(pair.b.texts == ["psst"] && pair.row(token)?.state == .delivered)
    }

    @Test("the question of such a device is answered with the list, once all contacts are known")
    func asked() throws {
        let pair = Pair.friends()
        pair.b.book.knowsAll = false
        pair.lay(try hulk.stockMessage(list("block", nil), to: hulk))
        #expect(try told(pair).isEmpty)
        pair.b.book.knowsAll = true
        pair.b.book.apply(.contact(Contact(id: dave.id, trust: .stranger, isBlocked: true)))
        pair.lay(try hulk.stockMessage(list("block", nil, sn: 2), to: hulk))
        pair.lay(try hulk.stockMessage(list("mute", nil, sn: 3), to: hulk))
        #expect(try told(pair).map(\.body) == [.command(.block([dave.id])), .command(.mute([]))])
        #expect(pair.b.inbox.isEmpty && pair.b.rejections.isEmpty)
    }

    @Test("this board's own answer, which comes back to it or is laid again, changes nothing")
    func echo() throws {
        let pair = Pair.friends()
        pair.b.book.apply(.contact(Contact(id: dave.id, trust: .stranger, isBlocked: true)))
        pair.lay(try hulk.stockMessage(list("block", nil), to: hulk))
        let answer = try #require(pair.messages(from: 1, to: hulk.id.address).first)
        pair.b.book.apply(.contact(Contact(id: dave.id, trust: .stranger)))
        pair.lay(answer)
        #expect(isBlocked(pair, dave) == false && pair.b.inbox.isEmpty)
    }

    @Test("what others say about such lists is for local programs, and changes nothing")
    func ofOthers() throws {
        let pair = Pair.friends()
        pair.lay(try moki.sealedMessage(list("block", [People.carol.id]), to: hulk))
        pair.lay(try moki.sealedMessage(list("mute", nil, sn: 2), to: hulk))
        #expect(pair.b.inbox.map(\.type) == [136, 136])
        #expect(isBlocked(pair, People.carol) == nil)
    }

    @Test("in the clear, too long or without seal where it says something else, it changes nothing")
    func bad() throws {
        let pair = Pair.friends()
        pair.lay(try hulk.broadcast(list("block", [moki.id]), attach: false))
        pair.lay(
            try hulk.stockMessage(list("block", [ID](repeating: moki.id, count: 1_025), sn: 2), to: hulk))
        pair.lay(try hulk.stockMessage(.text("as if from ourselves", sn: 3, time: Pair.start), to: hulk))
        #expect(isBlocked(pair, moki) == false)
        #expect(pair.b.texts.isEmpty)
        #expect(pair.b.rejections.map(\.stage).contains(.seal))
    }

    @Test("a declared contact, an identity of this board and everybody stay as they are")
    func unchanged() throws {
        let pair = Pair.friends()
        pair.b.book.apply(.contact(Contact(id: dave.id, trust: .contact, isDeclared: true)))
        pair.lay(try hulk.stockMessage(list("block", [dave.id, hulk.id, .anyone]), to: hulk))
        #expect(isBlocked(pair, dave) == false)
        #expect(pair.b.book.contact(hulk.id.address) == nil)
    }

    @Test("who is blocked by a list has no message waiting any more")
    func parked() throws {
        let pair = Pair.friends()
        pair.lay(try dave.sealedMessage(.text("let me in", sn: 1, time: Pair.start), to: hulk, attach: true))
        #expect(pair.b.ledger.state.parked.count == 1)
        pair.lay(try hulk.stockMessage(list("block", [dave.id]), to: hulk))
        #expect(pair.b.ledger.state.parked.isEmpty)
    }

    @Test("a question that a program asks of a culver agent is answered once and repeated no more")
    func numbered() throws {
        let pair = Pair.friends()
        let token = pair.submit(.command, ["command": "handshake", "title": "Hello world!"])
        pair.settle()
        pair.advance(120)
        #expect(pair.row(token)?.state == .delivered)
        let answers = try pair.messages(from: 1, to: moki.id.address).compactMap { message -> Content? in
            let key = try message.secure.unwrapped(for: moki.id, with: moki.decryptionKeys).key
            return try message.secure.decrypted(with: key).content
        }
        #expect(answers.count { $0.commandName == "handshake" } == 1)
    }
}
