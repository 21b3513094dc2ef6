import Agent
import Control
import Format
import Glibc
import Operations
import Records
import System

/// What runs for calls: programs of the configuration, and programs on the socket that said `call.serve`. What they say
/// becomes the messenger's news.
@MainActor final class CallPrograms {
    private let loop: Loop
    private let notify: Notify
    /// Who counts like root as the owner of what is run.
    private let owner: uid_t?
    /// What is said goes here: to the messenger.
    var tell: @MainActor (CallNews) -> Void
    /// No program begins any more.
    private var isEnding = false
    private var runs: [ServedCall.Name: ProgramRun] = [:]
    private var serving: [String: ConnectionID] = [:]
    private var handed: [ServedCall.Name: Handed] = [:]

    private struct Handed {
        var connection: ConnectionID
        var serial: UInt64
    }

    private var lastSerial: UInt64 = 0

    init(loop: Loop, notify: @escaping Notify, owner: uid_t?) {
        self.loop = loop
        self.notify = notify
        self.owner = owner
        tell = { [loop] in loop.take(.call($0)) }
    }

    /// Past the deadline nothing begins. What has begun ends by itself or by the timeout of its section, whatever the
    /// deadline is: half a movement may be worse than a late one.
    func run(_ run: CallRun) {
        // It has no answer, so that the next start says that it was interrupted.
        guard !isEnding else { return }
        let key = run.key
        guard loop.clock.now.wall < run.deadline else {
            return say(CallResult(status: 75, output: "", error: "expired"), for: key)
        }
        guard let path = run.rule.program else { return hand(run) }
        let wish = ProgramRun.Invocation(
            path: path, arguments: run.arguments, environment: environment(of: run), input: run.input ?? "",
            timeout: run.rule.timeout, limit: run.rule.output, isStreamed: run.rule.isStreamed, owner: owner)
        let program = ProgramRun(wish)
        runs[key] = program
        program.begin(
            said: { text in
                MainQueue.async { self.say(CallResult(status: 0, output: text, isFinal: false), for: key) }
            },
            ended: { end in
                MainQueue.async {
                    self.runs[key] = nil
                    self.say(CallResult(status: Int64(end.status), output: end.output, error: end.error), for: key)
                }
            })
    }

    func stop(_ key: ServedCall.Name) {
        runs[key]?.stop()
        guard let handed = handed.removeValue(forKey: key) else { return }
        _ = notify(handed.connection, "call.closed", Self.names(key))
    }

    /// The daemon ends: what runs is ended with it.
    func stopAll() {
        isEnding = true
        for run in runs.values { run.stop() }
    }

    /// Programs run, or have to be ended.
    var isRunning: Bool { !runs.isEmpty }

    private func say(_ result: CallResult, for key: ServedCall.Name) { tell(.said(key, result)) }

    /// Nothing of the daemon's own.
    private func environment(of run: CallRun) -> [String] {
        var variables = [
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8",
            "CULVER_COMMAND=\(run.rule.command)", "CULVER_CALL=\(run.key.call)", "CULVER_SENDER=\(run.key.caller)",
            "CULVER_RECEIVER=\(run.owner)",
        ]
        if let name = loop.names.name(of: run.key.caller) { variables.append("CULVER_NAME=\(name)") }
        return variables
    }

    // MARK: - Programs on the socket

    func isServed(_ command: String) -> Bool { serving[command] != nil }

    func serve(_ rule: CallRule, on connection: ConnectionID) {
        serving[rule.command] = connection
        tell(.serves(rule))
    }

    private func hand(_ run: CallRun) {
        let key = run.key
        guard let connection = serving[run.rule.command] else { return interrupt(key) }
        var params = Self.names(key).object ?? [:]
        if let name = loop.names.name(of: key.caller) { params["name"] = .string(name) }
        params["receiver"] = .string(run.owner.text)
        params["command"] = .string(run.rule.command)
        params["args"] = .array(run.arguments.map { .string($0) })
        params["input"] = run.input.map { .string($0) }
        params["deadline"] = .number(run.deadline)
        guard notify(connection, "call.request", .object(params)) else { return interrupt(key) }
        lastSerial += 1
        let serial = lastSerial
        handed[key] = Handed(connection: connection, serial: serial)
        MainQueue.after(run.rule.timeout) { [weak self] in
            guard let self, handed[key]?.serial == serial else { return }
            stop(key)
            say(CallResult(status: 124, output: "", error: "timed-out"), for: key)
        }
    }

    /// The call with this name that was handed to the connection; `nil` when there is none, or one of each of several
    /// callers.
    func call(_ name: String, of caller: String?, handedTo connection: ConnectionID) -> ServedCall.Name? {
        let found = handed.filter {
            $0.value.connection == connection && $0.key.call == name
                && (caller ?? $0.key.caller.text) == $0.key.caller.text
        }
        return found.count == 1 ? found.first?.key : nil
    }

    func reply(_ result: CallResult, to key: ServedCall.Name) {
        if result.isFinal { handed[key] = nil }
        say(result, for: key)
    }

    func disconnected(_ connection: ConnectionID) {
        for (command, server) in serving where server == connection {
            serving[command] = nil
            tell(.left(command: command))
        }
        for (key, call) in handed where call.connection == connection {
            handed[key] = nil
            interrupt(key)
        }
    }

    private func interrupt(_ key: ServedCall.Name) {
        say(CallResult(status: 75, output: "", error: "interrupted"), for: key)
    }

    private static func names(_ key: ServedCall.Name) -> JSON {
        ["call": .string(key.call), "sender": .string(key.caller.text)]
    }
}
