import DIMP

/// Messages of strangers for which the budgets have no room now. The broker was told that they were taken, and not every
/// sender repeats: so they wait, in the order of their sender, and as long as many do, the brokers are not read from.
///
/// Known limits: while strangers hold the brokers back, contacts wait, too. So that a flood cannot do that for ever, it does
/// for a minute; for some time after that what finds no room here is dropped.
struct Throttle {
    private var messages: [HeldMessage] = []
    private var senders: [Address: Int] = [:]
    private var bytes = 0
    /// Since when something has been waiting, in seconds lived.
    private var since = 0.0
    /// When they are looked at next, in seconds lived.
    private var next = 0.0
    /// They held the brokers back for too long: until then, in seconds lived, and while something waits, they do not.
    private var readingUntil: Double?

    /// Waiting messages and their bytes, as far as the brokers are held back for them.
    var heldBack: (count: Int, bytes: Int) { readingUntil == nil ? (messages.count, bytes) : (0, 0) }

    var isEmpty: Bool { messages.isEmpty }

    /// Whether one of this sender waits: what comes after it keeps behind.
    func holds(_ sender: Address) -> Bool { senders[sender] != nil }

    /// False when there is no room.
    mutating func add(_ message: HeldMessage, lived: Double) -> Bool {
        judge(lived)
        if messages.isEmpty { (since, next) = (lived, lived + Tuning.throttlePause) }
        guard messages.count < Tuning.throttledMessages,
            bytes + message.arrival.wire.count <= Tuning.throttledBytes
        else { return false }
        messages.append(message)
        senders[message.arrival.sender.address, default: 0] += 1
        bytes += message.arrival.wire.count
        return true
    }

    /// Takes those out that `isFree` lets go on: of each sender in order, and not too many at a time.
    mutating func release(lived: Double, where isFree: (HeldMessage) -> Bool) -> [HeldMessage] {
        guard !messages.isEmpty, lived >= next else { return [] }
        judge(lived)
        var released: [HeldMessage] = []
        var waiting: [HeldMessage] = []
        var stopped: Set<Address> = []
        for message in messages {
            let sender = message.arrival.sender.address
            guard released.count < Tuning.releasedStrangers, !stopped.contains(sender), isFree(message) else {
                stopped.insert(sender)
                waiting.append(message)
                continue
            }
            released.append(message)
            bytes -= message.arrival.wire.count
            senders[sender] = senders[sender].flatMap { $0 > 1 ? $0 - 1 : nil }
        }
        messages = waiting
        next = released.count < Tuning.releasedStrangers ? lived + Tuning.throttlePause : lived
        return released
    }

    private mutating func judge(_ lived: Double) {
        if let until = readingUntil {
            if messages.isEmpty, lived >= until { readingUntil = nil }
        } else if !messages.isEmpty, lived >= since + Tuning.longestThrottling {
            readingUntil = lived + Tuning.pauseOfThrottling
        }
    }

    var nextDue: Double? { messages.isEmpty ? nil : next }
}

/// A message of a stranger that waits for a budget: before its signature is checked, or after that for its key.
struct HeldMessage {
    var arrival: Arrival
    var message: VerifiedMessage?
}
