import Testing

@testable import culver

struct SpanTests {
    @Test(
        "times are read in four units",
        arguments: [("60s", 60.0), ("5m", 300), ("12h", 43_200), ("7d", 604_800), ("1.5h", 5_400), ("0s", 0)])
    func units(_ text: String, _ seconds: Double) {
        #expect(TimeSpan(text)?.seconds == seconds)
    }

    @Test(
        "anything else is no time",
        arguments: [
            "", "s", "60", "5x", "-5s", "+5s", "5 s", "1e3s", "0x10s", "nands", ".5s", "5.s", "1.2.3s", "٥s", "5S",
            "99999999999d", "infs",
        ])
    func nonsense(_ text: String) {
        #expect(TimeSpan(text) == nil)
    }

    @Test(
        "a time is told in its two largest units",
        arguments: [(0.0, "0s"), (59, "59s"), (60, "1m"), (3_725, "1h 2m"), (273_600, "3d 4h"), (-1, "0s")])
    func words(_ seconds: Double, _ words: String) {
        #expect(TimeSpan.words(for: seconds) == words)
    }
}
