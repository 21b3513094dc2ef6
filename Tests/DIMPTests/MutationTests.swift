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
