import Testing

@testable import culver

struct WordsTests {
    @Test(
        "sizes have one digit behind the point",
        arguments: [
            (0, "0 B"), (1_023, "1023 B"), (1_024, "1.0 KiB"), (1_536, "1.5 KiB"), (1 << 20, "1.0 MiB"),
            (3_328_599_655, "3.1 GiB"), (.max, "8388608.0 TiB"),
        ] as [(Int64, String)])
    func sizes(_ bytes: Int64, _ words: String) {
        #expect(Words.size(bytes) == words)
    }
}
