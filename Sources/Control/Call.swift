package import Format

/// A request that waits for its answer: given exactly once, now or at any later time. The second answer is dropped,
/// and so is one to a connection that is closed meanwhile.
package struct Call: Sendable {
    package let connection: ConnectionID
    package let peer: Peer
    package let method: String
    /// Empty when the request has none.
    package private(set) var params: JSONObject
    /// More calls of the same line follow at once.
    package let isFollowed: Bool
    private let ticket: Ticket

    init(
        _ request: RPCRequest, from connection: ConnectionID, _ peer: Peer, isFollowed: Bool = false, ticket: Ticket
    ) {
        self.isFollowed = isFollowed
        self.connection = connection
        self.peer = peer
        self.method = request.method
        self.params = request.params
        self.ticket = ticket
    }

    /// For whoever has only to answer it: a thousand messages are not kept until the last is accepted.
    package var withoutParams: Call {
        var call = self
        call.params = JSONObject()
        return call
    }

    /// Its answer goes nowhere, but must be given all the same.
    package var isNotification: Bool { ticket.id == nil }

    @MainActor package func answer(_ result: JSON) {
        ticket.redeem { .success(result, id: $0) }
    }

    @MainActor package func fail(_ error: RPCError) {
        ticket.redeem { .failure(error, id: $0) }
    }
}

/// The right to answer one call, once.
@MainActor final class Ticket {
    nonisolated let id: JSON?
    private var reply: Reply?

    init(_ id: JSON?, for reply: Reply) {
        self.id = id
        self.reply = reply
    }

    func redeem(_ answer: (JSON) -> JSON) {
        guard let reply else { return }
        self.reply = nil
        reply.add(id.map(answer))
    }
}
