/// The link to one broker: it dials, keeps the connection, and dials again, until it is stopped.
///
/// What brokers need of a transport, whatever carries it. `MosquittoLink` is the product's; the tests have a second one
/// in memory, and the link contract (`LinkContractTests`) holds for both.
///
/// A link owns no message: what is unacknowledged when a connection ends was perhaps taken and perhaps not, and its
/// publisher decides what becomes of it. Subscriptions are not remembered either; the owner renews them on every
/// `.connected`. Events come on the main queue, never from inside a call of the owner's, and the owner may call the
/// link from inside an event. A started link keeps itself alive until it has said `.stopped`.
///
///     idle ──start──▶ dialling ──▶ open ──accepted──▶ connected
///                        ▲           │                    │
///                        └──waiting◀─┴────────────────────┘
@MainActor
package protocol Link: AnyObject {
    var isConnected: Bool { get }

    /// What the broker has granted to this connection; `nil` while not connected.
    var greeting: Greeting? { get }

    /// How many more publications may be unacknowledged; 0 while not connected or stopping.
    var room: Int { get }

    /// Messages that were not passed on: longer than `maximumPacket`, or on a topic that is not valid.
    var dropped: Int64 { get }

    /// Begins to dial. The result comes as events. Without effect while started, or stopping.
    func start()

    /// Ends cleanly: publishes `last`, takes the will back, hangs up; ends with `.stopped` in `farewellWithin` seconds
    /// at the most. Messages may arrive until then. A stopped link may be started again.
    func stop(publishing last: [MQTTPublication])

    /// Publishes with QoS 1. Nothing is queued here: what is thrown back is still the caller's.
    ///
    /// - Parameter expiry: seconds after which the broker may forget it (MQTT 5; without meaning in 3.1.1).
    /// - Returns: the token that `.acknowledged` will name. It is good for this connection only.
    /// - Throws: `.notNow` unless connected with room; `.refused` for what this broker will never take.
    func publish(topic: String, payload: [UInt8], retain: Bool, expiry: UInt32?) throws(TransportError) -> Int32

    /// Asks for topics with QoS 1; answered by one `.subscribed` or several. Without effect while not connected.
    func subscribe(_ topics: [String])

    /// Without effect while not connected.
    func unsubscribe(_ topics: [String])

    /// Reads nothing until `resumeReading`, so that the broker is held back; a few messages already read may still
    /// come. Not for long: acknowledgements are not seen either, and after one to two keep-alives the connection ends.
    /// The next is then dialled when reading goes on.
    func suspendReading()

    func resumeReading()

    /// Writes nothing until `resumeWriting`, not even acknowledgements of what came; for a link of a bridge, and not for
    /// long. A link that is stopped meanwhile says nothing more, and the broker shows again what has no acknowledgement.
    func suspendWriting()

    func resumeWriting()
}

extension Link {
    package func stop() { stop(publishing: []) }

    package func publish(topic: String, payload: [UInt8], retain: Bool) throws(TransportError) -> Int32 {
        try publish(topic: topic, payload: payload, retain: retain, expiry: nil)
    }
}

/// Makes a link to the broker of these options, not started; the events go to the closure.
package typealias LinkMaker = @MainActor (BrokerOptions, @escaping @MainActor (LinkEvent) -> Void) -> any Link

/// Why the transport would not do what it was asked.
package enum TransportError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Not connected, or too many publications are unacknowledged: ask again on `.connected` or `.roomAgain`.
    case notNow
    /// It can never be done like this; the words say why.
    case refused(String)

    package var description: String {
        switch self {
        case .notNow: "the broker cannot take it now"
        case .refused(let reason): reason
        }
    }
}
