import Crypto
import DIMP
import Format
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

    @Test("what is absent is remembered within the same bound")
    func absent() throws {
        for number in 0..<40_000 {
            let address = Address.btc(network: 0, of: Array("\(number)".utf8))
            #expect(facebook.meta(of: ID(name: nil, address: address)) == nil)
        }
        #expect(facebook.cachedBytes <= Facebook.cacheLimit)
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
