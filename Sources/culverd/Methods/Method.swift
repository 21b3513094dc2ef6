import Control
import Format
import Operations

/// One method of the socket: which role may call it, with which parameters, and what it does in a turn.
///
/// A handler answers through `turn.after` or later; what it throws is the answer.
struct Method {
    typealias Handler = @MainActor (Methods, CheckedCall, inout Turn) throws -> Void

    let name: String
    let role: Role
    let parameters: [String]
    let handle: Handler

    /// A method whose answer is known at the end of its turn.
    static func plain(
        _ name: String, _ role: Role, _ parameters: [String] = [],
        _ handler: @escaping @MainActor (Methods, CheckedCall, inout Turn) throws -> JSON
    ) -> Method {
        Method(name: name, role: role, parameters: parameters) { methods, request, turn in
            let result = try handler(methods, request, &turn)
            let call = request.call
            turn.after { call.answer(result) }
        }
    }

    /// The same of a method that asks nothing of its turn.
    static func direct(
        _ name: String, _ role: Role, _ parameters: [String] = [],
        _ handler: @escaping @MainActor (Methods, CheckedCall) throws -> JSON
    ) -> Method {
        plain(name, role, parameters) { methods, request, _ in try handler(methods, request) }
    }

    /// A method that answers by itself.
    static func later(_ name: String, _ role: Role, _ parameters: [String] = [], _ handler: @escaping Handler) -> Method
    {
        Method(name: name, role: role, parameters: parameters, handle: handler)
    }
}

/// A call with its parameters checked by name.
struct CheckedCall {
    let call: Call
    let params: Params
}
