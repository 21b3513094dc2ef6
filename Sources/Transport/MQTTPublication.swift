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

/// The message that the broker publishes when the link breaks: one for each connection.
package typealias Will = MQTTPublication

/// A message as a broker showed it to a link of a bridge.
package struct MQTTDelivery: Sendable, Equatable {
    package var topic: String
    package var payload: [UInt8]
    /// 0 to 2.
    package var qos: Int64
    package var isRetained: Bool
    /// The value of the user property `culver` (MQTT 5).
    package var mark: String?

    package init(topic: String, payload: [UInt8], qos: Int64, isRetained: Bool, mark: String? = nil) {
        self.topic = topic
        self.payload = payload
        self.qos = qos
        self.isRetained = isRetained
        self.mark = mark
    }

    /// The name of the user property by which bridges know what bridges published.
    static let property = "culver"
}

/// The two versions of MQTT that a link speaks.
package enum MQTTVersion: Sendable, Equatable, CustomStringConvertible {
    case v311
    case v5

    package var description: String { "MQTT \(number)" }

    package var number: String {
        switch self {
        case .v311: "3.1.1"
        case .v5: "5"
        }
    }
}
