/// What a link tells its owner, always on the main queue and never from inside a call of the owner's.
package enum LinkEvent: Sendable, Equatable {
    /// An attempt begins.
    case connecting
    /// The broker accepted us. Subscriptions and retained topics are now to be renewed; nothing is in flight.
    case connected(version: MQTTVersion, sessionPresent: Bool)
    /// An attempt did not end in a connection; the next begins in `retryIn` seconds.
    case failed(reason: String, retryIn: Double)
    /// The broker says that another client took our client id; `.disconnected` follows.
    case takenOver
    /// A connection ended; whatever was unacknowledged stays so. The next attempt begins in `retryIn` seconds.
    case disconnected(reason: String, retryIn: Double)
    case message(topic: String, payload: [UInt8], retained: Bool)
    /// The broker answered a publication. `token` is what `publish` returned.
    case acknowledged(token: Int32, PublishOutcome)
    /// The broker answered a `subscribe`. In MQTT 3.1.1, and where an ACL denies reading, "granted" proves little.
    case subscribed(granted: [String], refused: [SubscriptionRefusal])
    /// There was no room for another publication, and now there is.
    case roomAgain
    /// The end of `stop`: nothing comes after it.
    case stopped
}
