import Foundation
import Testing

@testable import culver

struct TableTests {
    private static let did = "porch@12PqqF8eHFwfb1fs8My3bxzqQyGXXCQQRM"
    private let table = Table(
        "RECEIVER", "STATE", "CREATED", "REASON",
        rows: [
            [.who(did: did, name: "porch"), .state("delivered"), .time(1_000_000_000), ""],
            [.who(did: "hub@1Hufn", name: ""), .state("failed"), .time(nil), "gone\u{1B}[2J"],
        ])

    private func shown(_ width: Int?, colour: Bool = false) -> [String] {
        table.lines(on: View(width: width, hasColour: colour, now: 1_000_000_300))
    }

    @Test("in a pipe there is no heading, no colour and no age, and who stands there has the full ID")
    func pipe() {
        let time = LocalTime.words(for: 1_000_000_000)
        #expect(
            shown(nil) == [
                "\(Self.did) (porch)  delivered  \(time)",
                "hub@1Hufn                                         failed     clock unset          gone\\u{1b}[2J",
            ])
    }

    @Test("a wide terminal has names with their IDs, ages and a heading above columns")
    func wide() {
        #expect(
            shown(120) == [
                "RECEIVER                                          STATE      CREATED      REASON",
                "porch (\(Self.did))  delivered  5m ago",
                "hub@1Hufn                                         failed     clock unset  gone\\u{1b}[2J",
            ])
    }

    @Test("where a line has no room for both, a name stands in place of its ID, and an ID without one stays")
    func narrow() {
        #expect(
            shown(60) == [
                "RECEIVER   STATE      CREATED      REASON", "porch      delivered  5m ago",
                "hub@1Hufn  failed     clock unset  gone\\u{1b}[2J",
            ])
    }

    @Test("colours say how something stands, and change no column")
    func colours() {
        let lines = shown(60, colour: true)
        #expect(lines[0].hasPrefix("\u{1B}[1mRECEIVER\u{1B}[0m   \u{1B}[1mSTATE\u{1B}[0m"))
        #expect(lines[1] == "porch      \u{1B}[32mdelivered\u{1B}[0m  5m ago")
        let plain = lines.map {
            $0.replacingOccurrences(of: "\u{1B}\\[[0-9]*m", with: "", options: .regularExpression)
        }
        #expect(plain == shown(60))
    }

    @Test("without rows there is no heading")
    func empty() {
        #expect(Table("A", "B").lines(on: View(width: 80)) == [])
    }

    @Test(
        "ages are in the largest unit, and what is long ago or still to come has its time",
        arguments: [
            (0, "just now"), (1.9, "just now"), (59, "59s ago"), (61, "1m ago"), (7_300, "2h ago"),
            (30 * 86_400, "30d ago"),
        ] as [(Double, String)])
    func ages(_ seconds: Double, _ words: String) {
        #expect(LocalTime.age(of: 1_000_000_000, at: 1_000_000_000 + seconds) == words)
        let time = LocalTime.words(for: 1_000_000_000)
        #expect(LocalTime.age(of: 1_000_000_000, at: 1_000_000_000 + 32 * 86_400) == time)
        #expect(LocalTime.age(of: 1_000_000_000, at: 999_999_000) == time)
    }
}

struct UsageFailureTests {
    @Test("what the parser says has the form of all failures: what is wrong, and hints")
    func form() {
        let failure = UsageFailure.told(
            "The value 'x' is invalid for '--limit <limit>'",
            "Error: The value 'x' is invalid\nHelp:  --limit <limit>  At most so many.\nUsage: culver inbox <options>\n  See 'culver'",
            ["inbox", "--limit", "x"])
        #expect(failure.exit == 64 && failure.error.reason == "usage")
        #expect(failure.error.message == "the value 'x' is invalid for '--limit <limit>'")
        #expect(failure.error.hint == "--limit <limit> At most so many.")
        #expect(failure.moreHints == ["usage: culver inbox <options>"])
    }

    @Test(
        "a text without its quotes is shown with them",
        arguments: [
            (["send", "porch", "hello", "world"], "culver send porch 'hello world'"),
            (["--json", "send", "porch", "hello", "big", "world"], "culver send porch 'hello big world'"),
            (["send", "--from", "a", "porch", "hello", "world"], "culver send TO 'all of the text'"),
            (["send", "porch", "it's", "cold"], "culver send TO 'all of the text'"),
        ])
    func quotes(_ arguments: [String], _ command: String) {
        let failure = UsageFailure.told("Unexpected argument 'world'", "Usage: culver send", arguments)
        #expect(failure.error.hint == "a text of several words stands in quotes: \(command)")
    }
}
