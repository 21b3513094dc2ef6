package import Format
import Glibc
import System

/// The daemon's end of the socket (culver-protocol(7)): JSON-RPC 2.0, one object or batch per line. Knows no method;
/// hands each call to `onCall` and carries the answers back.
///
/// Everything happens on the main queue, and no client is ever waited for.
@MainActor package final class Server {
    /// Called for a connection whose notification was not taken, when it has read everything that was queued.
    package var onRoom: (@MainActor (ConnectionID) -> Void)?

    let limits: ControlLimits
    let onCall: @MainActor (Call) -> Void
    private let onClose: @MainActor (ConnectionID) -> Void
    /// Where clients find the server.
    package let path: String
    private let socket: Descriptor
    /// The socket file, which this server takes away; `nil` when systemd made it.
    private let file: FileIdentity?
    let poller: Poller
    private var arrivals: PolledDescriptor?
    private var connections: [ConnectionID: Connection] = [:]
    private var lastConnection: UInt64 = 0
    private var isClosed = false
    private var unansweredBytes = 0
    /// Those that have something to say at the end of what the main queue is doing.
    private var unsent: [Connection] = []
    /// Given up for a moment when there is no other descriptor left to tell a client off with.
    private var spare = Socket.spare()

    /// Listens from now on. Replaces the socket file of a dead daemon; refuses when a live one listens.
    ///
    /// `group`: the group that `mode`'s group bits are about; the process's own when `nil`.
    /// `onClose`: a connection is gone, ended by either side; not called by `close()`.
    package init(
        path: String, mode: UInt32, group: UInt32? = nil, limits: ControlLimits = ControlLimits(),
        onCall: @escaping @MainActor (Call) -> Void, onClose: @escaping @MainActor (ConnectionID) -> Void
    ) throws(ControlError) {
        self.path = path
        self.limits = limits
        self.onCall = onCall
        self.onClose = onClose
        socket = try Socket.listen(at: path, mode: mode, group: group)
        file = Socket.identity(of: path)
        poller = try Poller(for: path)
        begin()
    }

    /// Goes on with a socket that is listened on already, made by systemd. Mode, owner and end of its file are left to
    /// systemd. The number is closed with the server.
    package init(
        inherited number: Int32, limits: ControlLimits = ControlLimits(),
        onCall: @escaping @MainActor (Call) -> Void, onClose: @escaping @MainActor (ConnectionID) -> Void
    ) throws(ControlError) {
        self.limits = limits
        self.onCall = onCall
        self.onClose = onClose
        (socket, path) = try Socket.inherit(number)
        file = nil
        poller = try Poller(for: path)
        begin()
    }

    private func begin() {
        let arrivals = poller.watch(socket)
        arrivals.act = { [weak self] _ in self?.welcome() }
        arrivals.isReading = true
        self.arrivals = arrivals
    }

    /// `false`: not taken, because the connection is closed or has unread notifications enough; `onRoom` says when
    /// to try again.
    package func notify(_ connection: ConnectionID, method: String, params: JSON) -> Bool {
        guard let connection = connections[connection] else { return false }
        return connection.notify(["jsonrpc": "2.0", "method": .string(method), "params": params])
    }

    /// Connected clients.
    package var clients: Int { connections.count }

    /// Bytes that the client has not taken yet.
    package func backlog(of connection: ConnectionID) -> Int {
        connections[connection]?.backlog ?? 0
    }

    /// Whether anybody is left to hear an answer.
    package func isOpen(_ connection: ConnectionID) -> Bool { connections[connection] != nil }

    /// Hangs up on one client.
    package func disconnect(_ connection: ConnectionID) {
        connections[connection]?.close()
    }

    /// Lets no client in any more, and takes the socket file away, unless another server made it anew. The clients that
    /// are connected stay.
    package func stopListening() {
        guard let arrivals else { return }
        arrivals.end()
        self.arrivals = nil
        if let file, Socket.identity(of: path) == file { unlink(path) }
    }

    /// Hangs up on everybody.
    package func close() {
        guard !isClosed else { return }
        isClosed = true
        stopListening()
        for connection in connections.values { connection.close() }
        poller.end()
    }

    func closed(_ connection: Connection) {
        connections[connection.id] = nil
        arrivals?.isReading = true
        if !isClosed { onClose(connection.id) }
    }

    // MARK: writing

    /// The lines of one turn go to a client together: each write wakes it.
    func writeSoon(_ connection: Connection) {
        unsent.append(connection)
        if unsent.count == 1 { MainQueue.async { [weak self] in self?.handOver() } }
    }

    /// Hands over what was said until now.
    package func handOver() {
        let connections = unsent
        unsent = []
        for connection in connections { connection.write() }
    }

    // MARK: memory

    /// Too much waits for answers: no client is read from until it is less.
    var isBurdened: Bool { unansweredBytes >= limits.allUnansweredBytes }

    func burden(_ bytes: Int) {
        let was = isBurdened
        unansweredBytes += bytes
        guard was, !isBurdened else { return }
        for connection in connections.values { connection.pumpSoon() }
    }

    /// Half lines and unread answers of all clients have one bound: the greediest goes.
    func weigh() {
        guard connections.values.reduce(0, { $0 + $1.weight }) > limits.queues else { return }
        connections.values.max { $0.weight < $1.weight }?.close()
    }

    // MARK: arrivals

    /// A handful at a time, so that a flood of clients leaves time for those that are connected.
    private func welcome() {
        for _ in 0..<32 {
            switch Socket.accept(socket) {
            case .client(let client): admit(client)
            case .nobody: return
            case .noRoom: return turnAway()
            }
        }
    }

    private func admit(_ client: Descriptor) {
        guard let peer = Socket.peer(of: client) else { return }
        guard hasRoom(for: peer) else { return refuse(client) }
        lastConnection += 1
        let id = ConnectionID(lastConnection)
        connections[id] = Connection(client, id: id, peer: peer, server: self)
    }

    private func hasRoom(for peer: Peer) -> Bool {
        connections.count < limits.clients
            && connections.values.count { $0.peer.uid == peer.uid } < limits.clientsPerUser
    }

    /// No descriptor is free: the client is let in with the spare one, told, and out again. Where not even that helps
    /// the server looks away instead of turning round and round, until a client leaves or some time has passed: both,
    /// because Dispatch needs a descriptor of its own for its first timer.
    private func turnAway() {
        spare = nil
        if case .client(let client) = Socket.accept(socket) {
            refuse(client)
        } else {
            arrivals?.isReading = false
            MainQueue.after(0.1) { [weak self] in self?.arrivals?.isReading = true }
        }
        spare = Socket.spare()
    }

    private func refuse(_ client: Descriptor) {
        let error = RPCError(exit: .notNow, reason: "too-many-clients", message: "too many clients are connected")
        _ = Socket.write(client, JSON.failure(error, id: .null).bytes + [UInt8(ascii: "\n")])
    }
}
