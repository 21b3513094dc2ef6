package import Format

/// The error of a JSON-RPC reply: `{"code", "message", "data": {"reason", "hint"?}}`.
///
/// `reason` is a stable hyphenated word for programs, `message` is for people, `hint` names the cure when it is known.
package struct RPCError: Error, Sendable, Equatable {
    package var code: Int
    package var message: String
    package var reason: String?
    package var hint: String?

    package init(code: Int, message: String, reason: String? = nil, hint: String? = nil) {
        self.code = code
        self.message = message
        self.reason = reason
        self.hint = hint
    }

    /// An error of culver: its code is -(32000 + exit code).
    package init(exit: ExitCode, reason: String, message: String, hint: String? = nil) {
        self.init(code: -(32000 + Int(exit.rawValue)), message: message, reason: reason, hint: hint)
    }

    package static func parseError(_ message: String) -> RPCError {
        RPCError(code: -32700, message: message, reason: "not-json")
    }

    package static func invalidRequest(_ message: String, reason: String = "invalid-request") -> RPCError {
        RPCError(code: -32600, message: message, reason: reason)
    }

    package static func methodNotFound(_ method: String) -> RPCError {
        RPCError(code: -32601, message: "no method \(method)", reason: "no-such-method")
    }

    package static func invalidParams(_ message: String, reason: String) -> RPCError {
        RPCError(code: -32602, message: message, reason: reason)
    }

    package static func internalError(_ message: String) -> RPCError {
        RPCError(code: -32603, message: message, reason: "internal-error")
    }

    /// The exit code inside `code`; `nil` for JSON-RPC's own errors and for numbers that culver does not use.
    package var exit: ExitCode? {
        ExitCode.allCases.first { code == -(32000 + Int($0.rawValue)) }
    }
}

extension RPCError {
    package var json: JSON {
        var object: JSONObject = ["code": .integer(Int64(code)), "message": .string(message)]
        var data = JSONObject()
        data["reason"] = reason.map(JSON.string)
        data["hint"] = hint.map(JSON.string)
        if !data.isEmpty { object["data"] = .object(data) }
        return .object(object)
    }

    /// `nil` for what is no error object.
    package init?(json: JSON) {
        guard let code = json["code"]?.integer.flatMap({ Int(exactly: $0) }), let message = json["message"]?.string
        else { return nil }
        let data = json["data"]
        self.init(code: code, message: message, reason: data?["reason"]?.string, hint: data?["hint"]?.string)
    }
}

extension RPCError: CustomStringConvertible {
    package var description: String { message }
}

/// How a command of the tool ends (culver(1)). The socket's own errors carry the same numbers.
package enum ExitCode: Int32, Sendable, CaseIterable {
    case usage = 64
    case badData = 65
    /// No such file or message.
    case noInput = 66
    /// An unknown name, contact or identity.
    case unknownName = 67
    case noDaemon = 69
    case exists = 73
    case io = 74
    /// Timed out, outbox or disk full, locked.
    case notNow = 75
    case undelivered = 76
    case notPermitted = 77
    case configuration = 78
}
