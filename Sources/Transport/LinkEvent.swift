/// What a link tells its owner, always on the main queue and never from inside a call of the owner's.
package enum LinkEvent: Sendable, Equatable {
    /// An attempt begins.
    case connecting
    /// An address of the broker does not answer; the attempt goes on with the next one.
    case stalled(reason: String)
    /// The broker accepted the link. Subscriptions and retained topics are now to be renewed; nothing is in flight.
    case connected(version: MQTTVersion, sessionPresent: Bool)
    /// An attempt did not end in a connection; the next begins in `retryIn` seconds.
    case failed(reason: String, retryIn: Double)
    /// The broker lets the link in without its will alone; follows `.connected`.
    case willLeftOut
    /// The broker does not accept the client id; `.failed` follows.
    case clientIDRefused
    /// What is known of the broker has changed; to be handed to the next link to it.
    case learnt(BrokerKnowledge)
    /// The broker says that another client took the client id of this link; `.disconnected` follows.
    case takenOver
    /// A connection ended; whatever was unacknowledged stays so. The next attempt begins in `retryIn` seconds.
    case disconnected(reason: String, retryIn: Double)
    case message(topic: String, payload: [UInt8], retained: Bool)
    /// The same on a link of a bridge.
    case delivered(MQTTDelivery)
    /// A message was not passed on, because it is longer than `maximumPacket`.
    case tooLong(topic: String, bytes: Int64)
    /// The broker answered a publication. `token` is what `publish` returned.
    case acknowledged(token: Int32, PublishOutcome)
    /// The broker answered a `subscribe`. In MQTT 3.1.1, and where an ACL denies reading, "granted" proves little.
    case subscribed(granted: [String], refused: [SubscriptionRefusal])
    /// There was no room for another publication, and now there is.
    case roomAgain
    /// The end of `stop`: nothing comes after it.
    case stopped
}

/// What the broker made of a publication.
package enum PublishOutcome: Sendable, Equatable {
    /// Taken. In MQTT 3.1.1 it proves nothing, not even permission.
    case accepted
    /// Taken, and no client is subscribed (MQTT 5, PUBACK 0x10). A broker need not say so.
    case nobody
    /// Not taken (PUBACK 0x80 and up).
    case refused(code: UInt8, reason: String)
}

/// A topic that may not be subscribed to, and why.
package struct SubscriptionRefusal: Sendable, Equatable {
    package let topic: String
    /// The broker's reason code, 0x80 and up. A topic that is no valid filter, never asked for, has 0x8F.
    package let code: UInt8
    package let reason: String

    package init(topic: String, code: UInt8, reason: String) {
        self.topic = topic
        self.code = code
        self.reason = reason
    }
}
