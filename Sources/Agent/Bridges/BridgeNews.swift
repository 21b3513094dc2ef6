/// A message of a local broker, as its publisher wrote it or as it is to be published there.
package struct LocalMessage: Sendable, Equatable {
    package var topic: String
    package var payload: [UInt8]
    /// 0 to 2.
    package var qos: Int64
    package var isRetained: Bool
    /// A bridge published it, of this board or of another.
    package var isBridged: Bool
    /// The broker would say so: it speaks MQTT 5. Else only its topic tells (extensions.md 12).
    package var isMarkable: Bool

    package init(
        topic: String, payload: [UInt8], qos: Int64 = 1, isRetained: Bool = false, isBridged: Bool = false,
        isMarkable: Bool = true
    ) {
        self.topic = topic
        self.payload = payload
        self.qos = qos
        self.isRetained = isRetained
        self.isBridged = isBridged
        self.isMarkable = isMarkable
    }

    /// Bytes of a topic and of a payload that a bridge takes.
    package static let topicLimit = 1_024
    package static let payloadLimit = 256 << 10
}

/// What happens to bridges besides messages of peers.
package enum BridgeNews: Sendable {
    /// The policy has these bridges now: after the start, and whenever it changed.
    case configured
    /// A local broker shows a message. It is answered by `BridgeOrder.saved`, whatever becomes of it.
    case arrived(LocalMessage, bridge: String)
    /// A local broker is connected and takes so many publications at once.
    case connected(bridge: String, room: Int)
    case disconnected(bridge: String)
    /// A local broker's word about a publication.
    case answered(bridge: String, place: Int64, version: Int64, Outcome)
}

/// What is to be done about bridges, after the turn is on disk.
package enum BridgeOrder: Sendable, Equatable {
    /// A message that arrived need not be shown again: the local broker may be told.
    case saved(bridge: String)
    case publish(BridgePublication)
}

/// What is to be published on the local broker of a bridge.
package struct BridgePublication: Sendable, Equatable {
    package var bridge: String
    /// By which its answer is known.
    package var place: Int64
    package var version: Int64
    package var topic: String
    package var payload: [UInt8]
    package var isRetained: Bool
}

/// What became of messages of one bridge since the start of the daemon.
package struct BridgeCounts: Sendable, Equatable {
    /// Of the local broker: taken, receipted by the peer, and replaced by newer ones before they went.
    package var taken: Int64 = 0
    package var delivered: Int64 = 0
    package var replaced: Int64 = 0
    /// Of the peer: let in, taken by the local broker, and refused by it.
    package var received: Int64 = 0
    package var published: Int64 = 0
    package var refused: Int64 = 0
    /// Dropped: larger than a bridge takes, without room, published by a bridge, or given up before the peer had it.
    package var tooLarge: Int64 = 0
    package var withoutRoom: Int64 = 0
    package var looped: Int64 = 0
    package var undelivered: Int64 = 0

    package init() {}
}
