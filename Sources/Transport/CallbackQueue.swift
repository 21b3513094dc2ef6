import Format

/// Where libmosquitto's callbacks write.
///
/// It outlives the handle that writes into it and is used by one thread at a time: by the pool while the handle dials,
/// by the main queue before and after.
final class CallbackQueue {
    private var happenings: [CallbackEvent] = []
    /// What OpenSSL complained about, the first, hence the cause, first.
    private(set) var faults: [String] = []
    /// What libmosquitto itself complained about.
    private(set) var complaint: String?
    /// The broker's certificate is good, but for another name.
    private(set) var isWrongName = false
    /// Messages not passed on: an invalid topic, or longer than `maximumPacket`.
    private(set) var dropped = 0
    let maximumPacket: Int

    init(maximumPacket: UInt32) {
        self.maximumPacket = Int(maximumPacket)
    }

    func note(_ happening: CallbackEvent) { happenings.append(happening) }

    func drop() { dropped += 1 }

    /// `OpenSSL Error[0]: error:0A000086:SSL routines::certificate verify failed`: the part after the last colon.
    func note(log line: String) {
        if line.utf8.has("host name verification failed") { isWrongName = true }
        if complaint == nil, line.hasPrefix("Error: ") { complaint = String(line.dropFirst(7)) }
        guard line.hasPrefix("OpenSSL Error"), faults.count < 8 else { return }
        let words = line.split(separator: ":").last.map(String.init) ?? line
        faults.append(words)
    }

    func take() -> [CallbackEvent] {
        defer { happenings.removeAll(keepingCapacity: true) }
        return happenings
    }
}
