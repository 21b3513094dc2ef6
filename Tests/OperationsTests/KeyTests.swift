import DIMP
import Format
import Foundation
import Records
import Store
import Testing

@testable import Operations

/// Identities that come from elsewhere, go, and get new keys: on files alone.
@Suite struct KeyTests {
    private let path = NSTemporaryDirectory() + "keys-\(UUID().uuidString)"
    private let directory: StateDirectory
    private let facebook: Facebook
    private var identities: IdentityOperations { IdentityOperations(facebook: facebook, time: now) }
    private let now = 1_700_000_000.0

    init() throws {
        directory = try StateDirectory(path)
        facebook = try Facebook(directory, time: now)
    }

    private func made(_ name: String, _ algorithm: Identity.Algorithm = .rsa) throws -> Identity {
        try Identity.register(name: name, network: 0, algorithm: algorithm, bits: 1024, time: now)
    }

    private func save() throws {
        for change in facebook.takeChanges() { try directory.perform(change) }
    }

    private func reopened() throws -> Facebook { try Facebook(directory, time: now) }

    private func refusal(_ json: JSON) -> Refusal.Kind? {
        do {
            _ = try identities.imported(json)
            return nil
        } catch {
            return error.kind
        }
    }

    @Test("what was exported is imported with all its keys, and the default one stays the default")
    func imported() throws {
        defer { try? FileManager.default.removeItem(atPath: path) }
        facebook.put(try made("first"))
        let old = try Identity.register(name: "old", network: 0, algorithm: .ecc, bits: 1024, time: now - 5000)
        let rotated = try old.rotated(time: now)
        facebook.put(Contact(id: old.id, name: "friend", trust: .contact))
        let json = try JSON(parsing: IdentityExport.json(of: rotated).bytes)
        let result = try identities.takeOver(Params(["identity": json]))
        #expect(result.values == IdentityOperations.forgetting(old.id.address))
        try save()
        let again = try reopened()
        #expect(again.identities.map(\.id.name) == ["first", "old"])
        let there = try #require(again.identity(old.id.address))
        #expect(there.visaKeys.map(\.publicKey) == rotated.visaKeys.map(\.publicKey))
        #expect(there.visa.data == rotated.visa.data)
        #expect(again.contacts.isEmpty)
        #expect(refusal(json) == .exists)
    }

    @Test("an identity whose parts do not belong together is refused")
    func mixed() throws {
        defer { try? FileManager.default.removeItem(atPath: path) }
        let moki = try #require(IdentityExport.json(of: try made("moki")).object)
        let hulk = try #require(IdentityExport.json(of: try made("hulk")).object)
        #expect(refusal(.object(moki)) == nil)
        for name in ["did", "secret", "visa_keys", "meta", "visa"] {
            var mixed = moki
            mixed[name] = hulk[name]
            #expect(refusal(.object(mixed)) == .badData, "\(name)")
            mixed[name] = nil
            #expect(refusal(.object(mixed)) == .badData, "\(name)")
            mixed[name] = [1]
            #expect(refusal(.object(mixed)) == .badData, "\(name)")
        }
        #expect(refusal([]) == .badData)
        facebook.put(Contact(id: try made("other").id, name: "moki", trust: .contact))
        #expect(refusal(.object(moki)) == .exists)
    }

    @Test("a visa of a time that is none is refused, and the last time there is makes no trouble")
    func times() throws {
        defer { try? FileManager.default.removeItem(atPath: path) }
        let identity = try made("moki")
        func exported(time: Double) throws -> JSON {
            var object = try #require(IdentityExport.json(of: identity).object)
            let key = try #require(identity.visaKeys.first).publicKey
            let visa = try Document.visa(
                of: identity.id, name: nil, key: key, time: time, signedBy: identity.secret)
            object["visa"] = .object(visa.json)
            return try JSON(parsing: JSON.object(object).bytes)
        }
        for time in [1e300, -1, 253_402_300_800, 9.3e18] {
            #expect(refusal(try exported(time: time)) == .badData, "\(time)")
        }
        let last = 253_402_300_799.0
        _ = try identities.takeOver(Params(["identity": try exported(time: last)]))
        try save()
        let there = try #require(try reopened().identity(identity.id.address))
        #expect(there.visa.time == last && there.visaKeys.count == 1)
        #expect(try directory.list(StatePath.visaKeys(of: identity.id.address.text)) == ["253402300799.json"])
    }

