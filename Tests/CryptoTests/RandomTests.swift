import Crypto
import Testing

@Suite("Random bytes")
struct RandomTests {
    @Test("come in the number that was asked for, beyond one request of the generator too")
    func counts() throws {
        for count in [0, 1, 16, 1024, 1025, 5000] {
            #expect(try Random.bytes(count).count == count)
        }
        // The end of a long answer is filled: 32 zeros would be no accident.
        #expect(try Random.bytes(5000).suffix(32).contains { $0 != 0 })
    }

    @Test("differ for everybody who asks at once")
    func threads() async {
        let all = await withTaskGroup(of: [UInt8]?.self) { group in
            for _ in 0..<200 { group.addTask { try? Random.bytes(16) } }
            return await group.reduce(into: Set<[UInt8]>()) { set, bytes in bytes.map { _ = set.insert($0) } }
        }
        #expect(all.count == 200)
    }
}
