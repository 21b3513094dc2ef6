/// Which version of MQTT to offer a broker next, learnt from how it answered.
///
/// A broker that says "unsupported version" is believed at once. One that ends the link before any CONNACK may refuse
/// MQTT 5 so, or may just be restarting: it is offered 3.1.1 next, and only if it answers that is it remembered as one
/// that refuses MQTT 5.
///
///     MQTT 5 ──no answer──▶ doubt: 3.1.1 ──answer──▶ 3.1.1 until offered again
///       ▲                        │                        ▲
///       └──────no answer─────────┘        refused ────────┘
struct VersionNegotiation {
    private enum Knowledge {
        case none
        case doubt
        case refuses(since: Double)
    }

    /// Seconds after which MQTT 5 is offered again.
    let offerAgainAfter: Double
    private var knowledge = Knowledge.none

    init(offerAgainAfter: Double) {
        self.offerAgainAfter = offerAgainAfter
    }

    func version(at now: Double) -> MQTTVersion {
        switch knowledge {
        case .none: .v5
        case .doubt: .v311
        case .refuses(let since): now - since < offerAgainAfter ? .v311 : .v5
        }
    }

    /// The broker said that it does not speak `version`.
    mutating func refused(_ version: MQTTVersion, at now: Double) {
        knowledge = version == .v5 ? .refuses(since: now) : .none
    }

    /// The link ended, after `version` was offered and before any answer.
    mutating func unanswered(_ version: MQTTVersion) {
        switch (version, knowledge) {
        case (.v5, _): knowledge = .doubt
        case (.v311, .doubt): knowledge = .none
        case (.v311, _): break
        }
    }

    /// The broker answered `version`, be it with yes or with no.
    mutating func answered(_ version: MQTTVersion, at now: Double) {
        switch (version, knowledge) {
        case (.v5, _): knowledge = .none
        case (.v311, .doubt): knowledge = .refuses(since: now)
        case (.v311, _): break
        }
    }
}
