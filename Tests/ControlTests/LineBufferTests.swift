import Testing

@testable import Control

struct LineBufferTests {
    @Test("lines are the same wherever the pieces are cut", arguments: 1...9)
    func cuts(_ size: Int) {
        let text = Array("one\n\nthree and more\nrest".utf8)
        var buffer = LineBuffer()
        var lines: [String] = []
        for start in stride(from: 0, to: text.count, by: size) {
            buffer.append(text[start..<min(start + size, text.count)])
            while let line = buffer.next() { lines.append(String(decoding: line, as: UTF8.self)) }
        }
        #expect(lines == ["one", "", "three and more"])
        #expect(buffer.count == 4)
        #expect(buffer.rest() == Array("rest".utf8))
        #expect(buffer.rest() == nil)
    }
}
