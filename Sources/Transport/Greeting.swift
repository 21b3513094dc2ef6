/// What a broker's CONNACK says besides yes or no. In MQTT 3.1.1 it says nothing but whether there was a session.
package struct Greeting: Sendable, Equatable {
    /// The broker had kept a session for the client id.
    var sessionPresent: Bool
    /// Seconds that the broker wants in the place of the link's.
    var keepAlive: UInt16?
    /// Seconds that the broker keeps the session after the connection has ended, if they are others than the link asked
    /// for.
    package var sessionExpiry: UInt32?
    /// How many publications may be unacknowledged; 65535 where it says nothing.
    package var receiveMaximum: UInt16?
    /// Bytes of the longest packet that the broker takes, if it has a limit.
    package var packetLimit: UInt32?
    /// Whether the broker keeps retained messages.
    package var keepsRetained = true

    package init(sessionPresent: Bool = false, packetLimit: UInt32? = nil) {
        self.sessionPresent = sessionPresent
        self.packetLimit = packetLimit
    }

    /// How many publications may be unacknowledged by this connection's MQTT: MQTT 5 has a number for a broker that
    /// says nothing (3.2.2.3.3), 3.1.1 has none.
    func receiveMaximum(in version: MQTTVersion) -> UInt16? { version == .v5 ? receiveMaximum ?? .max : nil }
}
