import Control
import Format
import Store

/// The socket of the daemon: one that systemd listens on already, or one of its own. Before it is open and after its
/// end it has no clients and takes no notification.
@MainActor final class ServerSocket {
    private let running: RunningConfiguration
    private let supervisor: Supervisor
    private let loop: Loop
    private var server: Server?

    init(running: RunningConfiguration, supervisor: Supervisor, loop: Loop) {
        self.running = running
        self.supervisor = supervisor
        self.loop = loop
    }

    var clients: Int { server?.clients ?? 0 }

    func open(
        onCall: @escaping @MainActor (Call) -> Void, onClose: @escaping @MainActor (ConnectionID) -> Void
    ) throws {
        let server = try listen(onCall: onCall, onClose: onClose)
        // Not at once: the store may be busy with a commit.
        server.onRoom = { [loop] _ in loop.wake() }
        self.server = server
    }

    private func listen(
        onCall: @escaping @MainActor (Call) -> Void, onClose: @escaping @MainActor (ConnectionID) -> Void
    ) throws -> Server {
        let wanted = running.configuration.agent.socket
        let limits = ControlLimits(running.configuration.limits)
        guard let number = supervisor.listeners.first else {
            try makeAncestors(of: wanted)
            return try Server(
                path: wanted, mode: 0o660, group: Names.group("culver"), limits: limits, onCall: onCall,
                onClose: onClose)
        }
        let server = try Server(inherited: number, limits: limits, onCall: onCall, onClose: onClose)
        if supervisor.listeners.count > 1 {
            loop.log(.warning, "of several sockets that were handed over the first is used")
        }
        if server.path != wanted {
            loop.log(.warning, "the socket is \(server.path), as handed over, and not \(wanted)")
            running.listens(at: server.path)
        }
        return server
    }

    /// `false`: not taken, because the connection is closed or has unread notifications enough.
    func notify(_ connection: ConnectionID, method: String, params: JSON) -> Bool {
        server?.notify(connection, method: method, params: params) ?? false
    }

    /// What clients were told until now goes out.
    func handOver() { server?.handOver() }

    func isOpen(_ connection: ConnectionID) -> Bool { server?.isOpen(connection) == true }

    /// Lets no client in any more; connected ones stay.
    func stopListening() { server?.stopListening() }

    /// Hangs up on everybody.
    func close() { server?.close() }
}

extension ControlLimits {
    fileprivate init(_ limits: LimitSettings) {
        self.init()
        line = limits.controlLine
        clients = limits.clients
        clientsPerUser = limits.clientsPerUser
        json = ControlLimits.json(aroundMessage: JSONLimits(depth: limits.jsonDepth, values: limits.jsonValues))
    }
}
