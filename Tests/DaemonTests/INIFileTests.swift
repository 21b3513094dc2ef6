import Testing

@testable import culverd

@Suite struct INIFileTests {
    func read(_ text: String) -> INIFile {
        INIFile(Array(text.utf8), name: "f")
    }

    func value(_ line: String) -> String? {
        read("[s]\n" + line).entries.first?.value
    }

    @Test("entries come with their section and line, whatever stands between them")
    func lines() {
        let file = read("\n# a\n[one]\na = 1\n\n ; c\n[two words]   ; comment\n  b=2  \nc : 3")
        #expect(file.sections == [.init(name: "one", line: 3), .init(name: "two words", line: 7)])
        #expect(
            file.entries == [
                .init(section: "one", key: "a", value: "1", line: 4),
                .init(section: "two words", key: "b", value: "2", line: 8),
                .init(section: "two words", key: "c", value: "3", line: 9),
            ])
        #expect(file.problems == [])
    }

    @Test(
        "a value ends where a blank and a semicolon begin a comment",
        arguments: [
            ("k = v ; c", "v"), ("k = v;c", "v;c"), ("k = a # b", "a # b"), ("k =", ""), ("k = ; c", ""),
            ("k = a = b", "a = b"), ("k =\ta b\t", "a b"), ("k = {\"x\"}", "{\"x\"}"), ("k = é", "é"),
        ])
    func comments(line: String, expected: String) {
        #expect(value(line) == expected)
    }

    @Test("an indented line is a line like any other, never a continuation")
    func indented() {
        let file = read("[s]\na = 1\n  b = 2\n\tjunk")
        #expect(file.entries.map(\.key) == ["a", "b"])
        #expect(file.problems.map(\.line) == [4])
    }

    @Test("an empty section is noticed, at the end of the file too")
    func empty() {
        #expect(read("[a]\n[b]\n# x\n[c]").sections.map(\.name) == ["a", "b", "c"])
    }

    @Test("a line of 197 bytes is read whole, a longer one refused with its length, a comment may be longer")
    func long() {
        let longest = "k = " + String(repeating: "v", count: 193)
        #expect(value(longest) == String(repeating: "v", count: 193))
        let file = read("[s]\n#\(String(repeating: "c", count: 5_000))\n\(longest)v\nnext = 1")
        #expect(file.problems.map(\.description) == ["f:3: the line has 198 bytes, at most 197 are read"])
        #expect(file.entries.map(\.key) == ["next"])
    }

    @Test("a long section name is not cut")
    func longSection() {
        let name = "contact " + String(repeating: "n", count: 64)
        #expect(read("[\(name)]\nk = v").entries.map(\.section) == [name])
    }

    @Test(
        "a line that would be misread is refused by line",
        arguments: [
            ("[s]\nk = a\0b", 2, "the line holds a NUL byte"),
            ("[s]\nk = a\rb", 2, "the line holds a control character"),
            ("[s]\nk = \u{1b}[0m", 2, "the line holds a control character"),
            ("[s", 1, "the section's bracket is not closed"),
            ("[]", 1, "the section has no name"), ("[ ]", 1, "the section has no name"),
            ("[s] k = v", 1, "nothing but a comment may follow a section"),
            ("[s]\nword", 2, "the line is neither [section] nor key = value"),
            ("[s]\nword ; k = v", 2, "the line is neither [section] nor key = value"),
        ])
    func refused(text: String, line: Int, words: String) {
        let file = read(text)
        #expect(file.problems == [ConfigurationError(file: "f", line: line, key: "", words: words)])
        #expect(file.entries == [])
    }

    @Test("bytes that are no UTF-8 are refused by line")
    func bytes() {
        let file = INIFile(Array("[s]\nk = ".utf8) + [0xc3, 0x28], name: "f")
        #expect(file.problems.map(\.description) == ["f:2: the line is not UTF-8"])
        #expect(file.entries == [])
    }

    @Test("a byte order mark and the line ends of other systems do not matter")
    func foreign() {
        let file = INIFile([0xef, 0xbb, 0xbf] + Array("[s]\r\na = 1\r\n\r\nb = 2\r\n".utf8), name: "f")
        #expect(file.entries.map(\.value) == ["1", "2"])
        #expect(file.problems == [])
    }

    @Test("what follows a section line that cannot be read belongs to no section")
    func orphaned() {
        let file = read("[a]\nx = 1\n[b\ny = 2")
        #expect(file.entries.map(\.key) == ["x"])
        #expect(file.problems.map(\.line) == [3, 4])
    }

    @Test("any bytes at all are read to the end")
    func anything() {
        var state: UInt64 = 42
        for _ in 0..<300 {
            let bytes = (0..<300).map { _ in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return Array("[]=:;# \t\r\n\"ab\0\u{ff}".utf8)[Int(state >> 33) % 16]
            }
            let file = INIFile(bytes, name: "f")
            let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).count
            #expect((file.entries.map(\.line) + file.problems.map(\.line)).allSatisfy { (1...lines).contains($0) })
        }
    }
}
