package import DIMP
import Format
import Records

/// Two boards with a copy of one state directory notice each other by what they state on their common topics, and one
/// of them stands back (extensions.md 1). So does a board whose state directory came back from a backup notice that.
///
/// A statement of ours that names another start is, by the time `at` at which that start began (then by its `boot`):
///
///     older than our last start      our own, left over or shown again: put right, no more
///     between our last start and     of a start that our books do not know: they are a copy, ours or somebody
///       this one                     else's. We number anew, so that no number is used twice
///     newer than this start          another board has our keys now: an event, and an answer that names its start
///
/// Who started later stands back, and only when an older start answers it by name: such an answer cannot be an old
/// one that the broker kept, so nobody silences a board without its keys. A take-over of the client id proves nothing.
///
/// A board that stands back leaves its brokers, so that nobody fights for the client id and what is for the other is
/// not receipted here. It refuses to send; what it has accepted stays in the outbox. A new start asks again.
extension Messenger {
    /// One run of the daemon. `at` and `last`: when this one and the one before began, in seconds since 1970.
    struct Start {
        var boot: String
        var at: Double
        var last: Double
    }

    /// The older start of another board for which we stand back.
    package struct Twin: Sendable, Equatable {
        package var did: ID
        /// When it began, in seconds since 1970.
        package var at: Double
    }

    /// A newer start of another board, and when it was answered, by broker, in seconds lived.
    struct Newcomer {
        var boot: String
        var answered: [String: Double]
    }

    /// The books are a copy of what they were on disk elsewhere or before: numbers that were used since are not known
    /// here, so numbering begins anew, and what did not come to these books is no gap.
    mutating func numberAnew(_ now: Moment) throws(LedgerError) {
        try ledger.apply(.forgetValues(prefix: "stream "))
        try ledger.apply(.forgetValues(prefix: "window "))
        holes = [:]
        try note(
            .start, .info, "the state directory is a copy or came back from a backup: messages are numbered anew",
            reason: "restored", now)
    }

    /// What a broker shows on the topic `state` of one of ours.
    mutating func inspectState(
        _ address: Address, _ bytes: [UInt8], _ broker: String, _ now: Moment
    ) throws(LedgerError) {
        guard let start, rooms[broker] != nil, let identity = book.identity(address) else { return }
        let isOurPlace = book.identities.first?.id.address == address
        let shelf = RetainedTopic(place: .state(address), broker: broker)
        guard bytes.count <= policy.directorySize, publicBudget.take(at: now.lived),
            let statement = Statement(bytes, by: identity)
        else {
            if isOurPlace { wantState(shelf, now) }
            return
        }
        if statement.boot == start.boot {
            if statement.isOnline {
                repairs[shelf]?.isDue = false
            } else if isOurPlace {
                wantState(shelf, now)
            }
            return
        }
        if (statement.at, statement.boot) > (start.at, start.boot) {
            try answer(statement, of: identity.id, shelf, now)
        } else if statement.answers == start.boot {
            return try standBack(for: statement, of: identity.id, now)
        } else if statement.at > start.last {
            self.start?.last = statement.at
            try numberAnew(now)
        }
        if isOurPlace { wantState(shelf, now) }
    }

    /// Stated again in a minute, and more seldom when that goes on.
    private mutating func wantState(_ shelf: RetainedTopic, _ now: Moment) {
        var repair = repairs[shelf] ?? Repair(last: now.lived, pause: 60, isDue: true)
        if now.lived >= repair.last + 3600 { repair.pause = 60 }
        repair.isDue = true
        repairs[shelf] = repair
    }

    /// An event once for each start, an answer at most once in 10 s.
    private mutating func answer(
        _ statement: Statement, of id: ID, _ shelf: RetainedTopic, _ now: Moment
    ) throws(LedgerError) {
        if !newcomers.contains(where: { $0.boot == statement.boot }) {
            counts.otherBoards += 1
            newcomers = newcomers.suffix(15) + [Newcomer(boot: statement.boot, answered: [:])]
            try note(
                .clone, .warning,
                "another board has the keys of \(id): it started later and is asked to stand back; retire one of them",
                did: id, reason: "cloned-card", now)
        }
        guard let index = newcomers.firstIndex(where: { $0.boot == statement.boot }),
            now.lived >= newcomers[index].answered[shelf.broker] ?? -.infinity
        else { return }
        newcomers[index].answered[shelf.broker] = now.lived + 10
        effects.append(.state(id.address, broker: shelf.broker, answering: statement.boot))
    }

    private mutating func standBack(for statement: Statement, of id: ID, _ now: Moment) throws(LedgerError) {
        guard twin == nil else { return }
        twin = Twin(did: id, at: statement.at)
        counts.otherBoards += 1
        let brokers = rooms.keys.sorted()
        rooms = [:]
        for broker in brokers { try unlink(broker, now) }
        try note(
            .clone, .error,
            "another board has the keys of \(id) and started earlier: this one stands back, it sends and takes nothing "
                + "until it is started again",
            did: id, reason: "standing-back", now)
        effects.append(.standBack)
    }
}
