package import DIMP

/// Something to publish.
package struct Publication: Sendable, Equatable {
    /// Comes back with the broker's acknowledgement.
    package var number: UInt64
    package var broker: String
    package var place: Topic
    package var payload: [UInt8]
    /// Seconds after which the broker may drop it (MQTT 5).
    package var expiry: UInt32?

    package var isRetained: Bool {
        if case .inbox = place { false } else { true }
    }
}

/// A topic, by its meaning (extensions.md 1).
package enum Topic: Sendable, Hashable {
    case inbox(Address)
    case meta(Address)
    case visa(Address)
    case state(Address)
}
