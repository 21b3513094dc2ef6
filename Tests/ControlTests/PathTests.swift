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

    @Test("a path that no socket may have is named")
    func tooLong() {
        let path = "/tmp/" + String(repeating: "x", count: 200)
        #expect(throws: ControlError.badPath(path: path, why: "it is longer than 107 bytes")) {
            _ = try Server(path: path, mode: 0o600, onCall: { _ in }, onClose: { _ in })
        }
    }
}
