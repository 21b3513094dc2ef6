import Control
import Format

/// Why a command ends with something else than 0, in the form in which it is told.
struct ToolFailure: Error {
    var error: RPCError
    var exit: Int32
    /// Beside that of the error.
    var moreHints: [String] = []
    /// What a failure of sending, or of waiting, says of the message itself.
    var fate: MessageFate?

    /// One that the tool found itself.
    init(_ exit: Control.ExitCode, _ reason: String, _ message: String, hint: String? = nil) {
        self.error = RPCError(exit: exit, reason: reason, message: message, hint: hint)
        self.exit = exit.rawValue
    }

    init(_ exit: Control.ExitCode, _ reason: String, _ message: String, hints: [String]) {
        self.init(exit, reason, message, hint: hints.first)
        moreHints = Array(hints.dropFirst())
    }

    /// The daemon's: the exit code is inside its code.
    init(_ error: RPCError, hint: String? = nil) {
        self.error = error
        if let hint { self.error.hint = hint }
        self.exit = ToolFailure.exit(for: error)
    }

    init(_ error: ControlError) {
        self.init(error.exit, ToolFailure.reason(for: error), error.description, hint: ToolFailure.hint(for: error))
    }

    /// JSON-RPC's own codes mean that tool and daemon do not understand each other, save for one: a parameter that
    /// the user gave.
    private static func exit(for error: RPCError) -> Int32 {
        if let exit = error.exit { return exit.rawValue }
        let exit: Control.ExitCode =
            switch error.code {
            case -32602: .usage
            case -32601: .noDaemon
            default: .io
            }
        return exit.rawValue
    }

    private static func reason(for error: ControlError) -> String {
        switch error {
        case .noDaemon: "no-daemon"
        case .closed: "connection-closed"
        case .notPermitted: "not-permitted"
        case .timedOut: "timed-out"
        case .inUse, .badPath: "bad-socket"
        case .unintelligible: "not-understood"
        case .system: "io-error"
        }
    }

    private static func hint(for error: ControlError) -> String? {
        switch error {
        case .noDaemon(SocketPath.system): "is culverd running? --socket PATH names another socket"
        case .noDaemon: "is culverd running? --socket \(SocketPath.system) is the system's"
        case .notPermitted: "users of the group culver may use it; a new member must log in again"
        default: nil
        }
    }
}

/// Whether the daemon has a message although the command failed: by the status alone nobody can tell.
enum MessageFate: Equatable {
    /// It goes on by itself: whoever sends it again sends it twice.
    case accepted(id: String)
    case notAccepted
    /// The answer was lost. The same ref asks again, and sends nothing twice.
    case unknown(ref: String)

    var hint: String {
        switch self {
        case .accepted(let id): "\(id) is accepted and goes on by itself: do not send it again"
        case .notAccepted: "nothing was accepted: send it again later"
        case .unknown(let ref): "--ref \(ref) sends it again, and only if it was not accepted"
        }
    }
}

extension ToolFailure {
    /// `{"error": …}`. The error's data has `accepted` where that is a question, and the message's `id` where it is true.
    var json: JSON {
        var error = error.json.object ?? [:]
        guard let fate else { return ["error": .object(error)] }
        var data = error["data"]?.object ?? [:]
        if data["hint"] == nil { data["hint"] = .string(fate.hint) }
        switch fate {
        case .accepted(let id):
            data["accepted"] = true
            data["id"] = .string(id)
        case .notAccepted: data["accepted"] = false
        case .unknown(let ref): data["ref"] = .string(ref)
        }
        error["data"] = .object(data)
        return ["error": .object(error)]
    }
}

/// Ends the command with a status and no word.
struct Quiet: Error {
    let exit: Int32
}
