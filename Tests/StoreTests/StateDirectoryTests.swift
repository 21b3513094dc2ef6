import Foundation
import Glibc
import Records
import Testing

@testable import Store

@Suite struct StateDirectoryTests {
    let scratch: Scratch
    let state: StateDirectory

    init() throws {
        scratch = try Scratch()
        state = try StateDirectory(scratch.directory + "/state")
    }

    func mode(_ name: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: "\(state.path)/\(name)")[.posixPermissions] as? Int
    }

    @Test("a file is written with the directories on its way, read, replaced and removed")
    func written() throws {
        let name = StatePath.secret(of: "4WDf")
        #expect(name == "identities/4WDf/secret.json")
        #expect(try state.read(name) == nil)
        try state.write([1, 0, 255], to: name, mode: 0o600)
        #expect(try state.read(name) == [1, 0, 255])
        #expect(try mode(name) == 0o600)
        #expect(try mode("identities/4WDf") == 0o700)
        try state.write([], to: name)
        #expect(try state.read(name) == [])
        #expect(try mode(name) == 0o644)
        #expect(try state.exists(name))
        try state.remove(name)
        try state.remove(name)
        #expect(try !state.exists(name))
        #expect(try FileManager.default.contentsOfDirectory(atPath: state.path + "/identities/4WDf") == [])
    }

    @Test("the state directory is made for its owner alone")
    func made() throws {
        #expect(try mode("") == 0o700)
    }

    @Test("a directory lists what it holds, without what is hidden or set aside, and goes with all of it")
    func listed() throws {
        #expect(try state.list("contacts") == [])
        for name in ["b/meta.json", "a/meta.json", "a/visa.json", "a/x.bad", "a/x.bad.3"] {
            try state.write([1], to: "contacts/" + name)
        }
        try Data().write(to: URL(fileURLWithPath: state.path + "/contacts/.hidden"))
        #expect(try state.list("contacts") == ["a", "b"])
        #expect(try state.list("contacts/a") == ["meta.json", "visa.json"])
        try state.removeAll("contacts/a")
        try state.removeAll("contacts/a")
        #expect(try state.list("contacts") == ["b"])
    }

    @Test(
        "a name that leads out of the directory or to a hidden file is refused",
        arguments: ["../x", "contacts/../../x", "contacts/./x", ".x", "/x", "contacts//x", "", "contacts/", "a\0b"])
    func names(name: String) throws {
        #expect(throws: FileError.self) { try state.write([1], to: name) }
        #expect(throws: FileError.self) { try state.read(name) }
        #expect(throws: FileError.self) { try state.removeAll(name) }
        #expect(throws: FileError.self) { try state.list(name) }
    }

    @Test("a symbolic link is not followed, and replaced when written")
    func link() throws {
        let outside = scratch.directory + "/outside"
        try Data("secret".utf8).write(to: URL(fileURLWithPath: outside))
        try FileManager.default.createSymbolicLink(atPath: state.path + "/link.json", withDestinationPath: outside)
        #expect(throws: FileError("cannot read link.json: it is a symbolic link, which is not followed")) {
            try state.read("link.json")
        }
        try state.write([1], to: "link.json")
        #expect(try state.read("link.json") == [1])
        #expect(try Data(contentsOf: URL(fileURLWithPath: outside)) == Data("secret".utf8))
    }

    @Test("a directory in a file's place, a pipe and a file over the limit are refused by name and cause")
    func strange() throws {
        try state.write([1], to: "contacts/a/meta.json")
        #expect(throws: FileError("cannot read contacts: invalid argument")) { try state.read("contacts") }
        mkfifo(state.path + "/pipe", 0o600)
        #expect(throws: FileError.self) { try state.read("pipe") }
        try state.write([UInt8](repeating: 1, count: 11), to: "large")
        #expect(throws: FileError("cannot read large: file too large")) { try state.read("large", limit: 10) }
        #expect(try state.read("large", limit: 11)?.count == 11)
        // 5 bytes by the lower 32 bits of its length.
        #expect(truncate(state.path + "/large", 4_294_967_301) == 0)
        #expect(throws: FileError("cannot read large: file too large")) { try state.read("large", limit: 10) }
    }

    @Test("a failed write names operation, thing and cause, and leaves the file and nothing else")
    func failed() throws {
        try state.write([1], to: "contacts")
        #expect(throws: FileError("cannot write contacts/a/meta.json: not a directory")) {
            try state.write([2], to: "contacts/a/meta.json")
        }
        try state.write([3], to: "groups/g/meta.json/in-the-way")
        #expect(throws: FileError("cannot write groups/g/meta.json: is a directory")) {
            try state.write([2], to: "groups/g/meta.json")
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: state.path + "/groups/g") == ["meta.json"])
    }

    @Test("what interrupted writes have left is swept, nothing else")
    func swept() throws {
        try state.write([1], to: "keys/a/b.json")
        for name in ["keys/a/.b.json.7.tmp", ".install.json.1.tmp", "keys/.other", "keys/a/x.tmp"] {
            try Data([1]).write(to: URL(fileURLWithPath: "\(state.path)/\(name)"))
        }
        #expect(try state.sweep() == 2)
        #expect(try state.sweep() == 0)
        #expect(
            try Set(FileManager.default.contentsOfDirectory(atPath: state.path + "/keys/a")) == ["b.json", "x.tmp"])
    }

    @Test("a damaged file is set aside under a name of its own and reported once")
    func damaged() throws {
        for ending in ["bad", "bad.1"] {
            try state.write(Array("{\"a\":".utf8), to: "contacts/a/meta.json")
            #expect(try state.json("contacts/a/meta.json") == nil)
            #expect(try state.read("contacts/a/meta.json") == nil)
            #expect(try state.read("contacts/a/meta.json.\(ending)") != nil)
            let words = state.takeDamages()
            #expect(words.count == 1)
            #expect(words.first?.hasPrefix("contacts/a/meta.json: not JSON at byte ") == true)
            #expect(words.first?.hasSuffix("; moved to meta.json.\(ending)") == true)
            #expect(state.takeDamages() == [])
        }
        try state.write(Array("{\"a\":1}".utf8), to: "contacts/a/meta.json")
        #expect(try state.json("contacts/a/meta.json") == ["a": 1])
        #expect(try state.json("contacts/a/none.json") == nil)
        #expect(state.takeDamages() == [])
    }

    @Test("a private key that others can reach is named with its chmod; what is not private is not")
    func exposed() throws {
        try state.write([1], to: StatePath.secret(of: "a"), mode: 0o600)
        try state.write([1], to: StatePath.visaKey(of: "a", time: "17"), mode: 0o600)
        try state.write([1], to: StatePath.meta(ofIdentity: "a"), mode: 0o644)
        #expect(try state.exposedKeys() == [])
        try state.write([1], to: StatePath.secret(of: "b"), mode: 0o640)
        try state.write([1], to: StatePath.visaKey(of: "a", time: "17"), mode: 0o604)
        #expect(
            try state.exposedKeys().map(\.cure) == [
                "chmod 600 \(state.path)/identities/a/visa-keys/17.json",
                "chmod 600 \(state.path)/identities/b/secret.json",
            ])
    }

    @Test("one process at a time holds the directory, and is named")
    func locked() throws {
        do {
            let lock = try state.lock()
            let other = try StateDirectory(state.path)
            let error = #expect(throws: FileError.self) { _ = try other.lock() }
            #expect(error?.isHeld == true)
            #expect(error?.description == "cannot lock \(state.path): process \(getpid()) uses it")
            withExtendedLifetime(lock) {}
        }
        _ = try state.lock()
    }

    @Test("an installation keeps its nonce, and a copied card shows")
    func installation() throws {
        let made = try state.installation(serial: Array("abc".utf8))
        #expect(made.nonce.count == 16)
        #expect(!made.isForeign)
        // FIPS 180-2, appendix B.1.
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        #expect(try state.json(StatePath.install)?["serial"]?.string == hash)
        #expect(try state.installation(serial: Array("abc".utf8)) == made)
        let foreign = try state.installation(serial: Array("other".utf8))
        #expect(foreign.isForeign)
        #expect(foreign.nonce == made.nonce)
        #expect(try !state.installation(serial: nil).isForeign)
        try state.remove(StatePath.install)
        let adopted = try state.installation(serial: Array("other".utf8))
        #expect(!adopted.isForeign)
        #expect(adopted.nonce != made.nonce)
        #expect(try state.installation(serial: Array("other".utf8)) == adopted)
    }

    @Test(
        "a damaged installation is set aside and made anew",
        arguments: ["", "[]", "{\"nonce\":\"00\",\"serial\":\"\"}"])
    func damagedInstallation(text: String) throws {
        try state.write(Array(text.utf8), to: StatePath.install)
        #expect(try state.installation().nonce.count == 16)
        #expect(state.takeDamages().count == 1)
        #expect(try state.exists("install.json.bad"))
    }

    @Test("a directory that cannot be made is named", arguments: ["/dev/null/state", "/nowhere/at/all"])
    func impossible(path: String) throws {
        let error = #expect(throws: FileError.self) { _ = try StateDirectory(path) }
        #expect(error?.description.hasPrefix("cannot open \(path): ") == true)
    }

    // MARK: - Another user's directory

    /// A state directory of a user who owns nothing else, and a file and a directory of root's outside.
    private func others() throws -> (state: StateDirectory, victim: String, outside: String) {
        let path = scratch.directory + "/others"
        let (victim, outside) = (scratch.directory + "/victim", scratch.directory + "/outside")
        for directory in [path, outside] {
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        }
        try Data("{}".utf8).write(to: URL(fileURLWithPath: victim))
        #expect(chown(path, 65534, 65534) == 0)
        return (try StateDirectory(path), victim, outside)
    }

    private func owner(_ path: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: path)[.ownerAccountID] as? Int
    }

    @Test("root reads, writes and removes in another user's directory as its owner would", .enabled(if: geteuid() == 0))
    func another() throws {
        let state = try others().state
        try state.write([1], to: "contacts/a/meta.json")
        try state.write([2], to: "contacts/a/meta.json")
        #expect(try state.read("contacts/a/meta.json") == [2])
        #expect(try owner(state.path + "/contacts/a/meta.json") == 65534)
        #expect(try owner(state.path + "/contacts") == 65534)
        #expect(try state.list("contacts/a") == ["meta.json"])
        #expect(try state.exists("contacts/a") && !state.exists("contacts/b"))
        #expect(try state.json("contacts/a/meta.json") == nil)
        #expect(try state.list("contacts/a") == [])
        try Data().write(to: URL(fileURLWithPath: state.path + "/contacts/.x.tmp"))
        #expect(try state.sweep() == 1)
        try state.removeAll("contacts")
        #expect(try !state.exists("contacts"))
        _ = try state.lock()
        #expect(try owner(state.path + "/lock") == 65534)
        _ = try MessageStore(path: state.path + "/" + StatePath.messages)
        #expect(try owner(state.path + "/" + StatePath.messages) == 65534)
    }

    @Test("there it follows no link, whatever stands in its way", .enabled(if: geteuid() == 0))
    func links() throws {
        let (state, victim, outside) = try others()
        try FileManager.default.createSymbolicLink(
            atPath: state.path + "/identities", withDestinationPath: outside)
        let secret = StatePath.secret(of: "4WDf")
        #expect(throws: FileError("cannot write \(secret): it is a symbolic link, which is not followed")) {
            try state.write([1], to: secret)
        }
        #expect(throws: FileError.self) { try state.list("identities") }
        #expect(throws: FileError.self) { try state.read(secret) }
        try Data().write(to: URL(fileURLWithPath: outside + "/.x.tmp"))
        #expect(try state.sweep() == 0)
        try state.removeAll("identities")
        #expect(try FileManager.default.contentsOfDirectory(atPath: outside) == [".x.tmp"])

        try state.write([1], to: "contacts/a/visa.json")
        for name in ["lock", "contacts/a/meta.json", StatePath.messages] {
            #expect(Glibc.link(victim, "\(state.path)/\(name)") == 0)
        }
        #expect(throws: FileError.self) { try state.lock() }
        #expect(throws: FileError.self) { try state.json("contacts/a/meta.json") }
        #expect(throws: LedgerError.self) { try MessageStore(path: state.path + "/" + StatePath.messages) }
        #expect(try String(contentsOfFile: victim, encoding: .utf8) == "{}")
        #expect(try owner(victim) == 0)
    }

    @Test("a state directory may be a link, but not that of another user")
    func linked() throws {
        let link = scratch.directory + "/link"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: state.path)
        try StateDirectory(link).write([1], to: "install.json")
        #expect(try state.read("install.json") == [1])
        #expect(StateDirectory.isLocked(link) == false)
        guard geteuid() == 0 else { return }
        #expect(lchown(link, 65534, 65534) == 0)
        for path in [link, link + "/"] {
            #expect {
                try StateDirectory(path)
            } throws: {
                "\($0)".contains("it is a symbolic link of another user")
            }
        }
    }
}
