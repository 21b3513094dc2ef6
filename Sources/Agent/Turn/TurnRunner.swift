package import Records

/// The rule of turns as a state machine: which work items go together, what of them counts, and what follows in which
/// order. It says what is to be done and does nothing: a world carries out each `Step` and reports with the verb that
/// the step names. The world may stop after any step, as a power cut does; what was let out until then is on disk.
///
///  1. `begin`: everything that is pending goes through one turn, on a copy of the messenger.
///  2. `ran`: what was decided is one transaction. Key work of the turn may begin meanwhile (`EarlyResults`).
///  3. `committed`: actions and answers, then the other effects in order: save, answer, publish.
///  4. `next`: the results of key work count, and the turn is over.
///
/// A turn that fails is undone as a whole, and its items are tried again one by one, so that one cannot spoil others.
/// What fails alone is given up (`Messenger.giveUp`), but for two kinds: what a broker says once is held, in order, until
/// the disk works again, and a duty is tried again.
///
///     resting ── begin ──▶ running ── ran ──▶ committing ── committed ──▶ lettingOut ── next ──▶ resting
///        │                  ▲  │ failed           │ failed                 ▲   │
///        │                  │  └────▶ undoing ◀───┘                        │   │
///        │   several failed │            │  │       one failed alone       │   │
///        │                  └────────────┘  └──────────────────────────────┘   │
///        └ nothing but held words           next, while items are untried: ▶ running
///
/// Forbidden: `committing` never goes back to `running`, because its decisions may be on disk; `running` never reaches
/// `lettingOut` but by `committing` or `undoing`, because nothing leaves the board before it is saved.
///
/// A class, because whoever only asks it for a number would else copy the whole messenger.
package final class TurnRunner<Request, Chore, Action> {
    package typealias Item = WorkItem<Request, Chore>

    /// What the world has to do next, and what it says then.
    package enum Step {
        /// Nothing. `begin` when there is work.
        case rest
        /// Carry out the items in this order in one `turn(at:)`; then `ran`, or `failed` with the first error. A world
        /// that lacks the time for all says `postpone` before.
        case run([Item])
        /// Write everything down that the turn decided, then `committed` or `failed`. The key work may begin at once;
        /// its results come by `take(_:ofTurn:)`.
        case commit([Job], turn: Int64)
        /// Put store and address book back to what they were before the turn; then `undone`.
        case undo
        /// Carry out, in order: actions, answers, effects, key work; then `next`.
        case letOut(Consequences<Action>)
        /// Tell the client why its call is not served; then `next`.
        case refuse(Request, LedgerError)
        /// Log why a chore was not done; then `next`.
        case report(LedgerError)
        /// Go on with `next`, and after so many seconds say `retry`.
        case later(Retry, seconds: Double)
    }

    /// What is not given up.
    package enum Retry {
        case duty(Chore)
        /// What brokers said.
        case held
    }

    private enum State {
        case resting
        case running([Item])
        case committing([Item], Turn<Action>)
        case undoing([Item], LedgerError)
        case lettingOut
    }

    /// As the last turn that counts left it. A world sets its policy between two turns, and nothing else of it.
    package var messenger: Messenger
    /// Why the last item that failed alone could not be written down; `nil` again once something was.
    package private(set) var fault: LedgerError?
    package var counts = TurnCounts()

    private let ledger: any Ledger
    private let limit: Int
    private var state = State.resting
    private var pending: [Item] = []
    /// What they weigh, counted along; `nil` when they are to be weighed anew.
    private var weighed: Int? = 0
    /// Items of a failed turn that are still to be tried, one by one.
    private var untried: ArraySlice<Item> = []
    /// What brokers said and could not be written down, in order.
    private var held: [Input] = []
    private var early = EarlyResults()

    /// One turn takes at most `limit` items, and the rest of a batch that it has begun.
    package init(messenger: Messenger, ledger: any Ledger, limit: Int = 256) {
        self.messenger = messenger
        self.ledger = ledger
        self.limit = limit
    }

    // MARK: - What waits

    /// Items that wait for a turn.
    package var backlog: Int { pending.count }
    /// Bytes of what came in and waits for a turn.
    package var weight: Int {
        if let weighed { return weighed }
        let weight = pending.reduce(0) { $0 + $1.weight }
        weighed = weight
        return weight
    }
    /// An item waits that should not wait for company.
    package var isUrgent: Bool { pending.contains { !$0.isPatient } }
    /// What brokers said waits until the disk works again.
    package var isHolding: Bool { !held.isEmpty }

    package func add(_ item: Item) {
        if let weight = weighed { weighed = weight + item.weight }
        pending.append(item)
    }

    /// The result of key work that came with `Step.commit`. Says whether it waits for a turn now.
    package func take(_ result: Input, ofTurn turn: Int64) -> Bool {
        guard let input = early.take(result, ofTurn: turn) else { return false }
        add(.input(input))
        return true
    }

    /// The time that `Step.later` named is over.
    package func retry(_ what: Retry) {
        switch what {
        case .duty(let chore): add(.duty(chore))
        case .held:
            putFirst(held.map { .input($0) })
            held = []
        }
    }

    // MARK: - A turn

    /// Begins with what is pending.
    package func begin() -> Step {
        guard case .resting = state else { preconditionFailure("the turn before is not over") }
        var items = takePending()
        if isHolding { items = items.filter { !holds($0) } }
        return items.isEmpty ? .rest : run(items)
    }

    private func takePending() -> [Item] {
        var count = limit
        while count < pending.count, pending[count - 1].isFollowed { count += 1 }
        guard pending.count > count else {
            defer { (pending, weighed) = ([], 0) }
            return pending
        }
        defer {
            pending.removeFirst(count)
            weighed = nil
        }
        return Array(pending.prefix(count))
    }

    private func putFirst(_ items: [Item]) {
        pending.insert(contentsOf: items, at: 0)
        weighed = nil
    }

    /// Keeps order: behind a broker's word that could not be written down the later ones wait, too.
    private func holds(_ item: Item) -> Bool {
        guard !held.isEmpty, case .input(let input) = item, input.isSaidOnce else { return false }
        held.append(input)
        return true
    }

    private func run(_ items: [Item]) -> Step {
        counts.turns += 1
        state = .running(items)
        return .run(items)
    }

    /// Where the items of `Step.run` are carried out.
    package func turn(at now: Moment) -> Turn<Action> {
        Turn(now: now, ledger: ledger, messenger: messenger)
    }

    /// The items from this one on were not carried out: they come first in the next turn.
    package func postpone(from index: Int) {
        guard case .running(let items) = state else { preconditionFailure("no turn is running") }
        putFirst(Array(items[index...]))
        state = .running(Array(items[..<index]))
    }

    /// The items were carried out in this turn.
    package func ran(_ turn: Turn<Action>) -> Step {
        guard case .running(let items) = state else { preconditionFailure("no turn is running") }
        var turn = turn
        turn.consequences.add(turn.messenger.endTurn(at: turn.now))
        let jobs = turn.consequences.takeJobs()
        early.open(turn: counts.turns, jobs: jobs.count)
        state = .committing(items, turn)
        return .commit(jobs, turn: counts.turns)
    }

    /// Everything is on disk; `wrote`: there was something to write.
    package func committed(wrote: Bool) -> Step {
        guard case .committing(_, let turn) = state else { preconditionFailure("no turn is being committed") }
        messenger = turn.messenger
        if wrote { fault = nil }
        state = .lettingOut
        return .letOut(turn.consequences)
    }

    /// What the step named is done.
    package func next() -> Step {
        guard case .lettingOut = state else { preconditionFailure("nothing was let out") }
        for input in early.release() { add(.input(input)) }
        while let first = untried.popFirst() {
            if !holds(first) { return run([first]) }
        }
        state = .resting
        return .rest
    }

    // MARK: - A turn that fails

    /// An item failed, or its turn could not be written down.
    package func failed(_ error: LedgerError) -> Step {
        switch state {
        case .running(let items), .committing(let items, _): state = .undoing(items, error)
        case .resting, .undoing, .lettingOut: preconditionFailure("no turn can have failed")
        }
        early.drop()
        counts.failures += 1
        return .undo
    }

    /// Nothing of the turn is left.
    package func undone(at now: Moment) -> Step {
        guard case .undoing(let items, let error) = state else { preconditionFailure("no turn has failed") }
        state = .lettingOut
        if items.count > 1 {
            // Only a turn that `begin` made has several, so nothing else is untried.
            untried = items[...]
            return next()
        }
        if fault == nil { counts.faults += 1 }
        fault = error
        return items.first.map { giveUp($0, because: error, at: now) } ?? next()
    }

    private func giveUp(_ item: Item, because error: LedgerError, at now: Moment) -> Step {
        switch item {
        case .request(let request, _):
            counts.givenUp += 1
            return .refuse(request, error)
        case .chore: return .report(error)
        case .duty(let chore): return .later(.duty(chore), seconds: 5)
        case .input(let input) where input.isSaidOnce:
            held.append(input)
            return .later(.held, seconds: 1)
        case .input(let input):
            // A peer repeats what is not taken, and the clock ticks again.
            if case .ticked = input {} else { counts.givenUp += 1 }
            var consequences = Consequences<Action>()
            consequences.add(messenger.giveUp(input, because: error, at: now))
            return .letOut(consequences)
        }
    }
}

/// What became of turns since the start of the daemon.
package struct TurnCounts: Sendable, Equatable {
    package var turns: Int64 = 0
    /// What the world waited for: it counts them itself.
    package var commits: Int64 = 0
    package var commitSeconds = 0.0
    /// Turns that could not be written down, each attempt.
    package var failures: Int64 = 0
    /// What the disk did not let in: calls that were refused, and messages and results that were dropped.
    package var givenUp: Int64 = 0
    /// Times at which the disk began to fail.
    package var faults: Int64 = 0

    package init() {}
}
