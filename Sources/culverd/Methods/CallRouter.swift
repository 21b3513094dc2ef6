import Control
import Operations

/// From the socket to a method: known? allowed? then a turn.
@MainActor final class CallRouter {
    private let methods: Methods
    private let running: RunningConfiguration
    private let loop: Loop
    private let socket: ServerSocket
    private let backups: Backups
    private var isStopping = false

    init(to methods: Methods, running: RunningConfiguration, loop: Loop, socket: ServerSocket, backups: Backups) {
        self.methods = methods
        self.running = running
        self.loop = loop
        self.socket = socket
        self.backups = backups
    }

    func route(_ call: Call) {
        guard let method = Method.byName[call.method] else { return call.fail(.methodNotFound(call.method)) }
        guard running.access.role(of: call.peer) >= method.role else { return call.fail(.lacking(method)) }
        guard !isStopping else { return call.fail(.stopping) }
        guard !backups.isRetiring || Backups.answered.contains(method.name) else {
            return call.fail(backups.retired == nil ? .retiring : .retired)
        }
        loop.add(
            .request(call) { [methods, socket] call, turn in
                // Who only asked and left is not told; what is to be done is done all the same.
                guard method.role > .reader || socket.isOpen(call.connection) else { return call.fail(.stopping) }
                let params = try Params(call.params, known: method.parameters)
                try method.handle(methods, CheckedCall(call: call, params: params), &turn)
            })
    }

    /// The daemon ends: nothing is begun any more.
    func stop() { isStopping = true }
}

extension RPCError {
    /// Not accepted, because the daemon ends.
    static let stopping = RPCError(
        exit: .notNow, reason: "stopping", message: "the daemon is ending", hint: "try again when it runs")

    fileprivate static func lacking(_ method: Method) -> RPCError {
        RPCError(
            exit: .notPermitted, reason: "not-permitted",
            message: "\(method.name) needs the role \(method.role.rawValue)",
            hint: method.role == .admin
                ? "call it as root, or give the role in [access] of culver.conf"
                : "give it in [access] of culver.conf, or join the group culver")
    }
}
