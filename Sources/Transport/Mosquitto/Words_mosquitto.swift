import CMosquitto
import Glibc

/// libmosquitto's own word for a return code, without capital and full stop.
func words(_ code: Int32) -> String { plain(mosquitto_strerror(code)) }

/// MQTT 5's word for a reason code.
func words(reason code: UInt8) -> String { plain(mosquitto_reason_string(Int32(code))) }

/// MQTT 3.1.1's word for the code of a refusing CONNACK.
func words(connack code: UInt8) -> String {
    switch code {
    case 1: "it does not speak this version of MQTT"
    case 2: "it does not accept the client id"
    case 3: "it is not available"
    case 4: "wrong user or password"
    case 5: "not authorised"
    default: "code \(code)"
    }
}

func words(resolver code: Int32) -> String { plain(gai_strerror(code)) }

private func plain(_ text: UnsafePointer<CChar>?) -> String {
    guard let text else { return "unknown" }
    let sentence = String(cString: text)
    let words = sentence.hasSuffix(".") ? sentence.dropLast() : sentence[...]
    return words.prefix(1).lowercased() + words.dropFirst()
}
