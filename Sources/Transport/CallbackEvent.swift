/// What libmosquitto called us back about, kept until it has returned from the call in which it happened.
enum CallbackEvent {
    /// CONNACK. `code` is the broker's; libmosquitto shows every refusal of the version as 0x84.
    case answered(code: UInt8, Greeting)
    case message(topic: String, payload: [UInt8], retained: Bool)
    case acknowledged(token: Int32, code: UInt8)
    case subscribed(token: Int32, codes: [UInt8])
    /// The connection is over: a reason code of MQTT 5 if the broker sent DISCONNECT, or libmosquitto's own.
    case over(code: Int32)
}

/// What a CONNACK says besides yes or no.
struct Greeting {
    var sessionPresent = false
    var keepAlive: UInt16?
    var receiveMaximum: UInt16?
    var keepsRetained = true
}
