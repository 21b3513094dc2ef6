import Format
import Testing

@Suite("Base58 and hex")
struct Base58Tests {
    /// Of Bitcoin's own test data (base58_encode_decode.json).
    private static let samples = [
        ("", ""), ("61", "2g"), ("626262", "a3gV"), ("636363", "aPEr"),
        ("73696d706c792061206c6f6e6720737472696e67", "2cFupjhnEsSn59qHXstmK2ffpLv2"),
        ("00eb15231dfceb60925886b67d065299925915aeb172c06647", "1NS17iag9jJgTHD1VXjvLCEnZuQ3rJDE9L"),
        ("516b6fcd0f", "ABnLTmg"), ("bf4f89001e670274dd", "3SEo3LWLoPntC"), ("572e4794", "3EFU7m"),
        ("ecac89cad93923c02321", "EJDM8drfXA6uyA"), ("10c8511e", "Rt5zm"), ("00000000000000000000", "1111111111"),
    ]

    @Test("writes and reads Bitcoin's samples, leading zeros included")
    func samples() throws {
        for (hex, text) in Self.samples {
            let bytes = try #require(Hex.decode(hex))
            #expect(Base58.encode(bytes) == text)
            #expect(Base58.decode(text) == bytes)
        }
    }

    @Test("digits outside the alphabet are refused")
    func badDigits() {
        for text in ["0", "O", "I", "l", "1 1", "a\0", "é", "+", "\n1"] { #expect(Base58.decode(text) == nil) }
    }

    @Test("text longer than any address is refused unread")
    func overLong() {
        #expect(Base58.decode(String(repeating: "1", count: 128)) == [UInt8](repeating: 0, count: 128))
        #expect(Base58.decode(String(repeating: "1", count: 129)) == nil)
        #expect(Base58.decode(String(repeating: "z", count: 10_000_000)) == nil)
    }

    @Test("hex is written in lower case and read in either")
    func hex() {
        #expect(Hex.encode([0, 0x0F, 0xA5, 0xFF]) == "000fa5ff")
        #expect(Hex.decode("000fA5Ff") == [0, 0x0F, 0xA5, 0xFF])
        #expect(Hex.decode("") == [])
        for text in ["0", "abc", "0g", "0x00", " 00", "0\u{660}"] { #expect(Hex.decode(text) == nil) }
    }
}
