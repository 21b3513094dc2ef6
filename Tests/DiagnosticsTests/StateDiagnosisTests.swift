import Crypto
import DIMP
import Format
import Foundation
import Store
import System
import TestSupport
import Testing

@testable import Diagnostics

/// A state directory with one identity of 2048 bits, each time damaged in one way.
@Suite struct StateDiagnosisTests {
    let scratch: TemporaryDirectory
    let state: StateDirectory
    let moki: Identity
    private let now = 1_800_000_000.0

    init() throws {
        scratch = try TemporaryDirectory()
        state = try StateDirectory(scratch.file("state"))
        moki = try Self.strong.get()
        try keep(moki)
    }

    /// Made once: it takes a moment.
    private static let strong = Result {
        try Identity.register(name: "moki", network: 0, algorithm: .rsa, bits: 2048, time: 1_700_000_000)
    }

    private func keep(_ identity: Identity) throws {
        let facebook = try Facebook(state, time: now)
        facebook.put(identity)
        for change in facebook.takeChanges() { try state.perform(change) }
    }

    private func diagnosis(mends: Bool = false, time: Double? = nil) -> [Check] {
        StateDiagnosis(of: state.path, mends: mends, isInUse: false, time: time ?? now).checks()
    }

    /// What is not well.
    private func bad(mends: Bool = false, time: Double? = nil) -> [Check] {
        // The disk of the machine is no matter of these tests.
        diagnosis(mends: mends, time: time).filter { $0.result != .ok && $0.name != "disk" }
    }

