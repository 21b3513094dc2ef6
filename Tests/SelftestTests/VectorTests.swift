import Format
import TestSupport
import Testing

@testable import Selftest

@Suite("Recorded vectors")
struct VectorTests {
    @Test("five generations of DIMP software agree", arguments: VectorKind.allCases)
    func vectors(_ kind: VectorKind) throws {
        let tally = kind.judge(try Vectors.read(kind.rawValue))
        print(tally)
        #expect(tally.disagreed == [])
        #expect(tally.skipped == 0 && tally.agreed > 0)
    }

    @Test("every kind that was recorded is judged")
    func kinds() throws {
        #expect(try Vectors.kinds == VectorKind.allCases.map(\.rawValue).sorted())
    }

    @Test(
        "a program carries the files of the directory as they stand there, and some of today's generations",
        .enabled(if: Vectors.isOurCopy))
    func embedded() throws {
        let embedded = Embedded.files
        let names = Set(embedded.map(\.name))
        let files = try Vectors.kinds.flatMap { try Vectors.files(of: $0) }
        let today = ["/e25", "/js20", "/java23"]
        let isOfToday = { (name: String) in today.contains { name.contains($0) } }
        let expected = files.filter { names.contains($0.name) || !isOfToday($0.name) }
        #expect(embedded.map(\.name) == expected.map(\.name))
        #expect(embedded.count == expected.count && zip(embedded, expected).allSatisfy { $0.bytes == $1.bytes })
        #expect(today.allSatisfy { prefix in names.contains { $0.contains(prefix) } })
        for kind in VectorKind.allCases {
            let count = expected.count { $0.name.hasPrefix(kind.rawValue + "/") }
            #expect(try Embedded.cases(of: kind).count == count && count > 0)
        }
    }

    @Test("a case that says something else disagrees and is named, one of an unknown algorithm is skipped")
    func others() throws {
        let changes: [(VectorKind, String, JSON)] = [
            (.content, "content", ["type": 1, "sn": "seven", "text": "hello"]), (.document, "expect", "nothing"),
            (.id, "address", "4WDf"), (.message, "wire", "{}"), (.meta, "expect", "changed"), (.reply, "replies", []),
            (.crypto, "signature", "AAAA"),
        ]
        for (kind, member, value) in changes {
            let found = try Vectors.read(kind.rawValue).first { vector in
                vector[member] != nil && vector["valid"] != false && vector["expect"] != "invalid"
                    && vector["expect"]?["result"] != "reject"
            }
            var changed = try #require(found?.object)
            changed[member] = value
            let tally = kind.judge([.object(changed)])
            #expect(tally.agreed == 0 && tally.disagreed.count == 1, "\(kind)")
            #expect(tally.disagreed.first?.hasPrefix(try found?.text("name") ?? "?") == true)
            #expect(!tally.isGood)
        }
        let unknown = VectorKind.crypto.judge([["name": "one", "algorithm": "ROT13"]])
        #expect(unknown.skipped == 1 && !unknown.isGood)
        #expect("\(unknown)" == "vectors: 0 agreed, 0 disagreed, 1 skipped (crypto)")
    }

    @Test("this machine makes random bytes and keys that work", arguments: MachineCheck.allCases)
    func machine(_ check: MachineCheck) {
        #expect(check.fault() == nil)
    }
}
