import DIMP
import Format
import Foundation
import Records
import Testing

@testable import Store

@Suite struct BackupTests {
    let scratch: Scratch
    let state: StateDirectory

    init() throws {
        scratch = try Scratch()
        state = try StateDirectory(scratch.directory + "/state")
    }

    func all(_ backup: Backup, _ name: String) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while case let piece = try backup.piece(of: name, at: Int64(bytes.count), limit: 100), !piece.isEmpty {
            bytes += piece
        }
        return bytes
    }

    @Test("what a restore would not take is not in a backup")
    func foreign() throws {
        try state.write(Array("{}".utf8), to: "identities/b/meta.json")
        for name in ["contacts/notes.txt", "contacts/a/trust.json~", "identities/b/c/d/e.json", "groups/a/x"] {
            try state.write(Array("{}".utf8), to: name)
        }
        try state.write(
            [UInt8](repeating: 0x20, count: StateDirectory.sizeLimit) + [0x5B, 0x5D], to: "contacts/a/x.json")
        try state.write([], to: "contacts/a/visa.json")
        let backup = try Backup(of: state)
        #expect(try backup.copy()?.map(\.name) == ["identities/b/meta.json"])
        let damages = state.takeDamages()
        #expect(damages.count == 1)
        #expect(damages.first?.hasPrefix("contacts/a/visa.json: ") == true)
        try backup.remove()
    }

    @Test("an identity whose file is damaged is not left out silently")
    func damagedIdentity() throws {
        try state.write(Array("{".utf8), to: "identities/b/visa.json")
        let backup = try Backup(of: state)
        #expect(throws: FileError.self) { try backup.copy() }
        try backup.remove()
    }

    @Test("a backup holds what was there at its moment, whatever is written before it is read")
    func moment() throws {
        try state.write(Array("[1]".utf8), to: "contacts/a/trust.json")
        try state.write(Array("[2]".utf8), to: "identities/b/secret.json", mode: 0o600)
        for name in ["keys/a/b.json", "install.json", "lock", "contacts/a/x.json.bad"] {
            try state.write([1], to: name)
        }
        let store = try MessageStore(path: state.path + "/" + StatePath.messages)
        for number in 0..<50 { try store.apply(.incoming(incoming("in\(number)"))) }
        try store.commit()

        let backup = try Backup(of: state)
        try state.write(Array("[3]".utf8), to: "contacts/a/trust.json")
        try state.removeAll("identities/b")
        try state.write([1], to: "contacts/new/trust.json")
        for number in 50..<90 { try store.apply(.incoming(incoming("in\(number)"))) }
        try store.commit()
        let items = try #require(try backup.copy())
        for number in 90..<99 { try store.apply(.incoming(incoming("in\(number)"))) }
        try store.commit()

        #expect(
            items.map(\.name) == ["identities/b/secret.json", "contacts/a/trust.json", StatePath.messages])
        #expect(items.map(\.mode) == [0o600, 0o644, 0o600])
        #expect(try all(backup, "contacts/a/trust.json") == Array("[1]".utf8))
        #expect(try all(backup, "identities/b/secret.json") == Array("[2]".utf8))
        let copied = try all(backup, StatePath.messages)
        #expect(Int64(copied.count) == items[2].size)
        try Data(copied).write(to: URL(fileURLWithPath: scratch.path))
        let copy = try scratch.open()
        #expect(copy.damage == nil)
        #expect(try copy.isSound())
        #expect(try copy.inboxSize().count == 50)

        try backup.remove()
        #expect(try !state.exists(StatePath.backup))
        try store.checkpoint()
        #expect(try store.inboxSize().count == 99)
    }

    @Test("what a dead process has left of a backup is in nobody's way")
    func leftovers() throws {
        try state.write(Array("[]".utf8), to: "contacts/a/trust.json")
        _ = try Backup(of: state)
        let again = try Backup(of: state)
        #expect(try again.copy()?.map(\.name) == ["contacts/a/trust.json"])
        try state.removeBackup()
        #expect(try !state.exists(StatePath.backup))
    }

    @Test("a copy that was cancelled is none")
    func cancelled() throws {
        let store = try MessageStore(path: state.path + "/" + StatePath.messages)
        let content = "{\"text\":\"\(String(repeating: "x", count: 4000))\"}"
        for number in 0..<600 { try store.apply(.incoming(incoming("in\(number)", content: content))) }
        try store.commit()
        let backup = try Backup(of: state)
        backup.cancel()
        #expect(try backup.copy() == nil)
        try backup.remove()
    }

    // MARK: - Restoring

    func restoration() throws -> Restoration { try Restoration(into: state, lock: try state.lock()) }

    func refused(_ body: () throws -> Void) -> Refusal.Kind? {
        do {
            try body()
            return nil
        } catch {
            return (error as? Refusal)?.kind
        }
    }

    func put(_ files: [(String, [UInt8])], into restoration: Restoration) throws {
        for (name, bytes) in files {
            try restoration.begin(name, size: Int64(bytes.count))
            var rest = bytes[...]
            while !rest.isEmpty {
                try restoration.write(Array(rest.prefix(1000)))
                rest = rest.dropFirst(1000)
            }
        }
    }

    func files(of identity: Identity) throws -> [(String, [UInt8])] {
        let other = try StateDirectory(scratch.directory + "/other")
        let facebook = try Facebook(other, time: 1)
        facebook.put(identity)
        for change in facebook.takeChanges() { try other.perform(change) }
        return try #require(try Backup(of: other).copy()).map { ($0.name, try other.read($0.name) ?? []) }
    }

    @Test("a restored directory is an installation of its own, whose messages know that they are a copy")
    func restored() throws {
        let identity = try Identity.register(name: "a", network: 8, algorithm: .ecc, bits: 1024, time: 1_700_000_000)
        let source = try MessageStore(path: scratch.path)
        try source.apply(.value(.place, "here"))
        try source.apply(.incoming(incoming("in")))
        try source.commit()
        try source.checkpoint()
        let messages = try Data(contentsOf: URL(fileURLWithPath: scratch.path))

        let restoration = try restoration()
        #expect(throws: Unfinished.self) { try state.checkIsLive() }
        try put(files(of: identity) + [(StatePath.messages, Array(messages))], into: restoration)
        #expect(throws: Unfinished.self) { try state.checkIsLive() }
        try restoration.finish(identities: [identity.id.bare.text], time: 1)
        try state.checkIsLive()
        #expect(try state.exposedKeys().isEmpty)
        #expect(try Facebook(state, time: 1).identities.map(\.id) == [identity.id])
        #expect(try state.exists(StatePath.install))
        let store = try MessageStore(path: state.path + "/" + StatePath.messages)
        #expect(try store.value(.place) == "restored")
        #expect(try store.inboxSize().count == 1)
    }

    @Test("a directory that is not empty is left as it is")
    func occupied() throws {
        try state.write([1], to: "identities/a/secret.json")
        #expect(refused { _ = try restoration() } == .exists)
        #expect(try state.exists("identities/a/secret.json"))
        #expect(try !state.exists(StatePath.restoring))
    }

    @Test("a restore that was interrupted is begun anew, and one that is given up leaves nothing")
    func interrupted() throws {
        try put([("contacts/a/trust.json", [1])], into: try restoration())
        #expect(try state.exists("contacts/a/trust.json"))
        let again = try restoration()
        #expect(try !state.exists("contacts/a/trust.json"))
        try put([("contacts/b/trust.json", [1])], into: again)
        again.abandon()
        #expect(try FileManager.default.contentsOfDirectory(atPath: state.path) == [StatePath.lock])
    }

    @Test(
        "a name that stands in no state directory is refused",
        arguments: [
            "../x.json", "/contacts/a/x.json", "contacts/../x.json", "contacts/.x/y.json", "contacts/a/.json", "x.json",
            "contacts/x.json\0", "install.json", "lock", "retired.json", "keys/a/b.json", "contacts/a/b/x.json",
            "identities/a/b/c/x.json", "contacts/a/x", "files/a/b", "files", "", "/", "messages.sqlite-wal",
            "contacts/a/x\n.json",
        ])
    func names(name: String) throws {
        let restoration = try restoration()
        #expect(refused { try restoration.begin(name, size: 1) } == .badData)
    }

    @Test("more than was announced, less than it, or too much of anything is refused")
    func sizes() throws {
        let restoration = try restoration()
        #expect(
            refused { try restoration.begin("contacts/a/x.json", size: Int64(StateDirectory.sizeLimit) + 1) }
                == .badData)
        #expect(refused { try restoration.begin(StatePath.messages, size: .max) } == .badData)
        #expect(refused { try restoration.begin("files/x", size: -1) } == .badData)
        for size in [1 << 32, 1 << 32 + 5, 1 << 33 - 1] as [Int64] {
            #expect(refused { try restoration.begin("files/x", size: size) } == .badData, "\(size)")
            #expect(refused { try restoration.begin(StatePath.messages, size: size) } == .badData, "\(size)")
        }
        #expect(refused { try restoration.write([1]) } == .badData)
        try restoration.begin("contacts/a/x.json", size: 2)
        #expect(refused { try restoration.write([1, 2, 3]) } == .badData)
        try restoration.write([1])
        #expect(refused { try restoration.begin("contacts/b/x.json", size: 1) } == .badData)
        #expect(refused { try restoration.finish(identities: [], time: 1) } == .badData)
        try restoration.write([2])
        #expect(refused { try restoration.begin("contacts/a/x.json", size: 2) } == .badData)
    }

    @Test(
        "a database that somebody has made by hand is refused",
        arguments: [
            "PRAGMA user_version = -2147483644", "UPDATE sqlite_sequence SET seq = 9223372036854775807",
            "UPDATE inbox SET seq = 9223372036854775807", "CREATE VIEW all_of_it AS SELECT * FROM inbox",
            "CREATE TABLE mine (a)", "DROP INDEX inbox_id",
            "CREATE TRIGGER t AFTER INSERT ON inbox BEGIN DELETE FROM seen; END",
        ])
    func madeByHand(statement: String) throws {
        let identity = try Identity.register(name: "a", network: 8, algorithm: .ecc, bits: 1024, time: 1_700_000_000)
        do {
            let source = try MessageStore(path: scratch.path)
            try source.apply(.incoming(incoming("in")))
            try source.commit()
            try source.database.run(statement)
            try source.checkpoint()
        }
        let messages = try Data(contentsOf: URL(fileURLWithPath: scratch.path))
        let restoration = try restoration()
        try put(files(of: identity) + [(StatePath.messages, Array(messages))], into: restoration)
        #expect(
            refused { try restoration.finish(identities: [identity.id.bare.text], time: 1) } == .badData)
        restoration.abandon()
    }

    @Test("identities that are not those it speaks of, and messages that cannot be read, are refused")
    func contents() throws {
        let identity = try Identity.register(name: "a", network: 8, algorithm: .ecc, bits: 1024, time: 1_700_000_000)
        let files = try files(of: identity)
        let did = identity.id.bare.text
        func outcome(_ files: [(String, [UInt8])], _ identities: [String]) throws -> Refusal.Kind? {
            let restoration = try restoration()
            defer { restoration.abandon() }
            return refused {
                try put(files, into: restoration)
                try restoration.finish(identities: identities, time: 1)
            }
        }
        #expect(try outcome(files, [did]) == nil)
        #expect(try outcome(files, []) == .badData)
        #expect(try outcome(files, [did, "moki@4WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXekk"]) == .badData)
        #expect(try outcome([], []) == .badData)
        #expect(try outcome(files.filter { !$0.0.hasSuffix("secret.json") }, [did]) == .badData)
        #expect(try outcome(files + [("contacts/a/meta.json", [0x7B])], [did]) == .badData)
        #expect(try outcome(files + [(StatePath.messages, Array("SQLite format 3".utf8))], [did]) == .badData)
        for index in files.indices {
            var changed = files
            changed[index].1 = Array("{\"data\":\"x\"}".utf8)
            #expect(try outcome(changed, [did]) == .badData, "\(files[index].0)")
        }
    }
}
