import Glibc
import System
import Testing

@Suite("The system's errors in words")
struct ErrnoTests {
    @Test(
        "the words begin with a small letter and leave the rest alone",
        arguments: [
            (ENOENT, "no such file or directory"), (ENOSPC, "no space left on device"), (EIO, "input/output error"),
            (EREMOTEIO, "remote I/O error"),
        ])
    func words(_ code: Int32, _ words: String) {
        #expect(Errno(code).words == words)
        #expect("\(Errno(code))" == words)
    }

    @Test("the last error is the one of the call just made")
    func last() {
        #expect(unlink("/nowhere/at/all") != 0)
        #expect(Errno.last == Errno(ENOENT))
    }

    @Test("what is absent and what is full is known by several codes")
    func kinds() {
        #expect([ENOENT, ENOTDIR].allSatisfy { Errno($0).isAbsent })
        #expect([ENOSPC, EDQUOT].allSatisfy { Errno($0).isFull })
        #expect(![EACCES, EIO].contains { Errno($0).isAbsent || Errno($0).isFull })
    }
}
