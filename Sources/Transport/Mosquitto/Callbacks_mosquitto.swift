import CMosquitto
import Glibc

// What libmosquitto calls. Plain functions that know no actor: they only write into the queue, from whatever thread.

/// libmosquitto decides by `errno` whether to go on reading, and would otherwise find what calls of this module left.
private func write(_ object: UnsafeMutableRawPointer?, _ entry: (CallbackQueue) -> Void) {
    guard let object else { return }
    entry(Unmanaged<CallbackQueue>.fromOpaque(object).takeUnretainedValue())
    errno = 0
}

private func greeting(_ flags: Int32, _ properties: OpaquePointer?) -> Greeting {
    var greeting = Greeting(sessionPresent: flags & 1 == 1)
    var (long, word, byte): (UInt32, UInt16, UInt8) = (0, 0, 0)
    if mosquitto_property_read_int16(properties, Int32(MQTT_PROP_SERVER_KEEP_ALIVE.rawValue), &word, false) != nil {
        greeting.keepAlive = word
    }
    if mosquitto_property_read_int16(properties, Int32(MQTT_PROP_RECEIVE_MAXIMUM.rawValue), &word, false) != nil {
        greeting.receiveMaximum = word
    }
    if mosquitto_property_read_int32(properties, Int32(MQTT_PROP_SESSION_EXPIRY_INTERVAL.rawValue), &long, false) != nil
    {
        greeting.sessionExpiry = long
    }
    if mosquitto_property_read_int32(properties, Int32(MQTT_PROP_MAXIMUM_PACKET_SIZE.rawValue), &long, false) != nil {
        greeting.packetLimit = long
    }
    if mosquitto_property_read_byte(properties, Int32(MQTT_PROP_RETAIN_AVAILABLE.rawValue), &byte, false) != nil {
        greeting.keepsRetained = byte != 0
    }
    return greeting
}

/// The first user property of this name; `nil` also for one that is no UTF-8.
private func mark(in properties: OpaquePointer?) -> String? {
    var (place, isFirst) = (properties, true)
    while place != nil {
        var (name, value): (UnsafeMutablePointer<CChar>?, UnsafeMutablePointer<CChar>?)
        place = mosquitto_property_read_string_pair(
            place, Int32(MQTT_PROP_USER_PROPERTY.rawValue), &name, &value, !isFirst)
        isFirst = false
        defer {
            free(name)
            free(value)
        }
        guard place != nil, let name, let value else { return nil }
        if strcmp(name, MQTTDelivery.property) == 0 { return String(validatingCString: value) }
    }
    return nil
}

private func record(_ message: mosquitto_message, mark: String?, in callbacks: CallbackQueue) {
    guard let name = message.topic, let topic = String(validatingCString: name) else { return callbacks.drop() }
    let count = Int(message.payloadlen)
    guard count <= callbacks.maximumPacket else {
        callbacks.drop()
        return callbacks.note(.tooLong(topic: topic, bytes: Int64(count)))
    }
    let payload = [UInt8](UnsafeRawBufferPointer(start: message.payload, count: count))
    callbacks.note(
        .message(
            MQTTDelivery(
                topic: topic, payload: payload, qos: Int64(message.qos), isRetained: message.retain, mark: mark)))
}

extension CallbackQueue {
    /// Has libmosquitto write here from now on. The queue must outlive the handle.
    func follow(_ mosquitto: OpaquePointer) {
        mosquitto_user_data_set(mosquitto, Unmanaged.passUnretained(self).toOpaque())
        mosquitto_connect_v5_callback_set(mosquitto) { _, object, code, flags, properties in
            write(object) { $0.note(.answered(code: UInt8(clamping: code), greeting(flags, properties))) }
        }
        mosquitto_disconnect_v5_callback_set(mosquitto) { _, object, code, _ in
            write(object) { $0.note(.over(code: code)) }
        }
        mosquitto_publish_v5_callback_set(mosquitto) { _, object, token, code, _ in
            write(object) { $0.note(.acknowledged(token: token, code: UInt8(clamping: code))) }
        }
        mosquitto_message_v5_callback_set(mosquitto) { _, object, message, properties in
            write(object) { callbacks in
                guard let message else { return }
                record(message.pointee, mark: mark(in: properties), in: callbacks)
            }
        }
        mosquitto_subscribe_v5_callback_set(mosquitto) { _, object, token, count, codes, _ in
            write(object) {
                // The link never asks for more than 64 at once, whatever the broker answers.
                let codes = UnsafeBufferPointer(start: codes, count: codes == nil ? 0 : min(64, max(0, Int(count))))
                $0.note(.subscribed(token: token, codes: codes.map { UInt8(clamping: $0) }))
            }
        }
        mosquitto_log_callback_set(mosquitto) { mosquitto, object, _, line in
            write(object) { callbacks in
                guard let line else { return }
                callbacks.note(log: String(cString: line)) { TLSFault.distrust(mosquitto_ssl_get(mosquitto)) }
            }
        }
    }

    /// Nothing more is written.
    static func leave(_ mosquitto: OpaquePointer) {
        mosquitto_connect_v5_callback_set(mosquitto, nil)
        mosquitto_disconnect_v5_callback_set(mosquitto, nil)
        mosquitto_publish_v5_callback_set(mosquitto, nil)
        mosquitto_message_v5_callback_set(mosquitto, nil)
        mosquitto_subscribe_v5_callback_set(mosquitto, nil)
        mosquitto_log_callback_set(mosquitto, nil)
        mosquitto_user_data_set(mosquitto, nil)
    }
}
