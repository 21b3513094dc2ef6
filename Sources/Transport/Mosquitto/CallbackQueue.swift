import Format

/// Where libmosquitto's callbacks write.
///
/// It outlives the handle that writes into it and is used by one thread at a time: by the pool while the handle dials,
/// by the main queue before and after.
final class CallbackQueue {
    private var events: [CallbackEvent] = []
    /// What OpenSSL complained about, the first, hence the cause, first.
    private(set) var faults: [String] = []
    /// Why the broker's certificate was not believed, as OpenSSL says while it still has the connection.
    private(set) var distrust: String?
    /// What libmosquitto itself complained about.
    private(set) var complaint: String?
    /// The broker's certificate is good, but for another name.
    private(set) var isWrongName = false
    /// Messages not passed on: an invalid topic, or longer than `maximumPacket`.
    private(set) var dropped: Int64 = 0
    let maximumPacket: Int

    init(maximumPacket: UInt32) {
        self.maximumPacket = Int(clamping: maximumPacket)
    }

    /// Bytes of the messages that wait here.
    private(set) var weight = 0

    func note(_ event: CallbackEvent) {
        if case .message(let message) = event { weight += message.payload.count }
        events.append(event)
    }

    func drop() { dropped += 1 }

    /// `OpenSSL Error[0]: error:0A000086:SSL routines::certificate verify failed`: the part after the last colon.
    /// `distrust`: asked for when a certificate was refused.
    func note(log line: String, distrust: () -> String?) {
        if line.utf8.has("host name verification failed") { isWrongName = true }
        if complaint == nil, line.hasPrefix("Error: ") { complaint = String(line.dropFirst(7)) }
        guard line.hasPrefix("OpenSSL Error"), faults.count < 8 else { return }
        let words = line.split(separator: ":").last.map(String.init) ?? line
        if self.distrust == nil, words.utf8.has("certificate verify failed") { self.distrust = distrust() }
        faults.append(words)
    }

    func take() -> [CallbackEvent] {
        defer {
            events.removeAll(keepingCapacity: true)
            weight = 0
        }
        return events
    }
}

/// What libmosquitto told in a callback, kept until it has returned from the call in which it happened.
enum CallbackEvent {
    /// CONNACK. `code` is the broker's; libmosquitto shows every refusal of the version as 0x84.
    case answered(code: UInt8, Greeting)
    case message(MQTTDelivery)
    case tooLong(topic: String, bytes: Int64)
    case acknowledged(token: Int32, code: UInt8)
    case subscribed(token: Int32, codes: [UInt8])
    /// The connection is over: a reason code of MQTT 5 if the broker sent DISCONNECT, or libmosquitto's own.
    case over(code: Int32)
}
