import Glibc
import Testing

@testable import System

@Suite("Disk space")
struct DiskSpaceTests {
    @Test("a file system has more bytes than are free")
    func root() throws {
        let space = try DiskSpace(at: "/")
        #expect(space.total > 0 && space.free >= 0 && space.free <= space.total)
        #expect(space.freeFiles.map { $0 >= 0 } ?? true)
    }

    @Test("a path that is not there is an error")
    func absent() { #expect(throws: Errno(ENOENT)) { try DiskSpace(at: "/nowhere/at/all") } }

    @Test("more than 4 GiB is counted, and more than can be is the most that can be")
    func large() {
        #expect(DiskSpace.bytes(1 << 28, 4096) == 1 << 40)
        #expect(DiskSpace.bytes(.max, 4096) == .max)
        #expect(DiskSpace.bytes(1 << 63, 1) == .max)
    }
}
