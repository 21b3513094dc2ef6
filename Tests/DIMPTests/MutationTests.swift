import DIMP
import Format
import TestSupport
import Testing

@testable import Selftest

@Suite("Damaged bytes")
struct MutationTests {
    /// Together 20 000 rounds; the same ones in every run.
    private static let rounds = 12_000

    @Test("messages with bits flipped, cut, doubled or swapped are read or refused, and what is read is written again")
    func messages() throws {
        let dice = Dice(seed: 1)
        let wires = try Vectors.read("message").filter { $0["expect"]?["result"] == "accept" }
            .map { Array(try $0.text("wire").utf8) }.filter { $0.count < 4096 }
        var taken = 0
        for _ in 0..<Self.rounds {
            let wire = dice.damaged(wires[dice.below(wires.count)])
            guard let message = try? ReliableMessage(parsing: wire) else { continue }
            taken += 1
            let written = message.json
            let again = try ReliableMessage(parsing: written.bytes)
            #expect(again.json == written)
            #expect(again.signature == message.signature && again.secure.data == message.secure.data)
        }
        // Both happen often, or the test would prove nothing.
        #expect(taken > Self.rounds / 20 && taken < Self.rounds * 19 / 20)
    }

    @Test("no change of ciphertext or signature is taken")
    func signatures() throws {
        let dice = Dice(seed: 2)
        var changed = 0
        for vector in try Vectors.read("message") where vector["expect"]?["result"] == "accept" {
            guard let meta = vector["sender"]?["meta"] else { continue }
            let wire = Array(try vector.text("wire").utf8)
            let message = try ReliableMessage(parsing: wire)
            let senderMeta = try Meta(meta)
            for _ in 0..<10 {
                guard let other = try? ReliableMessage(parsing: dice.damaged(wire)),
                    other.signature != message.signature || other.secure.data != message.secure.data
                else { continue }
                changed += 1
                #expect(throws: Rejection.self) { try other.verified(by: senderMeta) }
            }
        }
        #expect(changed > 100)
    }

    @Test("metas, documents, contents and IDs with values swapped are read or refused")
    func values() throws {
        let dice = Dice(seed: 3)
        let metas = try Vectors.read("meta").map { try $0.member("meta") }
        let documents = try Vectors.read("document").map { try $0.member("document") }
        let contents = try Vectors.read("content").map { try $0.member("content") }
        let ids = try Vectors.read("id").map { Array(try $0.text("id").utf8) }
        for _ in 0..<2_000 {
            let meta = dice.swapped(metas[dice.below(metas.count)])
            if let read = try? Meta(meta) { _ = try Meta(.object(read.json)) }
            let document = dice.swapped(documents[dice.below(documents.count)])
            if let read = try? Document(document) { #expect(read.data == document["data"]?.string) }
            let content = dice.swapped(contents[dice.below(contents.count)])
            if let read = try? Content(content) { #expect(try Content(.object(read.json)) == read) }
            let text = String(decoding: dice.damaged(ids[dice.below(ids.count)]), as: UTF8.self)
            if let id = ID(text) { #expect(ID(id.text) == id && ID(id.bare.text) == id) }
        }
    }
}

extension Dice {
    /// One to four changes of single bits, bytes, pieces or JSON values.
    fileprivate func damaged(_ original: [UInt8]) -> [UInt8] {
        var bytes = original
        for _ in 0...below(4) {
            guard !bytes.isEmpty else { return bytes }
            let place = below(bytes.count)
            switch below(7) {
            case 0: bytes[place] ^= 1 << UInt8(below(8))
            case 1: bytes[place] = UInt8(below(256))
            case 2: bytes.removeSubrange(place..<min(bytes.count, place + 1 + below(8)))
            case 3: bytes.insert(contentsOf: bytes[place..<min(bytes.count, place + 1 + below(8))], at: place)
            case 4 where below(8) == 0: bytes.removeLast(bytes.count - place)
            default:
                if let json = try? JSON(parsing: bytes) { bytes = swapped(json).bytes }
            }
        }
        return bytes
    }

    /// One value somewhere inside replaced, removed, or put under another name.
    fileprivate func swapped(_ json: JSON) -> JSON {
        switch json {
        case .object(let object) where !object.isEmpty:
            var changed = object
            let (name, value) = object.members[below(object.count)]
            switch below(5) {
            case 0: changed[name] = nil
            case 1: changed[name] = Self.strange[below(Self.strange.count)]
            case 2:
                let other = object.members[below(object.count)]
                changed[name] = other.value
                changed[other.name] = value
            default: changed[name] = swapped(value)
            }
            return .object(changed)
        case .array(var list) where !list.isEmpty:
            let index = below(list.count)
            list[index] = below(2) == 0 ? swapped(list[index]) : Self.strange[below(Self.strange.count)]
            return .array(list)
        case .string(let text) where below(2) == 0:
            var bytes = Array(text.utf8)
            if !bytes.isEmpty { bytes[below(bytes.count)] ^= 1 << UInt8(below(7)) }
            return .string(String(decoding: bytes, as: UTF8.self))
        default: return Self.strange[below(Self.strange.count)]
        }
    }

    private static let strange: [JSON] = [
        nil, true, 0, -1, .integer(.max), .integer(.min), 1e300, -0.5, "", "x", "\0", "=", "AAAA", "MKM", "1", "-1",
        "1e999",
        "nan", "anyone@anywhere", "moki@4WDfe3zZ4T7opFSi3iDAKiuTnUHjxmXekk", [], .object([:]), [[]], ["a", 1, nil],
        ["type": 1], ["algorithm": "RSA", "data": ""], ["algorithm": "ECC", "data": "04"],
        ["algorithm": "AES", "data": "AA=="],
    ]
}
