/// The two versions of MQTT that we speak.
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
