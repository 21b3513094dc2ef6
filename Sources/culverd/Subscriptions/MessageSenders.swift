import Control

/// Which connection sent which message: it is told of every state until the last.
///
/// Hashes of ids, because one connection may have sent a hundred thousand messages.
@MainActor final class MessageSenders {
    private var sent: [ConnectionID: Set<Int>] = [:]

    func sent(_ id: String, by connection: ConnectionID) {
        sent[connection, default: []].insert(id.hashValue)
    }

    func connections(of id: String) -> Set<ConnectionID> {
        let hash = id.hashValue
        var connections: Set<ConnectionID> = []
        for (connection, hashes) in sent where hashes.contains(hash) { connections.insert(connection) }
        return connections
    }

    /// Nothing follows for this message.
    func ended(_ id: String, toldTo connections: Set<ConnectionID>) {
        for connection in connections { sent[connection]?.remove(id.hashValue) }
    }

    func disconnected(_ connection: ConnectionID) {
        sent[connection] = nil
    }
}
