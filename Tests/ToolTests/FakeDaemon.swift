import Control
import Format
import Foundation

/// A daemon of canned answers: it remembers what it was asked, and answers what the test laid out.
@MainActor final class FakeDaemon {
    typealias Answer = Result<JSON, RPCError>

    let directory: URL
    let path: String
    /// What was asked, in order: a method and its parameters, of a list of messages each by itself. Of `message.send` without the ref that the tool makes.
    private(set) var asked: [(method: String, params: JSON)] = []
    /// How many calls there were: one may ask for many messages.
    private(set) var calls = 0
    /// The answer to each method; what is missing is an unknown method.
    var answers: [String: (JSON) -> Answer] = [:]
    /// What a consumer named in `inbox.subscribe` gets, and what it has acknowledged.
    var messages: [JSON] = []
    private(set) var acknowledged: Int64 = 0
    /// The refs that the tool made by itself.
    private(set) var refs: [String] = []
    /// Calls of this method are not answered: the daemon hangs up, so many times.
    var cutsOff: (method: String, times: Int) = ("", 0)
    /// Somebody else takes every consumer over at once.
    var closesConsumers = false
    private var server: Server!

    init() throws {
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("culver-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        path = directory.appendingPathComponent("c.sock").path
        try start()
    }

    func start() throws {
        server = try Server(path: path, mode: 0o600, onCall: { [weak self] in self?.take($0) }, onClose: { _ in })
    }

    /// Goes away as a daemon does that restarts.
    func stop() {
        server.close()
    }

    func end() {
        stop()
        try? FileManager.default.removeItem(at: directory)
    }

    /// As if the acknowledgements had been lost on their way.
    func forgetAcknowledgements() {
        acknowledged = 0
    }

    /// A file beside the socket.
    func file(_ text: String) throws -> String {
        let file = directory.appendingPathComponent("f-\(UUID().uuidString)")
        try Data(text.utf8).write(to: file)
        return file.path
    }

    func notify(_ method: String, _ params: JSON, _ connection: ConnectionID) {
        _ = server.notify(connection, method: method, params: params)
    }

    private func take(_ call: Call) {
        for message in messages(of: call) {
            var params = message
            if let ref = params["ref"]?.string, ref.hasPrefix("culver-") {
                refs.append(ref)
                params["ref"] = nil
            }
            asked.append((call.method, .object(params)))
        }
        calls += 1
        switch call.method {
        case cutsOff.method where cutsOff.times > 0:
            cutsOff.times -= 1
            stop()
            try? start()
        case _ where answers[call.method] != nil: answer(call)
        case "inbox.subscribe":
            call.answer(["consumer": call.params["consumer"] ?? nil, "cursor": .integer(acknowledged)])
            for message in messages where (message["seq"]?.integer ?? 0) > acknowledged {
                notify("inbox.message", message, call.connection)
            }
            guard closesConsumers else { return }
            notify("inbox.closed", ["consumer": "c", "reason": "taken-over"], call.connection)
        case "inbox.consumers":
            let pending = messages.count { ($0["seq"]?.integer ?? 0) > acknowledged }
            let one: JSON = [
                "name": "c", "cursor": .integer(acknowledged), "pending": .integer(Int64(pending)), "connected": true,
            ]
            call.answer(["consumers": [one]])
        case "inbox.ack":
            acknowledged = max(acknowledged, call.params["seq"]?.integer ?? 0)
            call.answer([:])
        default: call.fail(.methodNotFound(call.method))
        }
    }

    /// Each of a list with what stands beside the list, and one for each receiver; of any other call the parameters
    /// themselves.
    private func messages(of call: Call) -> [JSONObject] {
        guard isList(call) else { return [call.params] }
        return (call.params["messages"]?.array ?? [[:]]).flatMap { message in
            var params = call.params
            params["messages"] = nil
            for (name, value) in message.object?.members ?? [] { params[name] = value }
            return (params["to"]?.array ?? [params["to"] ?? .null]).map { receiver in
                var single = params
                single["to"] = receiver
                return single
            }
        }
    }

    private func isList(_ call: Call) -> Bool { call.params["messages"] != nil || call.params["to"]?.array != nil }

    private func answer(_ call: Call) {
        guard let answer = answers[call.method] else { return }
        guard !isList(call) else {
            let all = messages(of: call).map { message -> JSON in
                switch answer(.object(message)) {
                case .success(let result): result
                case .failure(let error): ["error": error.json]
                }
            }
            return call.answer(["messages": .array(all)])
        }
        switch answer(.object(call.params)) {
        case .success(let result): call.answer(result)
        case .failure(let error): call.fail(error)
        }
    }
}

/// What a run of the tool left.
struct Session: Sendable {
    let out: String
    let err: String
    let status: Int32

    var lines: [String] { out.split(separator: "\n").map(String.init) }
}

extension FakeDaemon {
    /// Runs the tool on this daemon and waits for its end.
    func culver(_ arguments: String..., input: String? = nil) async throws -> Session {
        try await culver(arguments, input: input)
    }

    func culver(_ arguments: [String], input: String? = nil) async throws -> Session {
        try await run(URL(fileURLWithPath: tool), arguments, environment, input)
    }

    func shell(_ script: String) async throws -> Session {
        try await run(URL(fileURLWithPath: "/bin/sh"), ["-c", script], environment, nil)
    }

    /// The executable, beside the tests' own.
    var tool: String {
        URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().appendingPathComponent("culver").path
    }

    private var environment: [String: String] {
        var environment = ProcessInfo.processInfo.environment
        environment["CULVER_SOCKET"] = path
        environment["TZ"] = "UTC"
        return environment
    }
}

private func run(
    _ tool: URL, _ arguments: [String], _ environment: [String: String], _ input: String?
) async throws -> Session {
    try await withCheckedThrowingContinuation { continuation in
        Thread.detachNewThread {
            continuation.resume(with: Result { try runAndWait(tool, arguments, environment, input) })
        }
    }
}

/// Output goes to files, so that no pipe can fill up while nobody reads it.
private func runAndWait(
    _ tool: URL, _ arguments: [String], _ environment: [String: String], _ input: String?
) throws -> Session {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("session-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    let files = ["in", "out", "err"].map { directory.appendingPathComponent($0) }
    try Data((input ?? "").utf8).write(to: files[0])
    for file in files[1...] { try Data().write(to: file) }

    let process = Process()
    process.executableURL = tool
    process.arguments = arguments
    process.environment = environment
    process.standardInput = try FileHandle(forReadingFrom: files[0])
    process.standardOutput = try FileHandle(forWritingTo: files[1])
    process.standardError = try FileHandle(forWritingTo: files[2])
    try process.run()
    process.waitUntilExit()
    return Session(
        out: try String(decoding: Data(contentsOf: files[1]), as: UTF8.self),
        err: try String(decoding: Data(contentsOf: files[2]), as: UTF8.self), status: process.terminationStatus)
}
