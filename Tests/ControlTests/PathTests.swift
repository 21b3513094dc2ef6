import Format
import Foundation
import Testing

@testable import Control

/// The file that the socket is.
@MainActor struct PathTests {
    @Test("the socket has the mode it was given, whatever the umask, and is gone after the end")
    func mode() throws {
        let scene = try Scene()
        let attributes = try FileManager.default.attributesOfItem(atPath: scene.path)
        #expect(attributes[.posixPermissions] as? Int == 0o600)
        scene.server.close()
        #expect(!FileManager.default.fileExists(atPath: scene.path))
        scene.end()
    }

    @Test("a second server at the same path is refused, and the first one goes on")
    func second() async throws {
        let scene = try Scene()
        defer { scene.end() }
        let path = scene.path
        #expect(throws: ControlError.inUse(path: path)) {
            _ = try Server(path: path, mode: 0o600, onCall: { _ in }, onClose: { _ in })
        }
        let answer = try await apart { try Client(path: path).call("echo") }
        #expect(answer == [:])
    }

    @Test("what a dead daemon left is replaced")
    func stale() async throws {
        let scene = try Scene()
        defer { scene.end() }
        let path = scene.path
        scene.server.close()
        do { _ = try Socket.listen(at: path, mode: 0o600, group: nil) }  // closed at once, its file stays
        #expect(FileManager.default.fileExists(atPath: path))
        let server = try Server(path: path, mode: 0o600, onCall: { $0.answer("new") }, onClose: { _ in })
        let answer = try await apart { try Client(path: path).call("any") }
        #expect(answer == "new")
        server.close()
    }

    @Test("a file that is no socket is left alone")
    func otherFile() throws {
        let scene = try Scene()
        defer { scene.end() }
        let path = scene.path
        scene.server.close()
        try Data("mine".utf8).write(to: URL(fileURLWithPath: path))
        #expect(throws: ControlError.self) {
            _ = try Server(path: path, mode: 0o600, onCall: { _ in }, onClose: { _ in })
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == Data("mine".utf8))
    }

    @Test("an end that comes late does not take the file of the next daemon away")
    func successor() throws {
        let scene = try Scene()
        defer { scene.end() }
        let path = scene.path
        try FileManager.default.removeItem(atPath: path)
        let next = try Server(path: path, mode: 0o600, onCall: { _ in }, onClose: { _ in })
        scene.server.close()
        #expect(FileManager.default.fileExists(atPath: path))
        next.close()
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    @Test("a socket that was handed over is used, and its file is left alone")
    func inherited() async throws {
        let scene = try Scene()
        defer { scene.end() }
        let path = scene.path
        scene.server.close()
        let listener = try Socket.listen(at: path, mode: 0o640, group: nil)
        let file = Socket.identity(of: path)
        let server = try Server(inherited: dup(listener.number), onCall: { $0.answer("there") }, onClose: { _ in })
        #expect(server.path == path)
        let answer = try await apart { try Client(path: path).call("any") }
        #expect(answer == "there")
        server.close()
        #expect(Socket.identity(of: path) == file)
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        #expect(attributes[.posixPermissions] as? Int == 0o640)
    }

    @Test("what is no listening Unix socket is not taken for one")
    func notListening() {
        let why = "it is no listening Unix stream socket"
        for domain in [AF_UNIX, AF_INET] {
            let number = socket(domain, Int32(SOCK_STREAM.rawValue), 0)
            defer { close(number) }
            #expect(throws: ControlError.badPath(path: "descriptor \(number)", why: why)) {
                _ = try Server(inherited: number, onCall: { _ in }, onClose: { _ in })
            }
        }
    }

    @Test("a path that no socket may have is named")
    func tooLong() {
        let path = "/tmp/" + String(repeating: "x", count: 200)
        #expect(throws: ControlError.badPath(path: path, why: "it is longer than 107 bytes")) {
            _ = try Server(path: path, mode: 0o600, onCall: { _ in }, onClose: { _ in })
        }
    }
}
