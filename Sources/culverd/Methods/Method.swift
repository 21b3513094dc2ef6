import Control
import DIMP
import Format

/// One method of the socket: who may call it, with which parameters, and what it does in a turn.
///
/// A body answers through `turn.after` or later; what it throws is the answer.
struct Method {
    let name: String
    let role: Role
    let parameters: [String]
    let body: @MainActor (Daemon, Request, inout Turn) throws -> Void

    /// A method whose answer is known at the end of its turn.
    static func plain(
        _ name: String, _ role: Role, _ parameters: [String] = [],
        _ body: @escaping @MainActor (Daemon, Request, inout Turn) throws -> JSON
    ) -> Method {
        Method(name: name, role: role, parameters: parameters) { daemon, request, turn in
            let result = try body(daemon, request, &turn)
            let call = request.call
            turn.after { call.answer(result) }
        }
    }

    /// A method that answers by itself.
    static func later(
        _ name: String, _ role: Role, _ parameters: [String] = [],
        _ body: @escaping @MainActor (Daemon, Request, inout Turn) throws -> Void
    ) -> Method {
        Method(name: name, role: role, parameters: parameters, body: body)
    }

    static let all: [Method] =
        general + identities + keys + contacts + messages + inbox + events + doctor + backups
}

/// A call with its parameters checked by name.
struct Request {
    let call: Call
    let params: Params
}

extension Daemon {
    /// From the socket: known? allowed? then a turn.
    func answer(_ call: Call) {
        guard let method = Self.methods[call.method] else { return call.fail(.methodNotFound(call.method)) }
        guard access.role(of: call.peer) >= method.role else {
            return call.fail(
                RPCError(
                    exit: .notPermitted, reason: "not-permitted",
                    message: "\(call.method) needs the role \(method.role.rawValue)",
                    hint: method.role == .admin
                        ? "call it as root, or give the role in [access] of culver.conf"
                        : "give it in [access] of culver.conf, or join the group culver"))
        }
        guard !isStopping else { return call.fail(.stopping) }
        guard !backups.isRetiring || Backups.answered.contains(method.name) else { return call.fail(.retiring) }
        loop.add(
            .request(call) { [weak self] call, turn in
                guard let self else { return }
                // Who only asked and left is not told; what is to be done is done all the same.
                guard method.role > .reader || self.server?.isOpen(call.connection) == true else {
                    return call.fail(.stopping)
                }
                let params = try Params(call.params, known: method.parameters)
                try method.body(self, Request(call: call, params: params), &turn)
            })
    }

    private static let methods = Dictionary(uniqueKeysWithValues: Method.all.map { ($0.name, $0) })

    /// The identity that a call sends from, within what its caller is limited to.
    func sender(_ request: Request, _ name: String = "from") throws -> Identity {
        let text = try request.params.text(name)
        if text == nil, facebook.identities.isEmpty, isMakingIdentity {
            throw RPCError(
                exit: .notNow, reason: "no-identity-yet", message: "the keys of the first identity are being made",
                hint: "try again in some seconds")
        }
        let identity = try operations.identity(text)
        try checkMaySend(as: identity.id, request)
        return identity
    }

    func checkMaySend(as id: ID, _ request: Request) throws {
        guard let allowed = identities(request, as: .sender), !allowed.contains(id.bare) else { return }
        throw RPCError(exit: .notPermitted, reason: "not-permitted", message: "you may not send as \(id)")
    }

    /// The identities that the caller is limited to in this role; `nil` for no limit.
    func identities(_ request: Request, as role: Role) -> [ID]? {
        access.identities(of: request.call.peer, as: role)?.compactMap { (try? operations.identity($0))?.id.bare }
    }
}

extension RPCError {
    /// Not accepted, because the daemon ends.
    static let stopping = RPCError(
        exit: .notNow, reason: "stopping", message: "the daemon is ending", hint: "try again when it runs")
}
