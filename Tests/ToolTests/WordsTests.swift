import Format
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

    @Test(
        "a content is its text, or what a person wants to know of it, or all that stands in it",
        arguments: [
            (#"{"type":1,"text":"hi"}"#, "hi"), (#"{"type":55,"text":"I agree","origin":{}}"#, "I agree"),
            (#"{"type":"18","filename":"a.png","data":"aGk="}"#, "[image a.png 2 B]"),
            (#"{"type":16,"URL":"http://x/y"}"#, "[file http://x/y]"),
            (#"{"type":32,"title":"News","URL":"http://x"}"#, "[page News http://x]"),
            (
                #"{"type":51,"ID":"hulk@4YeVEN3aUnvC1DNUufCq1bs9zoBSJTzVEj","name":"Hulk"}"#,
                "[card Hulk hulk@4YeVEN3aUnvC1DNUufCq1bs9zoBSJTzVEj]"
            ), (#"{"type":64,"currency":"EUR","amount":5.5}"#, "[money 5.5 EUR]"),
            (#"{"type":207,"title":"Chat","messages":[1,2]}"#, "[2 messages: Chat]"),
            (#"{"type":64,"amount":"x"}"#, #"[type 64] {"type":64,"amount":"x"}"#),
            (#"{"type":"*"}"#, #"[type "*"] {"type":"*"}"#), (#"{"a":1}"#, #"[no type] {"a":1}"#),
        ])
    func contents(_ text: String, _ words: String) throws {
        #expect(try Words.content(JSON(parsing: text)) == words)
    }
}
