import Records
import Store
import System
import Transport

/// What the store has of one broker from earlier starts. To be read in a turn.
struct BrokerMemory: Sendable {
    /// How many starts in a row ended soon after connecting.
    var starts = 0
    /// `ClientIDs.text`.
    var clientIDs: String?
    /// `text(of:at:)`.
    var knowledge: String?

    init() {}

    init(of broker: String, in store: some ValueLedger) throws(LedgerError) {
        starts = try store.value(.quickEnds(broker: broker)).flatMap { Int($0) } ?? 0
        clientIDs = try store.value(.clientIDs(broker: broker))
        knowledge = try store.value(.knowledge(broker: broker))
    }

    /// Two starts ended soon after connecting. What did that may have been in the session, or in an answer that
    /// libmosquitto takes amiss only in MQTT 5: so neither is wanted for now, the latter for a day.
    mutating func beginAnew(at address: BrokerAddress, wall: Double) {
        starts = 0
        var known = knowledge(of: address, at: wall)
        known.olderUntil = KernelClock.boottime.now + 86_400
        knowledge = Self.text(of: known, at: address, wall: wall)
    }

    /// What was learnt of the broker at this address; nothing if another was meant.
    ///
    /// - Parameter wall: now, in seconds since 1970.
    func knowledge(of address: BrokerAddress, at wall: Double) -> BrokerKnowledge {
        let words = (knowledge ?? "").split(separator: " ")
        var known = BrokerKnowledge()
        guard words.count == 4, words[0] == address.description else { return known }
        // A clock that went back makes nothing last longer than it was meant to.
        func until(_ word: Substring) -> Double? {
            Double(word).map { KernelClock.boottime.now + min(max(0, $0 - wall), 86_400) }
        }
        known.speaksFive = words[1] == "5"
        known.olderUntil = until(words[2])
        known.willLeftOutUntil = until(words[3])
        return known
    }

    /// As it is written down: the address, whether it speaks MQTT 5, and until when, in seconds since 1970, MQTT 5 and the
    /// will are not offered.
    static func text(of known: BrokerKnowledge, at address: BrokerAddress, wall: Double) -> String {
        func time(_ until: Double?) -> String {
            until.map { String(Int64(wall + $0 - KernelClock.boottime.now)) } ?? "-"
        }
        return "\(address) \(known.speaksFive ? "5" : "-") \(time(known.olderUntil)) \(time(known.willLeftOutUntil))"
    }
}
