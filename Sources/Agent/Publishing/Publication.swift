package import DIMP

/// Something to publish, at quality of service 1.
package struct Publication: Sendable, Equatable {
    /// Comes back with the broker's acknowledgement.
    package var number: UInt64
    package var broker: String
    package var topic: Topic
    package var payload: [UInt8]
    /// Seconds after which the broker may drop it (MQTT 5).
    package var expiry: UInt32?
}

/// A topic, by its meaning (extensions.md 1).
package enum Topic: Sendable, Hashable {
    case inbox(Address)
    case meta(Address)
    case visa(Address)
    case state(Address)
    case acknowledgements(Address)
    /// A piece of a file for this entity.
    case piece(Address, file: String, Int)

    package var address: Address {
        switch self {
        case .inbox(let address), .meta(let address), .visa(let address), .state(let address),
            .acknowledgements(let address), .piece(let address, _, _):
            address
        }
    }

    /// The topics of the directory and of presence are; those that messages, acknowledgements and pieces come on are not.
    package var isRetained: Bool {
        switch self {
        case .inbox, .acknowledgements, .piece: false
        case .meta, .visa, .state: true
        }
    }

    /// Presence is stated on it.
    package var isState: Bool {
        if case .state = self { true } else { false }
    }

    /// The directory topics of an entity: what others may know of it.
    package static func directory(of address: Address) -> [Topic] {
        [.meta(address), .visa(address), .state(address)]
    }
}
