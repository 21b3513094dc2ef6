import Agent
import Control
import Dispatch
import Glibc
import Records
import Store

/// The heart of the daemon: turns, one after the other, on the main queue.
///
///  1. Everything that is pending goes through the messenger and the methods, which read and write the open turn.
///  2. The store's queue writes the flat files and commits the transaction: synced. Meanwhile the main queue gathers
///     what comes in, and the pool begins with the turn's key work; nobody touches store or address book.
///  3. Answers go to clients, then the effects out: save, answer, publish.
///
/// A turn that fails is undone as a whole, and its errands are tried again one by one, so that one cannot spoil others.
/// What fails alone is given up (`giveUp`), but for two kinds: what a broker said about connections and parcels, which
/// waits in order until the disk works again, and a `.duty`.
@MainActor final class Loop {
    let store: MessageStore
    let book: Book
    let directory: StateDirectory
    private(set) var clock: Clock
    var messenger: Messenger
    var log: Log
    /// Carries out an effect, but for key work.
    var perform: (@MainActor (Effect) -> Void)?
    /// Begins with key work and calls back with what came of it.
    var work: (@MainActor (Job, @escaping @MainActor (Input) -> Void) -> Void)?
    /// After a turn that wrote something: news of inbox and events.
    var onNews: (@MainActor ([EventRecord], Bool) -> Void)?
    /// A turn has ended.
    var onTurn: (@MainActor () -> Void)?
    /// The disk failed, or works again.
    var onDisk: (@MainActor (String?) -> Void)?

    private let queue = DispatchQueue(label: "culver.store")
    private var pending: [WorkItem] = []
    private var isScheduled = false
    private var isBusy = false
    private var timer: (any DispatchSourceTimer)?
    /// When it rings, in seconds lived.
    private var armed: Double?
    /// The turn that the store's queue is making durable, and what is to be tried after it.
    private var committing:
        (errands: [WorkItem], turn: Turn, rest: ArraySlice<WorkItem>, touchesBook: Bool, work: EarlyResults)?
    private var commitBegan = 0.0
    /// What brokers said and could not be written down, in order.
    private var owed: [WorkItem] = []
    private(set) var diskFault: String?
    private(set) var counts = Counts()
    /// Reading the address book again failed, so it is not what is on disk.
    private var isBookStale = false
    private var idle: (@MainActor () -> Void)?
    private var written = 0
    /// When the clock was written down, in seconds lived.
    private var clockSaved: Double?
    private var isWaking = false
    /// Somebody copies the messages: the log cannot be emptied, and trying would wait for it.
    var isCopied = false
    /// Who wants to know that a turn has ended, whatever came of it.
    private var rounds: [@MainActor () -> Void] = []

    /// Seconds after which a turn takes no more: who waits for the first errand need not wait for all.
    private static let patience = 0.05
    /// Milliseconds that an acknowledgement waits for company: a turn of its own would sync the disk for it.
    private static let leisure = 4

    init(
        store: MessageStore, book: Book, directory: StateDirectory, clock: Clock, messenger: Messenger, log: Log
    ) {
        self.store = store
        self.book = book
        self.directory = directory
        self.clock = clock
        self.messenger = messenger
        self.log = log
    }

    /// The last turn that had something to write could not.
    var isDiskFaulty: Bool { diskFault != nil }
    /// Errands that wait for a turn.
    var backlog: Int { pending.count }
    /// Bytes of what came in and waits for a turn.
    var weight: Int {
        pending.reduce(0) { sum, errand in if case .input(let input) = errand { sum + input.weight } else { sum } }
    }

    func take(_ input: Input) { add(.input(input)) }

    func add(_ errand: WorkItem) {
        pending.append(errand)
        if errand.isPatient, pending.count < 16 { scheduleLater() } else { schedule() }
    }

    /// Asks for a turn, be it an empty one: `onTurn` is the place for reading the store.
    func wake() { add(.chore { _ in }) }

    /// Calls back at the end of the next turn, also of one that failed: then the loop runs, and the disk answers, be it with
    /// errors.
    func comeRound(_ action: @escaping @MainActor () -> Void) {
        rounds.append(action)
        wake()
    }

    /// Calls back once nothing is pending and nothing is being committed.
    func finish(_ action: @escaping @MainActor () -> Void) {
        idle = action
        schedule()
    }

