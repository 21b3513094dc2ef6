import DIMP

/// Finds the publications over which one broker ends the connection, as brokers do where a message is larger than they
/// take or a topic may not be written. Such a broker says nothing, so each publication that is under way when a connection
/// ends may be the one; sent again together they would end every connection that follows.
///
///     at ease ──two connections soon lost──▶ careful: one publication at a time
///        ▲                                      │  lost with one alone under way: that one is set aside, for
///        └── 64 acknowledged, or ten minutes ───┘  a minute first, then for ten, then for an hour each time
///
/// What is under way for long when a connection ends is no culprit: the line was dead.
struct Culprits {
    /// What makes a publication the same when it is tried again.
    enum Suspect: Hashable {
        case message(String)
        /// Anything else that goes to a topic.
        case topic(Topic)
    }

    /// A publication that is set aside.
    struct Offence {
        var suspect: Suspect
        var topic: Topic
        var bytes: Int
        var losses = 1
        /// In seconds lived.
        var until: Double
    }

    private var offences: [Suspect: Offence] = [:]
    /// One publication at a time.
    private(set) var isCareful = false
    /// Connections in a row that ended soon and with something under way.
    private var losses = 0
    /// When the present connection began, in seconds lived.
    private var began = 0.0
    /// Publications that the broker answered since the last loss.
    private var answers = 0
    private var largestAnswered = 0

    mutating func connected(at lived: Double) { began = lived }

    /// A known culprit is tried again: with nothing beside it that could be blamed.
    mutating func tried(_ suspect: Suspect) {
        if offences[suspect] != nil { isCareful = true }
    }

    mutating func answered(_ suspect: Suspect, bytes: Int) {
        offences[suspect] = nil
        largestAnswered = max(largestAnswered, bytes)
        answers += 1
        if answers >= Tuning.answersToEase { (isCareful, losses) = (false, 0) }
    }

    /// The connection ended. Returns what is set aside for it. `underway`: what had no answer.
    mutating func lost(_ underway: [Underway], at lived: Double) -> Offence? {
        defer { answers = 0 }
        let isSoon = lived < began + Tuning.soonLost
        let isKnown = underway.contains { offences[$0.suspect] != nil }
        if lived >= began + Tuning.longLived, !isKnown { isCareful = false }
        guard underway.contains(where: { lived < $0.sent + Tuning.promptEnd }) else {
            losses = 0
            return nil
        }
        losses = isSoon ? losses + 1 : 1
        defer { if losses >= 2 { isCareful = true } }
        guard isCareful, underway.count == 1, let only = underway.first else { return nil }
        let known = offences[only.suspect]
        guard isSoon || known != nil else { return nil }
        let count = (known?.losses ?? 0) + 1
        let pause = Tuning.culpritPauses[min(count, Tuning.culpritPauses.count) - 1]
        let offence = Offence(
            suspect: only.suspect, topic: only.publication.topic, bytes: only.bytes, losses: count,
            until: lived + pause)
        if offences.count >= Tuning.rememberedCulprits,
            let oldest = offences.values.min(by: { $0.until < $1.until })
        {
            offences[oldest.suspect] = nil
        }
        offences[only.suspect] = offence
        return offence
    }

    /// Until when this is set aside: itself, as another of a topic that proved closed, or as larger than what proved too
    /// large.
    func barred(_ suspect: Suspect, topic: Topic, bytes: Int, at lived: Double) -> Double? {
        if offences.isEmpty { return nil }
        let active = offences.values.filter { lived < $0.until }
        let onTopic = active.filter { $0.topic == topic }
        let reasons = active.filter { offence in
            offence.suspect == suspect || offence.topic == topic && onTopic.count > 1
                || isAboutSize(offence) && offence.bytes <= bytes
        }
        return reasons.map(\.until).max()
    }

    /// The least that proved too large; `nil` when nothing did.
    func tooLarge(at lived: Double) -> Int? {
        offences.values.filter { lived < $0.until && isAboutSize($0) }.map(\.bytes).min()
    }

    private func isAboutSize(_ offence: Offence) -> Bool {
        offence.bytes >= Tuning.leastTooLarge && offence.bytes > largestAnswered
    }
}

/// What a broker has not answered yet.
struct Underway {
    /// Without its payload.
    var publication: PendingPublication
    var bytes: Int
    /// In seconds lived.
    var sent: Double

    var suspect: Culprits.Suspect { publication.suspect }
}
