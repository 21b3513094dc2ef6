import Crypto
import DIMP
import Format
import Foundation
import Testing

@testable import Store

@Suite struct FacebookTests {
    private let scratch: Scratch
    private let state: StateDirectory
    private let facebook: Facebook

    init() throws {
        scratch = try Scratch()
        state = try StateDirectory(scratch.directory + "/state")
        facebook = try Facebook(state, time: 1)
    }

    private func save() throws {
        for change in facebook.takeChanges() { try state.perform(change) }
    }

    /// Anybody's identity; the same key for all, with another seed.
    private func peer(_ name: String, by secret: PrivateKey) throws -> (id: ID, meta: Meta) {
        let meta = try Meta(seed: name, signedBy: secret)
        return (try #require(meta.id(network: 0)), meta)
    }

    @Test(
        "cards of others take a bounded part of memory, however large they are, and are read again when they are wanted"
    )
    func bounded() throws {
        let secret = PrivateKey.ecc(try ECCPrivateKey.generate())
        // As large as a card may be, and worse in memory: thousands of small values.
        let filling = JSON.array(Array(repeating: [], count: 7_000))
        var ids: [ID] = []
        for number in 0..<60 {
            let (id, meta) = try peer("peer-\(number)", by: secret)
            let visa = try Document(
                kind: "visa", about: id, properties: ["name": .string("n\(number)"), "x": filling], time: 1,
                signedBy: secret)
            #expect(visa.footprint > 300_000)
            facebook.put(Contact(id: id, trust: .stranger))
            facebook.put(meta, of: id)
            facebook.put(visa, of: id)
            try save()
            #expect(facebook.cachedBytes <= Facebook.cacheLimit)
            ids.append(id)
        }
        for (number, id) in ids.enumerated() {
            #expect(facebook.visa(of: id)?.name == "n\(number)")
            #expect(facebook.cachedBytes <= Facebook.cacheLimit)
        }
        #expect(facebook.meta(of: ID(name: "nobody", address: .anywhere)) == nil)
    }

    @Test("the owner's word that no calls are run is a file, and what cannot be read is such a word")
    func callsOff() throws {
        func areOff() throws -> Bool { try Facebook(state, time: 1).areCallsOff }
        #expect(try !areOff())
        facebook.setCallsOff(true)
        #expect(facebook.areCallsOff)
        try save()
        #expect(try areOff())
        facebook.setCallsOff(false)
        try save()
        #expect(try !areOff())
        // A turn that fails leaves what was.
        facebook.setCallsOff(true)
        try facebook.reload(time: 1)
        #expect(!facebook.areCallsOff)
        try FileManager.default.createDirectory(
            atPath: scratch.directory + "/state/calls.off", withIntermediateDirectories: false)
        #expect(try areOff())
    }

    @Test("a visa of an earlier version is renewed with its key, later than it, and shown to culver peers anew")
    func renewal() throws {
        let made = try Identity.register(name: "moki", network: 0, algorithm: .rsa, bits: 1024, time: 100)
        var properties = made.visa.properties
        properties["culver"] = ["v": 1]
        var old = made
        old.visa = try Document(kind: "visa", about: made.id, properties: properties, time: 200, signedBy: made.secret)
        facebook.put(old)
        let key = PrivateKey.ecc(try ECCPrivateKey.generate())
        for (name, isCulver) in [("hulk", true), ("stock", false)] {
            facebook.put(
                Contact(id: try peer(name, by: key).id, trust: .contact, isCulver: isCulver, knowsUs: true))
        }
        try save()
        let renewed = try Facebook(state, time: 150)
        let visa = try #require(renewed.identity(made.id.address)).visa
        #expect(visa.abilities == .ours)
        #expect(visa.time == 201)
        #expect(visa.key == made.visa.key)
        #expect(visa.name == "moki")
        #expect(throws: Never.self) { try visa.check(about: made.id, meta: made.meta) }
        #expect(renewed.contacts.map { $0.isCulver == $0.knowsUs } == [false, false])
        for change in renewed.takeChanges() { try state.perform(change) }
        // Once is enough.
        let again = try Facebook(state, time: 300)
        #expect(again.identity(made.id.address)?.visa.data == visa.data)
        #expect(!again.hasChanges)
    }

    @Test("what is absent is remembered within the same bound")
    func absent() throws {
        for number in 0..<40_000 {
            let address = Address.btc(network: 0, of: Array("\(number)".utf8))
            #expect(facebook.meta(of: ID(name: nil, address: address)) == nil)
        }
        #expect(facebook.cachedBytes <= Facebook.cacheLimit)
    }

    private func address(_ number: Int) -> Address { .btc(network: 0, of: Array("\(number)".utf8)) }

    /// So many, each named for its number; the second is declared, the third a stranger without a name.
    private func befriend(_ count: Int) throws {
        for number in 0..<count {
            facebook.put(
                Contact(
                    id: ID(name: "p", address: address(number)), name: number == 2 ? nil : "c\(number)",
                    trust: number == 2 ? .stranger : .contact, isDeclared: number == 1))
        }
        try save()
    }

    @Test("a start reads no contact, and a question reads the one that it is about")
    func lazily() throws {
        try befriend(300)
        let again = try Facebook(state, time: 1)
        #expect(again.contactsRead == 0)
        #expect(again.contactCount == 300)
        #expect(again.contact(address(7))?.name == "c7")
        #expect(again.contact(address(7))?.name == "c7")
        #expect(again.contact(address(300)) == nil)
        #expect(again.contactsRead == 1)
        #expect(again.contacts(from: 10, limit: 5).count == 5)
        #expect(again.contactsRead <= 6)
    }

    @Test(
        "contacts are looked at a portion at a time; then names, strangers and declared ones are known without reading")
    func portions() throws {
        try befriend(300)
        let again = try Facebook(state, time: 1)
        var turns = 0
        while !again.readContacts(upTo: 32) { turns += 1 }
        #expect(turns == 9)
        #expect(again.contactsRead == 300)
        #expect(again.strangers.map(\.address) == [address(2)])
        #expect(again.declaredContacts == [address(1)])
        #expect(again.contactCount == 300)
        #expect(again.id(named: "nobody") == nil)
        #expect(again.contactsRead == 300)
        for number in [3, 299] { #expect(again.id(named: "c\(number)")?.address == address(number)) }
        #expect(again.contactsRead == 302)
    }

    @Test("blocked and muted ones are known when all contacts were looked at, and until then nothing is said of them")
    func lists() throws {
        try befriend(40)
        var blocked = Contact(id: ID(name: "p", address: address(50)), trust: .stranger, isBlocked: true)
        facebook.put(blocked)
        let muted = Contact(id: ID(name: "p", address: address(51)), trust: .stranger, isMuted: true)
        facebook.put(muted)
        try save()
        let again = try Facebook(state, time: 1)
        #expect(again.blocked == nil && again.muted == nil)
        while !again.readContacts(upTo: 32) {}
        #expect(again.blocked == [blocked.id] && again.muted == [muted.id])
        #expect(again.contact(muted.id.address) == muted)
        // Neither is one that only wrote.
        #expect(again.strangers.map(\.address) == [address(2)])
        (blocked.isBlocked, blocked.isMuted) = (false, true)
        again.put(blocked)
        again.forget(muted.id.address)
        #expect(again.blocked == [] && again.muted == [blocked.id])
    }

    @Test("a name is found before its contact was looked at, and a contact that changes meanwhile counts once")
    func early() throws {
        try befriend(300)
        let again = try Facebook(state, time: 1)
        #expect(again.id(named: "c250")?.address == address(250))
        again.put(Contact(id: ID(name: "p", address: address(11)), name: "renamed", trust: .contact))
        again.put(Contact(id: ID(name: "p", address: address(1_000)), name: "new", trust: .contact))
        again.forget(address(12))
        for change in again.takeChanges() { try state.perform(change) }
        #expect(again.id(named: "renamed")?.address == address(11))
        #expect(again.id(named: "new")?.address == address(1_000))
        while !again.readContacts(upTo: 32) {}
        #expect(again.contactCount == 300)
        #expect(again.contacts.count == 300)
        #expect(again.id(named: "c11") == nil)
        #expect(again.id(named: "c12") == nil)
        #expect(try Facebook(state, time: 1).id(named: "c12") == nil)
    }

    @Test("a turn that failed has changed no contact, be it before or after all were looked at", arguments: [0, 300])
    func undone(_ looked: Int) throws {
        try befriend(300)
        let again = try Facebook(state, time: 1)
        again.readContacts(upTo: looked)
        // One turn is decided and fails, another fails while it is written.
        for isTaken in [false, true] {
            var contact = try #require(again.contact(address(5)))
            contact.name = "other"
            again.put(contact)
            again.put(Contact(id: ID(name: "p", address: address(1_000)), name: "new", trust: .stranger))
            again.forget(address(6))
            if isTaken { _ = again.takeChanges() }
            let read = again.contactsRead
            try again.reload(time: 1)
            #expect(again.contactsRead - read == 2)
            #expect(again.contact(address(5))?.name == "c5")
            #expect(again.contact(address(6))?.name == "c6")
            #expect(again.contact(address(1_000)) == nil)
            #expect(again.contactCount == 300)
        }
        while !again.readContacts(upTo: 32) {}
        #expect(again.contactCount == 300)
        for name in ["other", "new"] { #expect(again.id(named: name) == nil) }
        for number in [5, 6] { #expect(again.id(named: "c\(number)")?.address == address(number)) }
    }

    @Test("a contact that cannot be read is not taken for a stranger")
    func unreadable() throws {
        try befriend(2)
        let path = state.path + "/" + StatePath.contact(address(0).text)
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: path)
        let again = try Facebook(state, time: 1)
        #expect(again.contact(address(1)) != nil)
        #expect(again.takeFault() == nil)
        #expect(again.contact(address(0)) == nil)
        #expect(again.takeFault() != nil)
        #expect(again.takeFault() == nil)
        // The others are known all the same.
        #expect(again.readContacts(upTo: 10))
        #expect(again.id(named: "c1")?.address == address(1))
        #expect(state.takeDamages().count == 1)
    }

    @Test("what an interrupted write has left of a contact goes when the contact is looked at")
    func leftOver() throws {
        try befriend(1)
        let rest = state.path + "/" + StatePath.contact(address(0).text) + "/.trust.json.3.tmp"
        #expect(FileManager.default.createFile(atPath: rest, contents: nil))
        #expect(try state.sweep() == 0)
        #expect(try Facebook(state, time: 1).readContacts(upTo: 1))
        #expect(!FileManager.default.fileExists(atPath: rest))
    }

    @Test("contacts that were asked for take a bounded part of memory")
    func boundedContacts() throws {
        for number in 0..<20_000 { #expect(facebook.contact(address(number)) == nil) }
        #expect(facebook.cachedBytes <= Facebook.cacheLimit)
        #expect(facebook.contactCount == 0)
    }

    @Test("a card on disk has the members that DIMP defines, and no others")
    func members() throws {
        let secret = PrivateKey.ecc(try ECCPrivateKey.generate())
        let (id, meta) = try peer("peer", by: secret)
        var metaJSON = meta.json
        metaJSON["x"] = .string(String(repeating: "x", count: 100_000))
        var visaJSON = try Document(kind: "visa", about: id, properties: [:], time: 1, signedBy: secret).json
        visaJSON["x"] = metaJSON["x"]
        facebook.put(try Meta(.object(metaJSON)), of: id)
        facebook.put(try Document(.object(visaJSON)), of: id)
        try save()
        let written = try #require(try state.json(StatePath.meta(ofContact: id.address.text))?.object)
        #expect(written.names.sorted() == ["fingerprint", "key", "seed", "type", "version"])
        let visa = try #require(try state.json(StatePath.visa(ofContact: id.address.text))?.object)
        #expect(visa.names.sorted() == ["ID", "data", "did", "signature", "type"])
    }
}
