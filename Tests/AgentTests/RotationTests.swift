import DIMP
import Records
import Testing

@testable import Agent

@Suite("New keys")
struct RotationTests {
    /// As the daemon does it: another visa, nobody knows it, no key is used again.
    private func rotate(_ pair: Pair) throws {
        let rotated = try pair.a.book.state.identities[0].rotated(time: pair.now.wall)
        pair.a.book.state.identities[0] = rotated
        for address in pair.a.book.state.contacts.keys { pair.a.book.state.contacts[address]?.knowsUs = false }
        pair.a.book.state.sending = [:]
        pair.a.book.state.received = [:]
        pair.feed(0, .identitiesChanged)
        pair.settle()
    }

    private func visa(_ pair: Pair) -> Document? { pair.b.book.state.visas[People.moki.id.address]?.first }

    @Test("what was sealed for the last key is read, and does not hide the new visa from the peer")
    func underWay() throws {
        let pair = Pair.friends()
        pair.send("first", from: 1, to: People.moki.id)
        pair.settle()
        for number in 1...3 {
            pair.unlink(0)
            let token = pair.send("sealed \(number)", from: 1, to: People.moki.id)
            pair.settle()
            try rotate(pair)
            pair.link(0)
            pair.advance(1000)
            #expect(pair.row(token, of: 1)?.state == .delivered)
            #expect(pair.a.texts.count == 1 + number)
            // Its receipt has brought the visa.
            #expect(visa(pair)?.data == pair.a.book.state.identities[0].visa.data, "\(number)")
        }
        #expect(pair.a.rejections.isEmpty && pair.b.rejections.isEmpty)
        #expect(!pair.a.ledger.state.events.contains { $0.level == .warning && $0.kind == .visa })
        #expect(!pair.b.ledger.state.events.contains { $0.kind == .visa })
    }

    @Test("who knows nothing but the meta is read after any number of new keys")
    func meta() throws {
        let pair = Pair.friends()
        for _ in 0..<3 { try rotate(pair) }
        let own = try #require(pair.a.book.state.identities.first)
        let secret = try #require(own.secret.decryption)
        #expect(own.decryptionKeys.count == 3)
        #expect(own.decryptionKeys.contains { $0.publicKey == secret.publicKey })
        let key = try #require(own.meta.key.encryption)
        let packing = Packing(identity: People.hulk, receiver: own.id, recipients: [(own.id, key)])
        let content = Content(type: .text, sn: 7, time: pair.now.wall, ["text": "to the meta"])
        pair.lay(try packing.seal(content).message, on: 0)
        pair.settle()
        #expect(pair.a.texts == ["to the meta"])
    }

    @Test("a peer knows our visa when it used the key in it, and is shown it until then")
    func knows() throws {
        let pair = Pair.friends()
        try rotate(pair)
        pair.forgetPublished()
        pair.send("one")
        pair.settle()
        #expect(pair.messages(from: 0, to: People.hulk.id.address).first?.visa != nil)
        pair.send("back", from: 1, to: People.moki.id)
        pair.settle()
        #expect(pair.a.book.contact(People.hulk.id.address)?.knowsUs == true)
        pair.forgetPublished()
        pair.send("two")
        pair.settle()
        #expect(pair.messages(from: 0, to: People.hulk.id.address).first?.visa == nil)
        #expect(pair.b.texts == ["one", "two"])
    }

    private func wrappedBytes(_ pair: Pair) -> Set<[UInt8]> {
        Set(pair.messages(from: 0, to: People.hulk.id.address).flatMap { $0.secure.wrappedKeys(for: People.hulk.id) })
    }

    @Test("repeats of older messages carry one wrapped key: the old one, or one for the receiver's new key")
    func wrappedOnce() throws {
        let pair = Pair.friends()
        pair.trouble.lost = 1
        pair.forgetPublished()
        pair.send("one")
        pair.send("two")
        pair.settle()
        let first = wrappedBytes(pair)
        #expect(first.count == 1)
        // The key has ended, or another is in use.
        pair.a.book.state.sending = [:]
        pair.forgetPublished()
        pair.advance(100)
        #expect(pair.messages(from: 0, to: People.hulk.id.address).count > 4)
        #expect(wrappedBytes(pair) == first)
        let visa = try Document.visa(
            of: People.hulk.id, name: nil, key: People.spareKeys[0].publicKey, time: People.time + 50,
            signedBy: People.hulk.secret)
        pair.a.book.apply(.visa(visa, of: People.hulk.id))
        pair.forgetPublished()
        pair.advance(1000)
        #expect(pair.messages(from: 0, to: People.hulk.id.address).count > 2)
        #expect(wrappedBytes(pair).count == 1)
        #expect(wrappedBytes(pair).isDisjoint(with: first))
    }
}