    private func schedule() {
        guard !isBusy, !isScheduled else { return }
        isScheduled = true
        DispatchQueue.main.async { MainActor.assumeIsolated { self.turn() } }
    }

    private func scheduleLater() {
        guard !isBusy, !isScheduled, !isWaking else { return }
        isWaking = true
        DispatchQueue.main.asyncAfter(deadline: .now() + .milliseconds(Self.leisure)) {
            MainActor.assumeIsolated {
                self.isWaking = false
                self.schedule()
            }
        }
    }

    private func turn() {
        isScheduled = false
        guard !isBusy else { return }
        guard !pending.isEmpty else {
            guard let action = idle else { return }
            idle = nil
            return action()
        }
        let batch = pending.prefix(256)
        pending.removeFirst(batch.count)
        run(batch.filter { !isHeldBack($0) }, retrying: [])
    }

    /// What brokers say is taken in its order: behind one that could not be written down the others wait, too.
    private func isHeldBack(_ errand: WorkItem) -> Bool {
        guard !owed.isEmpty, errand.isOwed else { return false }
        owed.append(errand)
        return true
    }

    /// `rest`: errands of a failed turn that are still to be tried, one by one.
    private func run(_ all: [WorkItem], retrying rest: ArraySlice<WorkItem>) {
        var errands = all
        isBusy = true
        counts.turns += 1
        let now = clock.now
        book.keys.lived = now.lived
        var turn = Turn(now: now, ledger: store, messenger: messenger)
        do {
            if isBookStale { try reloadBook(now) }
            for (index, errand) in errands.enumerated() {
                try carryOut(errand, &turn)
                guard clock.now.lived > now.lived + Self.patience else { continue }
                pending.insert(contentsOf: errands[(index + 1)...], at: 0)
                errands.removeSubrange((index + 1)...)
                break
            }
            if store.hasChanges || book.hasChanges, now.lived >= (clockSaved ?? -.infinity) + 1 {
                try clock.save(now, in: store)
                clockSaved = now.lived
            }
        } catch {
            return failed(errands, error, rest, now, touchesBook: book.hasChanges)
        }
        commit(errands, turn, rest)
    }

    private func reloadBook(_ now: Moment) throws(FileError) {
        isBookStale = true
        try book.reload(time: now.wall)
        isBookStale = false
    }

    private func carryOut(_ errand: WorkItem, _ turn: inout Turn) throws {
        switch errand {
        case .input(let input): try turn.handle(input)
        case .chore(let body), .duty(let body): try body(&turn)
        case .request(let call, let body):
            do {
                try body(call, &turn)
            } catch let error as RPCError {
                turn.after { call.fail(error) }
            } catch let error as Refusal {
                turn.after { call.fail(RPCError(error)) }
            }
        }
    }

    private func commit(_ errands: [WorkItem], _ turn: Turn, _ rest: ArraySlice<WorkItem>) {
        let changes = book.takeChanges()
        let work = EarlyResults(loop: self)
        for case .work(let job) in turn.effects { self.work?(job) { work.take($0) } }
        guard store.hasChanges || !changes.isEmpty else { return done(turn, wrote: false, work, rest) }
        committing = (errands, turn, rest, !changes.isEmpty, work)
        commitBegan = Clock.read(CLOCK_MONOTONIC)
        let store = store
        let directory = directory
        queue.async {
            let result = Result {
                for change in changes { try directory.perform(change) }
                try store.commit()
            }
            DispatchQueue.main.async { MainActor.assumeIsolated { self.committed(result) } }
        }
    }

    private func committed(_ result: Result<Void, any Error>) {
        guard let (errands, turn, rest, touchesBook, work) = committing else { return }
        committing = nil
        counts.commits += 1
        counts.commitSeconds += Clock.read(CLOCK_MONOTONIC) - commitBegan
        switch result {
        case .success: done(turn, wrote: true, work, rest)
        case .failure(let error): failed(errands, error, rest, turn.now, touchesBook: touchesBook)
        }
    }

