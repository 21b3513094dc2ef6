import Control
import Format
import Foundation

/// A server in a directory of its own, with what happened to it. Methods: `echo` answers its parameters, `whoami` the
/// peer, `hold` nothing until `release`, `refuse` an error, `tell` sends `count` notifications of `size` before it
/// answers, `large` answers with `size` bytes, `twice` answers two times.
@MainActor final class Scene {
    let path: String
    private(set) var server: Server!
    private(set) var calls: [Call] = []
    private(set) var closed: [ConnectionID] = []
    private(set) var held: [Call] = []
    private(set) var gotRoom: [ConnectionID] = []
    private let directory: URL

    init(limits: ControlLimits = ControlLimits()) throws {
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("control-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        path = directory.appendingPathComponent("c.sock").path
        server = try Server(
            path: path, mode: 0o600, limits: limits, onCall: { [weak self] in self?.handle($0) },
            onClose: { [weak self] in self?.closed.append($0) })
        server.onRoom = { [weak self] in self?.gotRoom.append($0) }
    }

    func end() {
        server.close()
        try? FileManager.default.removeItem(at: directory)
    }

    /// Answers what is held now.
    func release() {
        let calls = held
        held = []
        for call in calls { call.answer("released") }
    }

    private func handle(_ call: Call) {
        calls.append(call)
        switch call.method {
        case "echo": call.answer(.object(call.params))
        case "length": call.answer(.integer(Int64(call.params["text"]?.string?.utf8.count ?? -1)))
        case "hold": held.append(call)
        case "refuse": call.fail(RPCError(exit: .unknownName, reason: "unknown-name", message: "no x", hint: "y"))
        case "large": call.answer(.string(String(repeating: "x", count: Int(call.params["size"]?.integer ?? 0))))
        case "twice":
            call.answer(1)
            call.answer(2)
            call.fail(.internalError("three"))
        case "tell":
            let text = JSON.string(String(repeating: "n", count: Int(call.params["size"]?.integer ?? 1)))
            var taken: Int64 = 0
            for _ in 0..<(call.params["count"]?.integer ?? 0) {
                taken += server.notify(call.connection, method: "told", params: ["text": text]) ? 1 : 0
            }
            call.answer(.integer(taken))
        case "whoami":
            let peer = call.peer
            call.answer([
                "uid": .integer(Int64(peer.uid)), "gid": .integer(Int64(peer.gid)), "pid": .integer(Int64(peer.pid)),
                "groups": .array(peer.groups.map { .integer(Int64($0)) }),
            ])
        default: call.fail(.methodNotFound(call.method))
        }
    }
}

/// Runs what blocks on a thread of its own, so that the main queue stays free for the server.
func apart<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
    }
}

/// Lets the main queue turn until it is so; the patience is for slow machines, nothing is measured.
@MainActor func eventually(_ isSo: @MainActor () -> Bool) async throws -> Bool {
    for _ in 0..<12_000 {
        if isSo() { return true }
        try await Task.sleep(nanoseconds: 5_000_000)
    }
    return false
}
