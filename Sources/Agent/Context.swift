import DIMP
import Records

/// What every machine of the agent works with while it handles one input: the time, the configuration, the books, and what
/// it says back. Machines keep their own state for themselves; what they share is here and nowhere else.
struct Context {
    /// When the present input happened. `Messenger.handle` sets it before anything else.
    var now = Moment(wall: 0, isClockSet: false, lived: 0)
    var policy: Policy
    let ledger: any Ledger
    let book: any AddressBook
    let random: @Sendable () -> UInt64
    /// What this program says that it is, to a contact that pings.
    var agent = "culver"
    /// Compares a text with a pattern of a configuration.
    let matches: @Sendable (_ pattern: String, _ text: String) -> Bool
    var counts = Counts()
    /// Rejections that were counted and not told yet.
    var refusals = RefusalLog()

    /// Of each shipment that ended since the last call of `takeEnded`, one row.
    private var ended: [Outgoing] = []
    private var answers: [Effect] = []
    /// Answers about messages of pipes, and rows of pipes that ended otherwise than delivered, since they were last taken.
    private var pipeAnswers: [(token: UInt64, answer: Answer)] = []
    private var lostOfPipes: [Outgoing] = []
    private var effects: [Effect] = []

    init(
        policy: Policy, ledger: any Ledger, book: any AddressBook, random: @escaping @Sendable () -> UInt64,
        matches: @escaping @Sendable (_ pattern: String, _ text: String) -> Bool = { _, _ in false }
    ) {
        self.policy = policy
        self.ledger = ledger
        self.book = book
        self.random = random
        self.matches = matches
    }

    // MARK: - What is said back

    /// An answer stands before every other effect of its turn: save, answer, publish.
    mutating func answer(_ token: UInt64, with answer: Answer) {
        guard !Pipes.tokens.contains(token) else { return pipeAnswers.append((token, answer)) }
        answers.append(.answer(token, answer))
    }

    mutating func refuse(_ token: UInt64, as kind: Refusal.Kind, reason: String, text: String) {
        answer(token, with: .refused(Refusal(kind, reason, text)))
    }

    mutating func perform(_ effect: Effect) {
        if case .changed(let row) = effect, row.state.isEnd, row.state != .delivered, Pipes.owns(row) {
            lostOfPipes.append(row)
        }
        effects.append(effect)
    }

    /// With this row its shipment has ended, and gives room to others for its receiver.
    mutating func end(_ row: Outgoing) {
        ended.append(row)
    }

    mutating func takeEnded() -> [Outgoing] {
        defer { ended = [] }
        return ended
    }

    mutating func takePipeAnswers() -> [(token: UInt64, answer: Answer)] {
        defer { pipeAnswers = [] }
        return pipeAnswers
    }

    mutating func takeLostOfPipes() -> [Outgoing] {
        defer { lostOfPipes = [] }
        return lostOfPipes
    }

    /// Everything that was said since the last call, answers first.
    mutating func takeEffects() -> [Effect] {
        defer {
            answers = []
            effects = []
        }
        return answers + effects
    }

    /// Writes an event.
    func note(
        _ kind: EventRecord.Kind, level: EventRecord.Level, text: String, did: ID? = nil, broker: String? = nil,
        id: String? = nil, reason: String? = nil, count: Int64 = 1
    ) throws(LedgerError) {
        try ledger.apply(
            .event(
                EventRecord(
                    time: recordedTime, kind: kind, level: level, did: did, broker: broker, id: id, reason: reason,
                    count: count, text: text)))
    }

    /// A peer's fault: counted, one debug line, and at most one event a minute for each reason.
    mutating func reject(_ rejection: Rejection, from sender: ID?) throws(LedgerError) {
        perform(.rejected(rejection, sender: sender?.text))
        counts.rejected[rejection.stage, default: 0] += 1
        if refusals.count(rejection, of: sender, lived: now.lived) {
            try tell(rejection, of: sender, count: 1)
        }
    }

    /// Tells of the rejections that were counted for a minute.
    mutating func tellRefusals() throws(LedgerError) {
        for (rejection, sender, count) in refusals.takeOverdue(lived: now.lived) where count > 0 {
            try tell(rejection, of: sender, count: count)
        }
    }

    private func tell(_ rejection: Rejection, of sender: ID?, count: Int64) throws(LedgerError) {
        try note(
            .refused, level: .debug, text: "refused at \(rejection.stage.rawValue): \(rejection.reason)", did: sender,
            reason: rejection.stage.rawValue, count: count)
    }

    // MARK: - Time and chance

    /// The time as it is written down: 0 while the clock is unset.
    var recordedTime: Double { now.isClockSet ? now.wall : 0 }

    /// 16 characters of `[0-9a-z]`.
    func newID() -> String { Self.characters(of: random(), random()) }

    /// The same, half of it the time, so that one message's place in the ledger is beside the last one's, and that a
    /// message is found by its time.
    func newMessageID() -> String {
        Self.characters(of: UInt64(exactly: max(0, now.wall * 1000).rounded(.down)) ?? 0, random())
    }

    /// Where the names of messages of that second stand, in seconds since 1970; `nil` for a time that eight digits do
    /// not hold.
    static func messageIDs(inSecond time: Double) -> Range<String>? {
        let second = time.rounded(.down)
        guard second >= 0, second < 2_821_109_906, let first = UInt64(exactly: second * 1000) else { return nil }
        return characters(of: first)..<characters(of: first + 1000)
    }

    /// 1 to 2^31-1, as every era takes it.
    func newSN() -> Int64 { Int64(random() % 0x7FFF_FFFF) + 1 }

    /// The last eight digits of each, to the base of 36.
    private static func characters(of numbers: UInt64...) -> String {
        var digits = [UInt8](repeating: 0, count: 8 * numbers.count)
        for (index, number) in numbers.enumerated() {
            var value = number
            for place in (8 * index..<8 * index + 8).reversed() {
                let digit = UInt8(value % 36)
                digits[place] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
                value /= 36
            }
        }
        return String(decoding: digits, as: UTF8.self)
    }
}
