package import DIMP
package import Format

/// What the configuration says about sending and receiving (culver.conf(5)).
package struct Policy: Sendable, Equatable {
    package var strangers: Strangers = .ask
    /// Seconds until the first repeat; doubles up to `longestPause`.
    package var receiptTimeout = 10.0
    package var longestPause = 600.0
    /// Seconds lived until an outgoing message expires.
    package var expiry = 7.0 * 86_400
    /// The longest that a program may ask for.
    static let longestExpiry = 14.0 * 86_400
    /// Bytes of one message on the wire.
    package var messageSize = Int(ProtocolLimits.messageSize)
    /// How its JSON may be built.
    package var json = JSONLimits()
    package var outboxCount = 10_000
    package var outboxBytes: Int64 = 64 << 20
    /// How long a first message waits for a visa when only a meta is known.
    package var visaPatience = 30.0
    /// When an empty directory makes us ask the peer itself.
    package var queryPatience = 3.0
    package var directorySubscriptions = 256
    /// Seconds between two questions for one ID.
    package var queryInterval = 600.0
    package var queriesPerMinute = 30
    package var strangersPrivateOperations = 30.0
    package var peerPrivateOperations = 5.0
    package var publicOperations = 200.0
    package var forwardDepth = ProtocolLimits.forwardDepth
    package var forwardedMessages = ProtocolLimits.forwardedMessages
    package var arrayContents = ProtocolLimits.arrayContents
    package var directorySize = 64 << 10
    /// For whom this board hands messages on that contacts send to it in a forward.
    package var relaying: Relaying = .forNobody

    /// What contacts may call here.
    package var calls: [CallRule] = []
    /// Local brokers whose topics contacts get, and the other way round.
    package var bridges: [BridgeRule] = []
    /// What topics of culver's own begin with on brokers: no bridge takes what is below one, or publishes there.
    package var topicRoots = ["dim/v1"]

    package init() {}

    package enum Relaying: Sendable, Equatable {
        case forNobody
        case forContacts
        case forThese([ID])
    }

    package enum Strangers: String, Sendable, CaseIterable {
        case open, ask, closed
    }
}
