import Operations
import Testing

struct SpellingTests {
    @Test(
        "letters added, left out, changed or swapped make words differ",
        arguments: [
            ("send", "send", 0), ("sned", "send", 1), ("sen", "send", 1), ("sendd", "send", 1), ("semd", "send", 1),
            ("", "send", 4), ("inbox", "", 5), ("log", "open", 4),
        ])
    func distance(_ left: String, _ right: String, _ distance: Int) {
        #expect(
            Spelling.distance(from: left, to: right) == distance
                && Spelling.distance(from: right, to: left) == distance)
    }

    @Test(
        "what was meant is near, and something quite different is no hint",
        arguments: [
            ("porhc", "porch"), ("prch", "porch"), ("Hubbs", nil), ("hubb", "hub"), ("x", nil), ("gate", nil),
            ("", nil),
        ])
    func nearest(_ word: String, _ meant: String?) {
        #expect(Spelling.nearest(to: word, among: ["hub", "porch", "garden-pump"]) == meant)
    }
}
