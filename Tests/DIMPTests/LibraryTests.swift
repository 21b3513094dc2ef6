// What a program outside of this package has: public members alone.
import DIMP
import Testing

@Suite struct LibraryTests {
    private final class Book: Barrack {
        var metas: [Address: Meta] = [:]
        var users: [Address: Identity] = [:]

        func meta(of id: ID) -> Meta? { metas[id.address] }
        func visa(of id: ID) -> Visa? { users[id.address]?.visa }
        func identity(_ address: Address) -> Identity? { users[address] }
    }

    private static let time = 1_760_000_000.0

    private func registered(_ name: String, in book: Book) throws -> Identity {
        let user = try Identity.register(name, bits: 1024, time: Self.time)
        (book.metas[user.id.address], book.users[user.id.address]) = (user.meta, user)
        return user
    }

    @Test("register, encrypt, sign, verify, decrypt, with everything stored as text between")
    func course() throws {
        let book = Book()
        let (moki, hulk) = (try registered("moki", in: book), try registered("hulk", in: book))
        let transceiver = Transceiver(barrack: book)
        let sent = try transceiver.encryptSign(
            .text("Hello world!", sn: 1, time: Self.time), from: moki.id, to: hulk.id, attach: true)
        let message = try ReliableMessage(wire: sent.wire)
        #expect(message.sender == moki.id && message.receiver == hulk.id)
        #expect(message.attachedMeta?.vouches(for: moki.id) == true)
        let stored = try Identity(
            meta: try Meta(jsonText: hulk.meta.jsonText), visa: try Visa(jsonText: hulk.visa.jsonText), id: hulk.id,
            privateKeys: hulk.privateKeys)
        let (read, isSealed) = try transceiver.verifyDecrypt(message, as: stored)
        #expect(read.content.plainText == "Hello world!" && read.sender == moki.id && isSealed)
        #expect(throws: Rejection.self) { try transceiver.verifyDecrypt(message, as: moki) }
    }

    @Test("what is wrong is refused: a visa of somebody else, keys of another meta, texts that are none")
    func refused() throws {
        let book = Book()
        let (moki, hulk) = (try registered("moki", in: book), try registered("hulk", in: book))
        try hulk.visa.check(of: hulk.id, meta: hulk.meta)
        #expect(throws: Rejection.self) { try hulk.visa.check(of: moki.id, meta: moki.meta) }
        #expect(throws: Rejection.self) { try hulk.visa.check(of: hulk.id, meta: moki.meta) }
        for keys in [[], ["{}"], ["x"]] {
            #expect(throws: Transceiver.Failure.self) {
                try Identity(meta: hulk.meta, visa: hulk.visa, id: hulk.id, privateKeys: keys)
            }
        }
        #expect(throws: Transceiver.Failure.self) {
            try Identity(meta: hulk.meta, visa: hulk.visa, id: moki.id, privateKeys: hulk.privateKeys)
        }
        for text in ["", "{", "[]", "5"] {
            #expect(throws: Rejection.self) { try Meta(jsonText: text) }
            #expect(throws: Rejection.self) { try Visa(jsonText: text) }
            #expect(throws: Rejection.self) { try Content(jsonText: text) }
        }
        #expect(throws: Rejection.self) { try ReliableMessage(wire: Array(repeating: 32, count: 2 << 20)) }
        let stranger = try #require(ID("hulk@4YeVEN3aUnvC1DNUufCq1bs9zoBSJTzVEj"))
        #expect(throws: Transceiver.Failure.self) {
            try Transceiver(barrack: book).encryptSign(
                .text("x", sn: 1, time: Self.time), from: moki.id, to: stranger, attach: false)
        }
    }

    @Test("contents of every kind go in and out as JSON")
    func contents() throws {
        let text = #"{"type":204,"app":"garden","mod":"valve","act":"open"}"#
        let content = try Content(jsonText: text)
        #expect(content.plainText == nil && content.jsonText == text)
    }
}
