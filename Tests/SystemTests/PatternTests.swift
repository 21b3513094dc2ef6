import System
import Testing

@Suite struct PatternTests {
    @Test(
        "a pattern is compared with the whole text, and cannot end that by itself",
        arguments: [
            ("a|b", "a", true), ("a|b", "ab", false), ("a|b", "xb", false), ("[0-9]+", "12", true), ("", "", true),
            ("a)|(b", "ax", false), ("a)|(b", "xb", false), ("a)|(b", "a", false),
        ])
    func whole(pattern: String, text: String, isMatch: Bool) {
        #expect(Pattern.matches(pattern, text) == isMatch)
    }

    @Test(
        "what cannot be read, or takes memory by the product of its numbers, is no pattern",
        arguments: [
            ("a)|(b", false), ("(", false), ("[", false), ("((a{9}){9}){9}", false), ("(a{9}){9}", false),
            ("a{9}{9}", false), ("a{9}+{9}", false), ("(a{9})*{9}", false), ("[0-9]{4}-[0-9]{2}", true),
            ("a+{9}", true),
            ("(ab){3}", true), ("a{2}b{3}", true), ("(a|b)*", true),
        ])
    func readable(pattern: String, isGood: Bool) {
        #expect(Pattern.isGood(pattern) == isGood)
    }
}
