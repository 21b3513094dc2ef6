/// Whether to offer a broker our will, learnt from how it answered. The will is a hint for others, and no broker that
/// refuses it is to be lost for it.
///
/// Some say what they mean ("retain not supported"). Others deny the topic of the will, and say "not authorised" as they
/// would to a wrong password; or they end the link without a word. Then the next attempts go without a will, and only if
/// one of them is let in is the will left out from then on.
///
///     offered ──denied, or twice silent──▶ doubt: without ──let in──▶ left out until offered again
///        ▲                                       │                          ▲
///        └────────────not let in either──────────┘      said so ────────────┘
struct WillNegotiation {
    private enum Offer {
        case offered
        /// So many attempts go without it.
        case doubt(attempts: Int)
        case leftOut(until: Double)
    }

    /// Seconds after which it is offered again.
    let offerAgainAfter: Double
    private var offer = Offer.offered
    private var silences = 0

    init(offerAgainAfter: Double, knowing knowledge: BrokerKnowledge = BrokerKnowledge()) {
        self.offerAgainAfter = offerAgainAfter
        if let until = knowledge.willLeftOutUntil { offer = .leftOut(until: until) }
    }

    var leftOutUntil: Double? { if case .leftOut(let until) = offer { until } else { nil } }

    func isOffered(at now: Double) -> Bool {
        switch offer {
        case .offered: true
        case .doubt: false
        case .leftOut(let until): now >= until
        }
    }

    /// CONNACK said no. `code`: of MQTT 5, or of 3.1.1 where it is below 0x80.
    mutating func refused(_ code: UInt8, withWill: Bool, at now: Double) {
        silences = 0
        guard withWill else { return goOn() }
        switch code {
        // Retain, or QoS 1, is not supported: what a broker says only of a will.
        case 0x9a, 0x9b: offer = .leftOut(until: now + offerAgainAfter)
        // Unspecified, implementation specific, not authorised (5 in 3.1.1), topic name invalid, packet too large,
        // quota exceeded, payload format invalid: of the will, or of the link.
        case 0x80, 0x83, 0x87, 5, 0x90, 0x95, 0x97, 0x99: offer = .doubt(attempts: 1)
        default: break
        }
    }

    /// The link ended before any answer. Twice, because MQTT 5 may have been the reason once.
    mutating func unanswered(withWill: Bool) {
        guard withWill else { return goOn() }
        silences += 1
        if silences >= 2 { (offer, silences) = (.doubt(attempts: 2), 0) }
    }

    /// The link was let in.
    mutating func accepted(withWill: Bool, at now: Double) {
        silences = 0
        if withWill {
            offer = .offered
        } else if case .doubt(let attempts) = offer {
            // After a mere silence it may have been by chance.
            offer = .leftOut(until: now + (attempts > 1 ? min(offerAgainAfter, Self.offerSoonAfter) : offerAgainAfter))
        }
    }

    private static let offerSoonAfter = 600.0

    /// An attempt without it failed as well.
    private mutating func goOn() {
        guard case .doubt(let attempts) = offer else { return }
        offer = attempts > 1 ? .doubt(attempts: attempts - 1) : .offered
    }
}
