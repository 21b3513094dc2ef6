import DIMP
import Format
import Testing

@testable import Selftest

@Suite("Metas")
struct MetaTests {
    private let scene: Scene

    init() throws {
        scene = try Scene()
    }

    @Test("of a meta only the members that DIMP defines are kept, also in its key, and it still proves the ID")
    func members() throws {
        for person in [scene.alice, scene.dora] {
            var json = person.meta.json
            json["x"] = .string(String(repeating: "x", count: 500_000))
            json["did"] = .string(person.id.text)
            var key = try #require(json["key"]?.object)
            key["y"] = .array(Array(repeating: 1, count: 100_000))
            json["key"] = .object(key)
            let read = try Meta(.object(json))
            #expect(read.vouches(for: person.id))
            #expect(read.json == person.meta.json)
        }
    }

    @Test("the missing one of type and version is added, and those that eras write are kept")
    func kept() throws {
        var json = scene.dora.meta.json
        json["version"] = nil
        var key = try #require(json["key"]?.object)
        key["compressed"] = false
        key["keySize"] = 32
        json["key"] = .object(key)
        let read = try Meta(.object(json))
        #expect(read.json["version"] == 1 && read.json["key"] == .object(key))
    }

    @Test("a meta of more than 64 KiB is refused, whatever fills it")
    func size() throws {
        for (name, value) in [
            (
                "fingerprint",
                .string(Base64.encode(scene.alice.meta.fingerprint) + String(repeating: " ", count: 65_536))
            ),
            ("version", .string(String(repeating: "1", count: 65_536))),
            ("type", .array(Array(repeating: 1, count: 40_000))),
        ] as [(String, JSON)] {
            var json = scene.alice.meta.json
            json[name] = value
            #expect(try stage { try Meta(.object(json)) } == .meta, "\(name)")
        }
        // White space that fits is harmless.
        var json = scene.alice.meta.json
        json["fingerprint"] = .string(
            Base64.encode(scene.alice.meta.fingerprint) + String(repeating: " ", count: 50_000))
        #expect(try Meta(.object(json)).vouches(for: scene.alice.id))
    }
}
