import Crypto
import DIMP
import Foundation
import TestSupport
import Testing

@testable import Store

/// What is on disk counts: a key that has ended is nowhere in the directory.
@Suite("The life of reused keys") final class KeyStoreTests {
    private let path = NSTemporaryDirectory() + "keys-\(UUID().uuidString)"
    private let directory: StateDirectory
    private let moki = ID.sample("moki@A")
    private let hulk = ID.sample("hulk@B")

    init() throws {
        directory = try StateDirectory(path)
    }

    deinit {
        try? FileManager.default.removeItem(atPath: path)
    }

    private func save(_ store: KeyStore) throws {
        for change in store.takeChanges() { try directory.perform(change) }
    }

    private func opened(lived: Double) -> KeyStore {
        let store = KeyStore(directory)
        store.lived = lived
        return store
    }

    private func key(born: Double) throws -> ReusedKey {
        ReusedKey(key: try SymmetricKey.generate(), wrapped: [1], wrappedFor: [2], born: born, uses: 1)
    }

    private var files: [String] {
        ((try? FileManager.default.subpathsOfDirectory(atPath: path)) ?? []).filter { $0.hasSuffix(".json") }
    }

    @Test("a key is gone from the disk when its day is over, and the others stay")
    func byTime() throws {
        let store = opened(lived: 100)
        store.destroyEnded()
        #expect(store.nextEnd == nil)
        store.put(try key(born: 100), from: moki, to: hulk)
        store.put(try SymmetricKey.generate(), from: hulk, to: moki, wrapping: [7])
        store.lived = 200
        let young = try SymmetricKey.generate()
        store.put(young, from: hulk, to: moki, wrapping: [8])
        try save(store)
        #expect(files.count == 2)
        #expect(store.nextEnd == 100 + ProtocolLimits.reusedKeyLife)
        store.lived = 100 + ProtocolLimits.reusedKeyLife
        store.destroyEnded()
        try save(store)
        #expect(files.count == 1)
        #expect(store.nextEnd == 200 + ProtocolLimits.reusedKeyLife)
        let text = try String(contentsOfFile: path + "/" + files[0], encoding: .utf8)
        #expect(text.components(separatedBy: "\"born\"").count - 1 == 1)
        #expect(opened(lived: store.lived).receivedKey(from: hulk, to: moki, wrapping: [8]) == young)
        store.lived += 100
        store.destroyEnded()
        try save(store)
        #expect(files.isEmpty)
        #expect(store.nextEnd == nil)
    }

    @Test("what ended while the daemon was away goes at the start, and so does what says it is from the future")
    func atStart() throws {
        let store = opened(lived: 100)
        store.put(try key(born: 100), from: moki, to: hulk)
        store.put(try key(born: 1e300), from: hulk, to: moki)
        try save(store)
        #expect(files.count == 2)
        let next = opened(lived: 100 + ProtocolLimits.reusedKeyLife)
        #expect(next.nextEnd == -.infinity)
        next.destroyEnded()
        try save(next)
        #expect(files.isEmpty)
        #expect(next.nextEnd == nil)
    }

    @Test("many files are looked at a portion at a time, and then the first end is known")
    func portions() throws {
        let store = opened(lived: 100)
        for number in 0..<200 {
            store.put(
                try key(born: 100 - Double(number)), from: moki,
                to: ID(name: nil, address: .btc(network: 0, of: Array("\(number)".utf8))))
        }
        try save(store)
        let again = opened(lived: 100)
        for _ in 0..<3 {
            again.destroyEnded()
            #expect(again.nextEnd == -.infinity)
        }
        again.destroyEnded()
        #expect(again.nextEnd == 100 - 199 + ProtocolLimits.reusedKeyLife)
        again.lived = 100 - 198 + ProtocolLimits.reusedKeyLife
        again.destroyEnded()
        #expect(again.nextEnd == 100 - 197 + ProtocolLimits.reusedKeyLife)
        try save(again)
        #expect(files.count == 198)
    }

    @Test("a key is gone from the disk with the last message that it may have")
    func byUses() throws {
        let store = opened(lived: 1)
        store.put(try key(born: 1), from: moki, to: hulk)
        store.put(try SymmetricKey.generate(), from: hulk, to: moki, wrapping: [7])
        for _ in 2..<ProtocolLimits.reusedKeyUses {
            store.useSending(from: moki, to: hulk)
            store.useReceived(from: hulk, to: moki, wrapping: [7])
        }
        try save(store)
        #expect(files.count == 2)
        #expect(store.sendingKey(from: moki, to: hulk) != nil)
        store.useSending(from: moki, to: hulk)
        store.useReceived(from: hulk, to: moki, wrapping: [7])
        try save(store)
        #expect(files.isEmpty)
        #expect(store.sendingKey(from: moki, to: hulk) == nil)
    }

    @Test("a key that is used writes its file once in a hundred uses")
    func rarelyWritten() throws {
        let store = opened(lived: 1)
        store.put(try SymmetricKey.generate(), from: hulk, to: moki, wrapping: [7])
        try save(store)
        var writes = 0
        for _ in 2...350 {
            store.useReceived(from: hulk, to: moki, wrapping: [7])
            writes += store.takeChanges().count
        }
        #expect(writes == 3)
    }

    @Test("a turn that failed has destroyed nothing, and the next one does")
    func reloaded() throws {
        let store = opened(lived: 100)
        store.put(try key(born: 100), from: moki, to: hulk)
        try save(store)
        store.lived += ProtocolLimits.reusedKeyLife
        store.destroyEnded()
        store.reload()
        #expect(files.count == 1)
        #expect(store.nextEnd == -.infinity)
        store.destroyEnded()
        try save(store)
        #expect(files.isEmpty)
    }
}