    @Test("a visa of our own with any time is put on disk")
    func anyTime() throws {
        defer { try? FileManager.default.removeItem(atPath: path) }
        let identity = try made("moki")
        for time in [1e300, -1e300, .nan, .infinity] {
            var odd = identity
            odd.visa = try Document.visa(
                of: identity.id, name: nil, key: try #require(identity.visa.key), time: time, signedBy: identity.secret)
            facebook.put(odd)
            facebook.rotate(odd)
        }
        try save()
    }

    @Test("new keys keep the one before and the meta's, and every contact is shown the visa again")
    func rotated() throws {
        defer { try? FileManager.default.removeItem(atPath: path) }
        var identity = try made("moki")
        facebook.put(identity)
        facebook.put(Contact(id: try made("hulk").id, trust: .contact, isCulver: true, knowsUs: true))
        try save()
        let secret = try #require(identity.secret.decryption).publicKey
        var keys = identity.visaKeys.map(\.publicKey)
        for number in 1...4 {
            // The clock stands still: visas are newer all the same.
            let next = try identity.rotated(time: now)
            #expect(next.visa.time > identity.visa.time)
            #expect(next.visa.properties["created_time"] == identity.visa.properties["created_time"])
            try next.visa.check(about: next.id, meta: next.meta)
            facebook.rotate(next)
            try save()
            identity = try #require(try reopened().identity(next.id.address))
            keys.insert(try #require(identity.visa.key), at: 0)
            #expect(identity.visaKeys.map(\.publicKey) == Array(keys.prefix(2)), "\(number)")
            #expect(identity.decryptionKeys.map { PublicKey.rsa($0.publicKey) } == keys.prefix(2) + [.rsa(secret)])
            #expect(facebook.contacts.map(\.knowsUs) == [false])
        }
    }

    @Test("nothing remains of what was removed, and the next identity is the default one")
    func removed() throws {
        defer { try? FileManager.default.removeItem(atPath: path) }
        let (moki, hulk) = (try made("moki"), try made("hulk"))
        facebook.put(moki)
        facebook.put(hulk)
        facebook.makeDefault(moki.id)
        try save()
        for name in [
            StatePath.key(sender: moki.id.address.text, receiver: hulk.id.address.text),
            StatePath.key(sender: "4WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXekk", receiver: moki.id.address.text),
            StatePath.key(sender: "4WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXekk", receiver: hulk.id.address.text),
        ] {
            try directory.write(Array("{}".utf8), to: name, mode: 0o600)
        }
        facebook.remove(moki.id)
        let keys = KeyStore(directory)
        keys.forgetOwn(moki.id.address)
        let changes = facebook.takeChanges()
        guard case .remove(StatePath.secret(of: moki.id.address.text)) = try #require(changes.first) else {
            Issue.record("the secret is not the first to go")
            return
        }
        for change in changes + keys.takeChanges() { try directory.perform(change) }
        #expect(facebook.identities.map(\.id) == [hulk.id])
        #expect(try reopened().identities.map(\.id) == [hulk.id])
        let left = try FileManager.default.subpathsOfDirectory(atPath: path).filter { $0.hasSuffix(".json") }
        #expect(left.filter { $0.contains(moki.id.address.text) } == [])
        #expect(
            left.contains(StatePath.key(sender: "4WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXekk", receiver: hulk.id.address.text)))
        facebook.remove(hulk.id)
        try save()
        #expect(try reopened().identities.isEmpty)
        #expect(try !directory.exists("identities/default.json"))
    }
}