    private func done(_ turn: Turn, wrote: Bool, _ work: EarlyResults, _ rest: ArraySlice<WorkItem>) {
        messenger = turn.messenger
        if wrote {
            written += 1
            if diskFault != nil {
                diskFault = nil
                onDisk?(nil)
            }
        }
        for action in turn.afterwards { action() }
        for effect in turn.effects {
            if case .answer = effect { perform?(effect) }
        }
        for effect in turn.effects {
            switch effect {
            case .answer, .work: continue
            default: perform?(effect)
            }
        }
        work.release()
        let news = store.takeNews()
        if !news.arrived.isEmpty || !news.written.isEmpty { onNews?(news.written, !news.arrived.isEmpty) }
        goOn(rest)
    }

    private func failed(
        _ errands: [WorkItem], _ error: any Error, _ rest: ArraySlice<WorkItem>, _ now: Moment, touchesBook: Bool
    ) {
        store.rollback()
        counts.failures += 1
        clockSaved = nil
        _ = store.takeNews()
        if touchesBook {
            do {
                try reloadBook(now)
            } catch {
                log(.error, "\(error)")
            }
        }
        if errands.count > 1 { return run([errands[0]], retrying: errands[1...] + rest) }
        if diskFault == nil {
            counts.faults += 1
            onDisk?("\(error)")
        }
        diskFault = "\(error)"
        for errand in errands { giveUp(errand, error) }
        goOn(rest)
    }

    /// A client hears why, and what a peer sent is not taken: it repeats.
    private func giveUp(_ errand: WorkItem, _ error: any Error) {
        switch errand {
        case .request(let call, _):
            counts.givenUp += 1
            call.fail(RPCError(disk: error))
        case .chore: log(.error, "\(error)")
        case .duty: later(5) { $0.add(errand) }
        case .input where errand.isOwed:
            owed.append(errand)
            if owed.count == 1 { later(1) { $0.takeOwed() } }
        case .input(let input):
            if case .ticked = input {} else { counts.givenUp += 1 }
            let effects = messenger.giveUp(input, because: LedgerError(disk: error), at: clock.now)
            for effect in effects { perform?(effect) }
        }
    }

    private func takeOwed() {
        pending.insert(contentsOf: owed, at: 0)
        owed = []
        schedule()
    }

    private func later(_ seconds: Double, _ action: @escaping @MainActor (Loop) -> Void) {
        DispatchQueue.main.asyncAfter(deadline: .now() + seconds) { MainActor.assumeIsolated { action(self) } }
    }

    private func goOn(_ rest: ArraySlice<WorkItem>) {
        let rest = rest.drop { isHeldBack($0) }
        if let first = rest.first { return run([first], retrying: rest.dropFirst()) }
        isBusy = false
        let ended = rounds
        rounds = []
        for action in ended { action() }
        onTurn?()
        if idle != nil || pending.contains(where: { !$0.isPatient }) { return schedule() }
        if !pending.isEmpty { return scheduleLater() }
        arm()
        if written >= 200, !isCopied { checkpoint() }
    }

    /// Syncs, so it is the store queue's work, and a turn's place is taken by it.
    private func checkpoint() {
        written = 0
        isBusy = true
        let store = store
        queue.async {
            let result = Result { try store.checkpoint() }
            Host.giveBackMemory()
            DispatchQueue.main.async {
                MainActor.assumeIsolated {
                    if case .failure(let error) = result { self.log(.warning, "\(error)") }
                    self.isBusy = false
                    if !self.pending.isEmpty || self.idle != nil { self.schedule() }
                }
            }
        }
    }

    /// The next tick, one timer for all of the messenger's waiting. One that rings too early does no harm, and setting it
    /// anew after each turn would cost more than a turn. A disk that fails is not asked all the time.
    private func arm() {
        let now = clock.now
        let next = (try? messenger.nextTick(after: now)) ?? now.lived + 60
        let due = max(next, now.lived + (diskFault == nil ? 0.01 : 5))
        if let armed, armed > now.lived, armed <= due, diskFault == nil { return }
        armed = due
        timer?.cancel()
        let timer = DispatchSource.makeTimerSource(queue: .main)
        timer.schedule(deadline: .now() + (due - now.lived), leeway: .milliseconds(10))
        timer.setEventHandler { [weak self] in
            MainActor.assumeIsolated {
                self?.armed = nil
                self?.take(.ticked)
            }
        }
        timer.activate()
        self.timer = timer
    }
}
