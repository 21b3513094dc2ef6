import Format
import Testing

@testable import culver

struct PrintableTests {
    @Test(
        "what drives a terminal is spelled out",
        arguments: [
            ("\u{1B}[2J", "\\u{1b}[2J"), ("a\nb", "a\\nb"), ("a\r\nb", "a\\r\\nb"), ("\t", "\\t"),
            ("\u{7F}", "\\u{7f}"),
            ("\u{9B}31m", "\\u{9b}31m"), ("\u{0}", "\\u{0}"), ("\u{7}", "\\u{7}"), ("\u{202E}abc", "\\u{202e}abc"),
            ("\u{2066}", "\\u{2066}"), ("\u{2028}", "\\u{2028}"), ("\u{FEFF}", "\\u{feff}"),
        ])
    func spelled(_ text: String, _ shown: String) {
        #expect(text.printable == shown)
    }

    @Test("every other text is itself", arguments: ["", "Grüße 你好", "👩‍👩‍👧", "a\\b \"c\"", "नमस्ते", "e\u{301}"])
    func harmless(_ text: String) {
        #expect(text.printable == text)
    }

    @Test("JSON hides the upper control characters too, and still means the same")
    func json() throws {
        let value: JSON = ["text": "a\u{9B}31m\u{85}ä"]
        let line = Screen.safe(value.text)
        #expect(!line.unicodeScalars.contains { (0x7F...0x9F).contains($0.value) })
        #expect(try JSON(parsing: line) == value)
    }
}
