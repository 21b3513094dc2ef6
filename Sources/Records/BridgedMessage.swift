/// A message of a local broker that waits for its way over a bridge (extensions.md 12): out, until the peer has it, or
/// in, until the local broker has it.
package struct BridgedMessage: Sendable, Equatable {
    /// Rises with each row and is never used twice; 0 until the row is stored. A message that replaces an older one of its
    /// topic gets the older one's place.
    package var place: Int64
    /// The name of the section.
    package var bridge: String
    package var direction: Way
    package var topic: String
    package var payload: [UInt8]
    /// 0 to 2, as its publisher said.
    package var qos: Int64
    package var isRetained: Bool
    /// Rises with each message that takes this place.
    package var version: Int64
    /// The version that is in the outbox, or on its way there; `nil`: none. Of rows that go out alone.
    package var sent: Int64?

    package enum Way: Sendable, Hashable {
        case out
        case inward
    }

    package init(
        place: Int64 = 0, bridge: String, direction: Way, topic: String, payload: [UInt8], qos: Int64,
        isRetained: Bool, version: Int64 = 1, sent: Int64? = nil
    ) {
        self.place = place
        self.bridge = bridge
        self.direction = direction
        self.topic = topic
        self.payload = payload
        self.qos = qos
        self.isRetained = isRetained
        self.version = version
        self.sent = sent
    }

    /// Bytes that it counts for.
    package var size: Int64 { Int64(topic.utf8.count + payload.count) }
}
