import Glibc
import TestSupport
import Testing

@testable import System

@Suite("Descriptors")
struct DescriptorTests {
    let scratch: TemporaryDirectory

    init() throws { scratch = try TemporaryDirectory() }

    @Test("what was written is read, from the start or from any place")
    func bytes() throws {
        let file = try Descriptor(scratch.file("a"), flags: O_RDWR | O_CREAT | O_EXCL, mode: 0o600)
        try file.write(Array("hello, board".utf8))
        try file.sync()
        #expect(try file.read(at: 7, limit: 100) == Array("board".utf8))
        #expect(try file.read(at: 0, limit: 5) == Array("hello".utf8))
        #expect(try file.read(at: 1 << 40, limit: 5) == [])
        #expect(try file.status().isRegular)
    }

    @Test("a number is closed with its last owner, and a duplicate lives on")
    func closes() throws {
        var file: Descriptor? = try Descriptor(following: "/dev/null", flags: O_RDONLY)
        let number = try #require(file?.number)
        let twin = try Descriptor(duplicating: number)
        #expect(fcntl(number, F_GETFD) == FD_CLOEXEC)
        #expect(fcntl(twin.number, F_GETFD) == FD_CLOEXEC)
        let (device, inode) = try (twin.status().st_dev, twin.status().st_ino)
        file = nil
        var status = stat()
        // Another thread may have the number again, but not for a file of these tests.
        #expect(fstat(number, &status) != 0 || status.st_dev != device || status.st_ino != inode)
        #expect(try twin.read(limit: 1) == [])
    }

    @Test("a symbolic link is followed only on demand")
    func links() throws {
        try scratch.write("target", "text")
        #expect(symlink(scratch.file("target"), scratch.file("link")) == 0)
        #expect(throws: Errno(ELOOP)) { try Descriptor(scratch.file("link"), flags: O_RDONLY) }
        #expect(try Descriptor(following: scratch.file("link"), flags: O_RDONLY).read(limit: 9) == Array("text".utf8))
        let directory = try Descriptor(scratch.path, flags: O_RDONLY | O_DIRECTORY)
        #expect(throws: Errno(ELOOP)) { try Descriptor("link", in: directory, flags: O_RDONLY) }
        #expect(try Descriptor("target", in: directory, flags: O_RDONLY).read(limit: 9) == Array("text".utf8))
    }

    @Test("a pipe under the name holds nobody up")
    func pipes() throws {
        #expect(mkfifo(scratch.file("pipe"), 0o600) == 0)
        let file = try Descriptor(scratch.file("pipe"), flags: O_RDONLY)
        #expect(try !file.status().isRegular)
    }

    @Test("a call that fails throws its own error, whatever closing does")
    func fails() throws {
        #expect(throws: Errno(ENOENT)) { try Descriptor(scratch.file("absent"), flags: O_RDONLY) }
        #expect(throws: Errno(EBADF)) { try Descriptor(duplicating: 999_999) }
        #expect(throws: Errno(EBADF)) { try Descriptor(following: "/dev/null", flags: O_RDONLY).write([1]) }
        #expect(!Descriptor.closeOnExec(999_999))
    }

    @Test("a directory's names come by its path and by its descriptor, as often as one asks")
    func names() throws {
        try scratch.write("a", "")
        try scratch.write(".b", "")
        #expect(try System.names(in: scratch.path).sorted() == [".b", "a"])
        let directory = try Descriptor(scratch.path, flags: O_RDONLY | O_DIRECTORY)
        for _ in 0..<2 { #expect(try System.names(in: directory).sorted() == [".b", "a"]) }
        #expect(throws: Errno(ENOENT)) { try System.names(in: scratch.file("absent")) }
        #expect(try status(of: scratch.path).isDirectory)
        #expect(chmod(scratch.file("a"), 0o640) == 0)
        #expect(try status(of: scratch.file("a")).openness == 0o040)
    }
}
