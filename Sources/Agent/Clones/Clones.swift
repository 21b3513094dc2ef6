package import DIMP
import Records

/// Two boards with a copy of one state directory notice each other by what they state on their common topics, and one of
/// them stands back (extensions.md 1). A board whose state directory came back from a backup notices that, too.
///
/// A statement of ours that names another start is, by the time `at` at which that start began (then by its `boot`):
///
///     older than our last start      our own, left over or shown again: put right, no more
///     between our last start and     of a start that our books do not know: they are a copy, ours or somebody
///       this one                     else's. Numbering begins anew, so that no number is used twice
///     newer than this start          another board has our keys now: an event, and an answer that names its start
///
/// The board that started later stands back, and only when an older start answers it by name: such an answer cannot be an
/// old one that the broker kept, so a board cannot be silenced without its keys. A take-over of the client id proves nothing.
///
/// A board that stands back leaves its brokers, so that the two do not fight for the client id and what is for the other is
/// not receipted here. It refuses to send; what it has accepted stays in the outbox. A new start asks again.
struct Clones {
    private var start: Start?
    /// What is stated on every connection; `nil` without an identity.
    private var presence: Presence?
    private var newerStarts: [NewerStart] = []
    /// The older start of another board for which this one stands back.
    private(set) var olderBoard: OlderBoard?
    /// A statement is checked by a public-key operation, in the pool. Nobody else's messages use up what clones are found with.
    private var operations = Budget(perSecond: Tuning.statementsPerSecond)

    /// One run of the daemon.
    private struct Start {
        /// Random.
        var boot: String
        /// When this run and the one before it began, in seconds since 1970.
        var at: Double
        var last: Double
    }

    /// A newer start of another board.
    private struct NewerStart {
        var boot: String
        /// Until when it is not answered again, in seconds lived, by broker.
        var answeredUntil: [String: Double] = [:]
    }

    var isStandingBack: Bool { olderBoard != nil }

    mutating func begin(boot: String, at: Double, last: Double) {
        start = Start(boot: boot, at: at, last: last)
    }

    mutating func set(_ presence: Presence?) {
        self.presence = presence
    }

    // MARK: - What is stated

    /// Our presence, on a broker that has just come.
    func statePresence(on broker: String, publishing: inout Publishing, in context: inout Context) {
        guard let presence else { return }
        publish(presence.online, of: presence.address, on: broker, publishing: &publishing, in: &context)
    }

    /// Our presence again. With a newer start of another board the statement names that start, so that it stands back.
    func stateAgain(
        at place: OwnCards.RetainedTopic, publishing: inout Publishing, in context: inout Context
    ) {
        let address = place.topic.address
        if let newest = newerStarts.last, let identity = context.book.identity(address) {
            answer(newest.boot, as: identity, on: place.broker, in: &context)
        } else if let presence, presence.address == address {
            publish(presence.online, of: address, on: place.broker, publishing: &publishing, in: &context)
        }
    }

    /// The pool has signed an answer to another start.
    func signed(
        _ signing: StatementSigning, as payload: [UInt8], publishing: inout Publishing, in context: inout Context
    ) {
        publish(payload, of: signing.identity.id.address, on: signing.broker, publishing: &publishing, in: &context)
    }

    private func publish(
        _ payload: [UInt8], of address: Address, on broker: String, publishing: inout Publishing,
        in context: inout Context
    ) {
        publishing.publish(
            PendingPublication(topic: .state(address), payload: payload, purpose: .courtesy, broker: broker),
            in: &context)
    }

    private func answer(_ boot: String, as identity: Identity, on broker: String, in context: inout Context) {
        guard let start else { return }
        context.perform(
            .work(
                Job(
                    lane: "presence",
                    work: .state(
                        StatementSigning(
                            statement: Statement(isOnline: true, at: start.at, boot: start.boot, answers: boot),
                            identity: identity,
                            others: context.book.identities.filter { $0.id.address != identity.id.address },
                            broker: broker)))))
    }

    // MARK: - What is seen

    enum Finding {
        /// Nothing to do, or it is done.
        case nothing
        /// The books are a copy of what they were elsewhere or before.
        case booksAreCopy
        /// Another board with our keys started earlier, and knows of us.
        case standBack
    }

