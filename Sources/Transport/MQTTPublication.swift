/// A message ready to be published: the will, and the last words of a clean end.
package struct MQTTPublication: Sendable, Equatable {
    package var topic: String
    package var payload: [UInt8]
    package var retain: Bool
    package var qos: Int32

    package init(topic: String, payload: [UInt8], retain: Bool = true, qos: Int32 = 1) {
        self.topic = topic
        self.payload = payload
        self.retain = retain
        self.qos = qos
    }
}

/// What the broker publishes for us when the link breaks (one per connection).
package typealias Will = MQTTPublication