    private func setMode(_ mode: Int, _ name: String) throws {
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: "\(state.path)/\(name)")
    }

    private func mode(_ name: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: "\(state.path)/\(name)")[.posixPermissions] as? Int
    }

    private var address: String { moki.id.address.text }
    private var secret: String { StatePath.secret(of: address) }
    private var visaKey: String {
        get throws {
            "\(StatePath.visaKeys(of: address))/\(try #require(try state.list(StatePath.visaKeys(of: address)).first))"
        }
    }

    private func visa(_ properties: JSONObject, key: PublicKey, time: Double = 1_700_000_001) throws -> Document {
        var properties = properties
        properties["key"] = key.json
        return try Document(kind: "visa", about: moki.id, properties: properties, time: time, signedBy: moki.secret)
    }

    private func write(_ visa: Document) throws {
        try state.write(JSON.object(visa.json).bytes, to: StatePath.visa(ofIdentity: address))
    }

    // MARK: - Well

    @Test("a sound directory is well, and looking at it changes nothing")
    func sound() throws {
        let before = try FileManager.default.subpathsOfDirectory(atPath: state.path).sorted()
        #expect(bad() == [])
        #expect(diagnosis().map(\.name).contains("keys"))
        #expect(try FileManager.default.subpathsOfDirectory(atPath: state.path).sorted() == before)
    }

    @Test("the worst check is the whole, and the exit code")
    func worst() {
        #expect([Check].init().worst.rank == 0)
        #expect([Check("a", .ok, ""), Check("b", .warn, "")].worst.rank == 1)
        #expect([Check("a", .fail, ""), Check("b", .warn, "")].worst.rank == 2)
        let check = Check("a", .fail, "text", hint: "cure")
        #expect(Check(check.json) == check)
        #expect([check].json["worst"] == "fail")
    }

    // MARK: - Permissions

    @Test("whatever secret others can read fails with the exact chmod, and is mended")
    func exposed() throws {
        try state.write([], to: "keys/a/b.json", mode: 0o600)
        try state.write([], to: StatePath.messages, mode: 0o600)
        try state.write([], to: "\(StatePath.identity(address))/secret.json.bad", mode: 0o600)
        for name in [secret, try visaKey, "keys/a/b.json", StatePath.messages] {
            try setMode(0o640, name)
            let found = bad().filter { $0.name == "permissions" }
            #expect(found.map(\.result) == [.fail])
            #expect(found.first?.hint == "chmod 600 \(state.path)/\(name)")
            #expect(try mode(name) == 0o640)
            let mended = diagnosis(mends: true).filter { $0.name == "permissions" }
            #expect(mended.map(\.result) == [.ok])
            #expect(mended.first?.text.hasPrefix("mended \(state.path)/\(name)") == true)
            #expect(try mode(name) == 0o600)
            #expect(bad().filter { $0.name == "permissions" } == [])
        }
    }

    @Test("what others can change fails, the directory itself too; one that they may only list is a warning")
    func writable() throws {
        for (name, mode, cure, result) in [
            (StatePath.meta(ofIdentity: address), 0o666, "chmod 644", Check.Result.fail),
            (StatePath.identity(address), 0o770, "chmod 700", .fail), ("", 0o777, "chmod 700", .fail),
            ("", 0o755, "chmod 700", .warn),
        ] {
            try setMode(mode, name)
            let found = bad()
            #expect(found.map(\.result) == [result])
            #expect(found.first?.hint == "\(cure) \(state.path)\(name.isEmpty ? "" : "/\(name)")")
            #expect(bad(mends: true) == [])
            #expect(bad() == [])
        }
    }

    @Test("files of another user are given back, by root", .enabled(if: geteuid() == 0))
    func foreign() throws {
        let meta = StatePath.meta(ofIdentity: address)
        chown("\(state.path)/\(meta)", 65534, 65534)
        #expect(bad().first?.hint == "sudo chown root:root \(state.path)/\(meta)")
        #expect(bad(mends: true) == [])
        #expect(bad() == [])
    }

    @Test("mending follows no link and leaves a file with a second name alone")
    func elsewhere() throws {
        let outside = try scratch.write("outside", "x")
        chmod(outside, 0o666)
        #expect(symlink(outside, "\(state.path)/files") == 0)
        #expect(bad() == [])
        #expect(link(outside, "\(state.path)/second") == 0)
        let found = bad(mends: true)
        #expect(found.map(\.result) == [.fail])
        #expect(found.first?.text.contains("cannot be mended") == true)
        #expect(try FileManager.default.attributesOfItem(atPath: outside)[.posixPermissions] as? Int == 0o666)
    }

    @Test("many flaws are told in few lines and are all mended")
    func many() throws {
        for number in 0..<30 { try state.write([], to: "keys/a/\(number).json", mode: 0o644) }
        #expect(bad().count == 9)
        #expect(bad(mends: true) == [])
        #expect(bad() == [])
    }

    @Test("what was moved aside as damaged is named")
    func aside() throws {
        try state.write([], to: "contacts/x/meta.json.bad")
        let found = bad()
        #expect(found.map(\.name) == ["damaged"])
        #expect(found.first?.hint?.hasPrefix("rm \(state.path)/contacts/x/meta.json.bad") == true)
    }

    @Test("a directory that is not there is not made")
    func absent() {
        let path = scratch.file("nothing")
        let found = StateDiagnosis(of: path, mends: true, isInUse: false, time: nil).checks()
        #expect(found.map(\.result) == [.fail])
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    // MARK: - Keys

    @Test("a short key is a warning, for messages and for signatures, each with its cure")
    func weak() throws {
        try keep(try Identity.register(name: "tiny", network: 0, algorithm: .rsa, bits: 1024, time: 1_700_000_000))
        let found = bad()
        #expect(found.map(\.result) == [.warn, .warn])
        #expect(found.allSatisfy { $0.text.contains("1024 bits") })
        #expect(found.first?.hint?.hasPrefix("culver id new tiny-2") == true)
        #expect(found.last?.hint == "culver id rotate tiny")
    }

    @Test("a key too short to be one, and a damaged file, fail and stay where they are")
    func tooShort() throws {
        let small = """
            -----BEGIN RSA PRIVATE KEY-----
            MIIBOgIBAAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf9Cnzj4p4WGeKLs1Pt8Qu
            -----END RSA PRIVATE KEY-----
            """
        for text in [#"{"algorithm":"RSA","data":"\#(small.split(separator: "\n").joined(separator: "\\n"))"}"#, "{"] {
            try state.write(Array(text.utf8), to: secret, mode: 0o600)
            let found = bad()
            #expect(found.contains { $0.result == .fail && $0.text.contains("secret.json") })
            #expect(try state.read(secret) == Array(text.utf8))
        }
    }

    @Test("a meta of another key, or none, fails")
    func mismatch() throws {
        let other = try Meta(seed: "moki", signedBy: .rsa(try RSAPrivateKey.generate(bits: 1024)))
        try state.write(JSON.object(other.json).bytes, to: StatePath.meta(ofIdentity: address))
        #expect(bad().contains { $0.result == .fail && $0.text.contains("not that of this address") })
        try state.write(JSON.object(moki.meta.json).bytes, to: StatePath.meta(ofIdentity: address))
        #expect(bad() == [])
        try state.write(PrivateKey.rsa(try RSAPrivateKey.generate(bits: 2048)).json.bytes, to: secret, mode: 0o600)
        #expect(bad().contains { $0.result == .fail && $0.text.contains("not that of this address") })
        try state.write(moki.secret.json.bytes, to: secret, mode: 0o600)
        try state.remove(StatePath.meta(ofIdentity: address))
        let found = bad()
        #expect(found.map(\.result) == [.fail])
        #expect(found.first?.text.contains("no meta") == true)
    }

    @Test("two identities with one key fail, and so does a key whose private half is published")
    func shared() throws {
        let other = try Meta(seed: "other", signedBy: moki.secret)
        let id = try #require(other.id(network: 0))
        let visa = try Document.visa(
            of: id, name: nil, key: moki.visa.key ?? moki.meta.key, time: 1_700_000_000, signedBy: moki.secret)
        try keep(Identity(id: id, meta: other, secret: moki.secret, visa: visa, visaKeys: moki.visaKeys))
        #expect(bad().contains { $0.result == .fail && $0.text.contains("the same key") })
        #expect(!PublishedKeys.contains(moki.meta.key))
    }

    @Test("the key of a published test vector is known by its fingerprint alone")
    func published() throws {
        let path =
            ProcessInfo.processInfo.environment["CULVER_VECTORS"]
            ?? URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../Vectors").path
        var found = 0
        for file in ["crypto/published-key-moki.json", "crypto/e24-sign-ecc-0.json", "crypto/e22-sign-rsa-0.json"] {
            let text = String(decoding: try Data(contentsOf: URL(fileURLWithPath: "\(path)/\(file)")), as: UTF8.self)
            for key in privateKeys(in: try JSON(parsing: text)) {
                found += 1
                #expect(PublishedKeys.contains(key.publicKey), "\(file)")
            }
        }
        #expect(found >= 3)
    }

    private func privateKeys(in json: JSON) -> [PrivateKey] {
        if let array = json.array { return array.flatMap { privateKeys(in: $0) } }
        if let object = json.object {
            return (try? PrivateKey(json)).map { [$0] } ?? object.names.flatMap { privateKeys(in: object[$0] ?? .null) }
        }
        guard let text = json.string, text.contains("PRIVATE KEY") else { return [] }
        let key = (try? PrivateKey.rsa(RSAPrivateKey(pem: text))) ?? (try? PrivateKey.ecc(ECCPrivateKey(text: text)))
        return key.map { [$0] } ?? []
    }

    @Test("a visa that expired, names a key that is gone, is another's or comes from the future is told")
    func visas() throws {
        let own = try #require(moki.visa.key)
        try write(try visa(["expires": .number(now - 1)], key: own))
        #expect(bad().map(\.text) == ["moki: the visa has expired"])
        #expect(bad(time: now - 2) == [])
        try write(try visa([:], key: own, time: now + 3600))
        #expect(bad().map(\.result) == [.warn])
        try write(try visa([:], key: try RSAPrivateKey.generate(bits: 1024).publicKey.asKey))
        #expect(bad().map(\.hint) == ["culver id rotate moki"])
        var forged = try visa([:], key: own).json
        forged["data"] = .string((forged["data"]?.string ?? "") + " ")
        try state.write(JSON.object(forged).bytes, to: StatePath.visa(ofIdentity: address))
        #expect(bad().map(\.text) == ["moki: the visa is not signed by this identity"])
    }

    // MARK: - Disk

    @Test(
        "room for messages: little is a warning, next to nothing and a file system that is read only fail",
        arguments: [
            (DiskSpace(free: 7 << 20, total: 1 << 30), Check.Result.fail),
            (DiskSpace(free: 60 << 20, total: 1 << 30), .warn),
            (DiskSpace(free: 40 << 20, total: 1 << 30), .warn), (DiskSpace(free: 100 << 20, total: 1 << 30), .ok),
            (DiskSpace(free: 300 << 20, total: 16 << 30), .warn), (DiskSpace(free: 2 << 30, total: 1 << 40), .ok),
            (DiskSpace(free: 1 << 30, total: 2 << 30, freeFiles: 10), .fail),
            (DiskSpace(free: 1 << 30, total: 2 << 30, freeFiles: 200), .warn),
            (DiskSpace(free: 1 << 30, total: 2 << 30, isReadOnly: true), .fail),
        ])
    func room(_ room: DiskSpace, _ result: Check.Result) {
        let check = DiskChecks.check(room, at: "/x")
        #expect(check.result == result)
        #expect((check.hint == nil) == (result == .ok))
    }

    @Test("a database that is no database fails, a sound one is well, and neither is touched")
    func database() throws {
        let path = "\(state.path)/\(StatePath.messages)"
        do {
            let store = try MessageStore(path: path)
            try store.apply(.value(.wall, "b"))
            try store.commit()
            try store.checkpoint()
        }
        #expect(bad() == [])
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        bytes.replaceSubrange(4096..<8192, with: [UInt8](repeating: 0xa5, count: 4096))
        try bytes.write(to: URL(fileURLWithPath: path))
        try setMode(0o600, StatePath.messages)
        let found = bad()
        #expect(found.map(\.name) == ["database"])
        #expect(found.map(\.result) == [.fail])
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == bytes)
    }

    @Test("a pipe in the database's place is no file, and nobody waits for who writes to it")
    func pipe() throws {
        #expect(mkfifo("\(state.path)/\(StatePath.messages)", 0o600) == 0)
        let found = bad()
        #expect(found.map(\.name) == ["database"])
        #expect(found.map(\.result) == [.warn])
    }
}

extension RSAPublicKey {
    fileprivate var asKey: PublicKey { .rsa(self) }
}
