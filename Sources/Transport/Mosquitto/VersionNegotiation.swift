/// Which version of MQTT to offer a broker next, learnt from how it answered.
///
/// A broker that says "unsupported version" is believed at once. One that ends the link before any CONNACK may refuse
/// MQTT 5 so, or may just be restarting: it is offered 3.1.1 next, and only if it answers that is it remembered as one
/// that refuses MQTT 5. A broker that has answered MQTT 5 before is more likely to hang: it is offered MQTT 5 three times
/// before 3.1.1, and soon again after that.
///
///     MQTT 5 ──no answer──▶ doubt: 3.1.1 ──answer──▶ 3.1.1 until offered again
///       ▲                        │                        ▲
///       └──────no answer─────────┘        refused ────────┘
struct VersionNegotiation {
    private enum Opinion {
        case none
        case doubt
        case refuses(until: Double)
    }

    /// Seconds after which MQTT 5 is offered again.
    let offerAgainAfter: Double
    /// The same for a broker that has answered MQTT 5 before.
    static let offerSoonAfter = 600.0
    private static let patience = 3
    private var opinion = Opinion.none
    private(set) var speaksFive = false
    /// How often in a row MQTT 5 had no answer.
    private var silences = 0

    init(offerAgainAfter: Double, knowing knowledge: BrokerKnowledge = BrokerKnowledge()) {
        self.offerAgainAfter = offerAgainAfter
        speaksFive = knowledge.speaksFive
        if let until = knowledge.olderUntil { opinion = .refuses(until: until) }
    }

    /// Until when MQTT 5 is not offered; `nil` when it is.
    var olderUntil: Double? { if case .refuses(let until) = opinion { until } else { nil } }

    func version(at now: Double) -> MQTTVersion {
        switch opinion {
        case .none: .v5
        case .doubt: .v311
        case .refuses(let until): now < until ? .v311 : .v5
        }
    }

    /// The broker said that it does not speak `version`.
    mutating func refused(_ version: MQTTVersion, at now: Double) {
        opinion = version == .v5 ? .refuses(until: now + offerAgainAfter) : .none
        if version == .v5 { speaksFive = false }
    }

    /// The link ended, after `version` was offered and before any answer.
    mutating func unanswered(_ version: MQTTVersion) {
        switch (version, opinion) {
        case (.v5, _):
            silences += 1
            opinion = speaksFive && silences < Self.patience ? .none : .doubt
        case (.v311, .doubt):
            opinion = .none
            silences = 0
        case (.v311, _): break
        }
    }

    /// The broker answered `version`, be it with yes or with no.
    mutating func answered(_ version: MQTTVersion, at now: Double) {
        silences = 0
        switch (version, opinion) {
        case (.v5, _):
            opinion = .none
            speaksFive = true
        case (.v311, .doubt):
            opinion = .refuses(until: now + (speaksFive ? min(Self.offerSoonAfter, offerAgainAfter) : offerAgainAfter))
        case (.v311, _): break
        }
    }
}