    /// What a broker shows on the topic `state` of one of ours: the pool looks who signed it. `nil` for what is no statement
    /// of ours anyway, and over budget.
    mutating func inspect(
        _ bytes: [UInt8], of address: Address, on broker: String, cards: inout OwnCards, in context: Context
    ) -> Job? {
        guard start != nil, let identity = context.book.identity(address) else { return nil }
        guard bytes.count <= context.policy.directorySize, operations.take(at: context.now.lived) else {
            wantStatement(of: address, on: broker, cards: &cards, in: context)
            return nil
        }
        // One lane for each topic: what stood there last counts.
        return Job(
            lane: "state \(broker) \(address.text)",
            work: .inspect(StatementCheck(bytes: bytes, signer: identity.id, meta: identity.meta, broker: broker)))
    }

    /// Only the first identity's topic is ours to fill.
    private func wantStatement(
        of address: Address, on broker: String, cards: inout OwnCards, in context: Context
    ) {
        guard context.book.identities.first?.id.address == address else { return }
        cards.wantStatement(at: OwnCards.RetainedTopic(topic: .state(address), broker: broker), in: context)
    }

    /// The pool has looked: `nil` when the identity did not sign it.
    mutating func inspected(
        _ check: StatementCheck, as statement: Statement?, cards: inout OwnCards, in context: inout Context
    ) throws(LedgerError) -> Finding {
        let address = check.signer.address
        let broker = check.broker
        guard let start, let identity = context.book.identity(address) else { return .nothing }
        guard let statement else {
            wantStatement(of: address, on: broker, cards: &cards, in: context)
            return .nothing
        }
        if statement.boot == start.boot {
            if statement.isOnline {
                cards.isRight(OwnCards.RetainedTopic(topic: .state(address), broker: broker))
            } else {
                wantStatement(of: address, on: broker, cards: &cards, in: context)
            }
            return .nothing
        }
        var finding = Finding.nothing
        if (statement.at, statement.boot) > (start.at, start.boot) {
            try meet(statement, of: identity, on: broker, in: &context)
        } else if statement.answers == start.boot {
            return try standBack(for: statement, of: identity.id, in: &context) ? .standBack : .nothing
        } else if statement.at > start.last {
            self.start?.last = statement.at
            finding = .booksAreCopy
        }
        wantStatement(of: address, on: broker, cards: &cards, in: context)
        return finding
    }

    /// A newer start: an event once for each, an answer at most once in a while.
    private mutating func meet(
        _ statement: Statement, of identity: Identity, on broker: String, in context: inout Context
    ) throws(LedgerError) {
        if !newerStarts.contains(where: { $0.boot == statement.boot }) {
            context.counts.otherBoards += 1
            newerStarts = newerStarts.suffix(Tuning.rememberedStarts - 1) + [NewerStart(boot: statement.boot)]
            try context.note(
                .clone, level: .warning,
                text: "another board has the keys of \(identity.id): it started later and is asked to stand back; "
                    + "retire one of them",
                did: identity.id, reason: "cloned-card")
        }
        guard let index = newerStarts.firstIndex(where: { $0.boot == statement.boot }),
            context.now.lived >= newerStarts[index].answeredUntil[broker] ?? -.infinity
        else { return }
        newerStarts[index].answeredUntil[broker] = context.now.lived + Tuning.answerToStartPause
        answer(statement.boot, as: identity, on: broker, in: &context)
    }

    /// False when this board stands back already.
    private mutating func standBack(
        for statement: Statement, of id: ID, in context: inout Context
    ) throws(LedgerError) -> Bool {
        guard olderBoard == nil else { return false }
        olderBoard = OlderBoard(did: id, at: statement.at)
        context.counts.otherBoards += 1
        try context.note(
            .clone, level: .error,
            text:
                "another board has the keys of \(id) and started earlier: this one stands back, it sends and takes nothing "
                + "until it is started again",
            did: id, reason: "standing-back")
        return true
    }
}

/// Another board with our keys that started before this one.
package struct OlderBoard: Sendable, Equatable {
    package var did: ID
    /// When it began, in seconds since 1970.
    package var at: Double
}

/// A statement for the pool to sign.
package struct StatementSigning: Sendable {
    package var statement: Statement
    package var identity: Identity
    /// Further identities of this board, which the statement names.
    package var others: [Identity]
    package var broker: String
}

/// Bytes on the topic `state` of an identity or a contact, which it may have signed.
package struct StatementCheck: Sendable {
    package var bytes: [UInt8]
    package var signer: ID
    package var meta: Meta
    package var broker: String
}
