import Testing

@testable import culver

struct TarHeaderTests {
    @Test(
        "a header is read as it was written",
        arguments: [
            TarHeader(name: "backup.json", size: 0, mode: 0o600, time: 0),
            TarHeader(name: String(repeating: "a", count: 100), size: 8_589_934_591, mode: 0o644, time: 1_764_000_000),
            TarHeader(name: "files/" + String(repeating: "b", count: 100), size: 513, mode: 0o777, time: 8),
        ])
    func whole(header: TarHeader) throws {
        let bytes = try #require(header.bytes)
        #expect(bytes.count == 512)
        #expect(try TarHeader(bytes) == header)
        let whole = Int64(bytes.count + header.padding.count) + header.size
        #expect(whole % 512 == 0)
        #expect(header.padding.count < 512)
    }

    @Test("a name or size without room is not written")
    func noRoom() {
        #expect(TarHeader(name: String(repeating: "a", count: 101), size: 0, mode: 0, time: 0).bytes == nil)
        #expect(TarHeader(name: "", size: 0, mode: 0, time: 0).bytes == nil)
        #expect(TarHeader(name: "a", size: 1 << 33, mode: 0, time: 0).bytes == nil)
    }

    @Test("any changed byte of the fields is noticed, zeros are the end")
    func damaged() throws {
        let bytes = try #require(TarHeader(name: "a", size: 5, mode: 0o600, time: 1).bytes)
        for index in 0..<500 {
            var changed = bytes
            changed[index] ^= 1
            // The blank behind the check sum means nothing.
            if index == 155 { continue }
            #expect(throws: TarHeader.Fault.self, "\(index)") { _ = try TarHeader(changed) }
        }
        #expect(throws: TarHeader.Fault.end) { _ = try TarHeader([UInt8](repeating: 0, count: 512)) }
        #expect(throws: TarHeader.Fault.self) { _ = try TarHeader(Array(bytes.dropLast())) }
    }
}
