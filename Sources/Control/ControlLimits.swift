package import Format

/// What the socket lets its clients have (culver.conf(5)).
package struct ControlLimits: Sendable {
    /// Bytes of one line, its end not counted.
    package var line = 2 << 20
    package var clients = 64
    package var clientsPerUser = 16
    /// Calls of one client that wait for an answer; with more it is not read from.
    package var unanswered = 64
    /// Unwritten bytes of one client, beyond which it is not read from.
    package var patience = 1 << 20
    /// Unwritten bytes of one client, beyond which it is cut off.
    package var replies = 4 << 20
    /// Unwritten bytes of one client, beyond which it is offered no notification.
    package var notifications = 256 << 10
    /// Bytes of one client's lines that wait for an answer, and of all clients': with more none is read from.
    package var unansweredBytes = 1 << 20
    package var allUnansweredBytes = 8 << 20
    /// Unread and unwritten bytes of all clients together, beyond which the one with most is cut off.
    package var queues = 24 << 20
    package var json = ControlLimits.json(aroundMessage: JSONLimits())

    package init() {}

    /// Some levels and values more than a DIMP message has, because one rides inside the parameters, or a list of contents.
    package static func json(aroundMessage message: JSONLimits) -> JSONLimits {
        JSONLimits(depth: message.depth + 6, values: message.values + 64)
    }
}
