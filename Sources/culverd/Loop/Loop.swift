import Agent
import Control
import Dispatch
import Records
import Store
import System

/// The heart of the daemon: turns, one after the other, on the main queue. Which items go together, what of them counts
/// and in which order it goes out says `TurnRunner`; the loop does it, and knows when.
///
///  1. Everything that is pending goes through the messenger and the methods, which read and write the open turn.
///  2. The store's queue writes the flat files and commits the transaction: synced. Meanwhile the main queue gathers
///     what comes in, and the pool begins with the turn's key work; neither touches store or address book.
///  3. Answers go to clients, then the effects out: save, answer, publish.
@MainActor final class Loop {
    let store: MessageStore
    let book: Book
    let directory: StateDirectory
    private(set) var clock: Clock
    var log: Log
    /// Carries out an effect, but for key work.
    var perform: (@MainActor (Effect) -> Void)?
    /// Begins with key work and calls back with what came of it.
    var work: (@MainActor (Job, @escaping @MainActor (Input) -> Void) -> Void)?
    /// The answers of a turn were given: they are to go out before anything is published.
    var onAnswers: (@MainActor () -> Void)?
    /// After a turn that wrote something: news of inbox and events.
    var onNews: (@MainActor ([EventRecord], Bool) -> Void)?
    /// A turn has ended.
    var onTurn: (@MainActor () -> Void)?
    /// The disk failed, or works again.
    var onDisk: (@MainActor (String?) -> Void)?

    private typealias Runner = TurnRunner<MethodCall, Chore, @MainActor () -> Void>

    private let runner: Runner
    private let queue = DispatchQueue(label: "culver.store")
    private let audit: AuditFile
    private var isScheduled = false
    /// A turn is not over, or the store's queue is at work.
    private var isBusy = false
    private var timer: (any DispatchSourceTimer)?
    /// When it rings, in seconds lived.
    private var armed: Double?
    private var commitBegan = 0.0
    /// The commit that runs, or that failed just now, writes files of the address book.
    private var isBookInCommit = false
    /// Reading the address book again failed, so it is not what is on disk.
    private var isBookStale = false
    /// `onDisk` was told last that the disk fails.
    private var isFaultTold = false
    private var idle: (@MainActor () -> Void)?
    private var written = 0
    /// How many turns were written since memory was looked at, and how much there was when the last was given back.
    private var unseen = 0
    private var settledBytes: Int64?
    /// When the clock was written down, in seconds lived.
    private var clockSaved: Double?
    private var isWaking = false
    /// A backup copies the messages: the log cannot be emptied, and trying would wait for it.
    var isCopied = false
    /// To be told that a turn has ended, whatever came of it.
    private var rounds: [@MainActor () -> Void] = []

    /// Seconds after which a turn takes no more, but for the rest of a batch: the client of the first item need not wait for
    /// all.
    private static let patience = 0.05
    /// Turns that wrote something after which memory is looked at; a quarter of them when all messages have ended.
    private static let look = 32
    /// Bytes that may be more than the last time.
    private static let growth: Int64 = 512 << 10
    /// Milliseconds that an acknowledgement waits for company: a turn of its own would sync the disk for it.
    private static let leisure = 4

    init(
        store: MessageStore, book: Book, directory: StateDirectory, clock: Clock, messenger: Messenger, log: Log
    ) {
        self.store = store
        self.book = book
        self.directory = directory
        self.clock = clock
        audit = AuditFile(in: directory.path)
        self.log = log
        runner = Runner(messenger: messenger, ledger: store)
    }

    /// As the last turn that is on disk left it.
    var messenger: Messenger { runner.messenger }
    /// Why the last turn that had something to write could not.
    var diskFault: String? { runner.fault?.description }
    var isDiskFaulty: Bool { runner.fault != nil }
    /// Items that wait for a turn.
    var backlog: Int { runner.backlog }
    /// Bytes of what came in and waits for a turn.
    var weight: Int { runner.weight }
    var counts: TurnCounts { runner.counts }
    /// What waits in the messenger for a budget, as far as nothing more should come in.
    var heldBack: (count: Int, bytes: Int) { runner.messenger.heldBack }

    // MARK: - When

    func take(_ input: Input) { add(.input(input)) }

    func add(_ item: WorkItem) {
        runner.add(item)
        if item.isPatient, runner.backlog < 16 { scheduleLater() } else { schedule() }
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
        MainQueue.async { self.turn() }
    }

    private func scheduleLater() {
        guard !isBusy, !isScheduled, !isWaking else { return }
        isWaking = true
        MainQueue.after(Double(Self.leisure) / 1000) {
            self.isWaking = false
            self.schedule()
        }
    }

    private func turn() {
        isScheduled = false
        guard !isBusy else { return }
        guard runner.backlog > 0 else {
            guard let action = idle else { return }
            idle = nil
            return action()
        }
        isBusy = true
        follow(runner.begin())
    }

    /// The turn is over.
    private func rest() {
        isBusy = false
        let ended = rounds
        rounds = []
        for action in ended { action() }
        onTurn?()
        if idle != nil || runner.isUrgent { return schedule() }
        if runner.backlog > 0 { return scheduleLater() }
        arm()
        if written >= 200, !isCopied { return checkpoint() }
        if unseen >= Self.look || (unseen >= Self.look / 4 && (try? store.outboxSize().count) == 0) { giveBackMemory() }
    }

    // MARK: - The steps of a turn

    /// Carries out one step after the other, until the store's queue is at work or the turn is over.
    private func follow(_ first: Runner.Step) {
        var step = first
        while true {
            tellDisk()
            switch step {
            case .rest: return rest()
            case .run(let items): step = run(items)
            case .commit(let jobs, let turn):
                guard let next = commit(jobs, ofTurn: turn) else { return }
                step = next
            case .undo:
                undo()
                step = runner.undone(at: clock.now)
            case .letOut(let consequences):
                letOut(consequences)
                step = runner.next()
            case .refuse(let request, let error):
                request.call.fail(RPCError(disk: error))
                step = runner.next()
            case .report(let error):
                log(.error, "\(error)")
                step = runner.next()
            case .later(let what, let seconds):
                MainQueue.after(seconds) { self.retry(what) }
                step = runner.next()
            }
        }
    }

    private func tellDisk() {
        guard isDiskFaulty != isFaultTold else { return }
        isFaultTold.toggle()
        onDisk?(diskFault)
    }

    private func run(_ items: [WorkItem]) -> Runner.Step {
        let now = clock.now
        book.keys.lived = now.lived
        var turn = runner.turn(at: now)
        do {
            if isBookStale { try reloadBook(now) }
            for (index, item) in items.enumerated() {
                try carryOut(item, &turn)
                guard clock.now.lived > now.lived + Self.patience, !item.isFollowed else { continue }
                runner.postpone(from: index + 1)
                break
            }
            if let fault = book.facebook.takeFault() { throw fault }
            if store.hasChanges || book.hasChanges, now.lived >= (clockSaved ?? -.infinity) + 1 {
                try clock.save(now, in: store)
                clockSaved = now.lived
            }
        } catch {
            return runner.failed(LedgerError(disk: error))
        }
        return runner.ran(turn)
    }

    private func carryOut(_ item: WorkItem, _ turn: inout Turn) throws {
        switch item {
        case .input(let input): try turn.handle(input)
        case .chore(let body), .duty(let body): try body(&turn)
        case .request(let request, _):
            let call = request.call
            do {
                try request.body(call, &turn)
            } catch let error as RPCError {
                turn.after { call.fail(error) }
            } catch let error as Refusal {
                turn.after { call.fail(RPCError(error)) }
            }
        }
    }

    /// `nil`: the store's queue is at work, and `committed` follows.
    private func commit(_ jobs: [Job], ofTurn turn: Int64) -> Runner.Step? {
        let changes = book.takeChanges()
        for job in jobs { work?(job) { [weak self] in self?.take($0, ofTurn: turn) } }
        guard store.hasChanges || !changes.isEmpty else { return runner.committed(wrote: false) }
        isBookInCommit = !changes.isEmpty
        commitBegan = KernelClock.monotonic.now
        let store = store
        let directory = directory
        let audit = audit
        queue.async {
            let result = Result {
                for change in changes { try directory.perform(change) }
                try store.commit()
            }
            if case .success = result { self.write(audit, of: store) }
            MainQueue.async { self.committed(result) }
        }
        return nil
    }

    /// The lines are in the database, and stay there until the file has them.
    private nonisolated func write(_ audit: AuditFile, of store: MessageStore) {
        do {
            guard try store.write(to: audit) else { return }
            let text = "the audit of calls went on from lines that the database has not: it was moved aside"
            MainQueue.async {
                self.log(.warning, text)
                self.add(.chore { try $0.note(.call, level: .warning, text: text, reason: "audit-replaced") })
            }
        } catch {
            MainQueue.async { self.log(.error, "\(error)") }
        }
    }

    private func take(_ result: Input, ofTurn turn: Int64) {
        if runner.take(result, ofTurn: turn) { schedule() }
    }

    private func committed(_ result: Result<Void, any Error>) {
        runner.counts.commits += 1
        runner.counts.commitSeconds += KernelClock.monotonic.now - commitBegan
        switch result {
        case .success:
            written += 1
            unseen += 1
            isBookInCommit = false
            follow(runner.committed(wrote: true))
        case .failure(let error): follow(runner.failed(LedgerError(disk: error)))
        }
    }

    private func letOut(_ consequences: Consequences<@MainActor () -> Void>) {
        for action in consequences.actions { action() }
        for effect in consequences.answers { perform?(effect) }
        onAnswers?()
        for effect in consequences.effects { perform?(effect) }
        for job in consequences.jobs { work?(job) { [weak self] in self?.take($0) } }
        let news = store.takeNews()
        if !news.arrived.isEmpty || !news.written.isEmpty { onNews?(news.written, !news.arrived.isEmpty) }
    }

    private func undo() {
        let touchesBook = isBookInCommit || book.hasChanges
        isBookInCommit = false
        store.rollback()
        clockSaved = nil
        _ = store.takeNews()
        guard touchesBook else { return }
        do {
            try reloadBook(clock.now)
        } catch {
            log(.error, "\(error)")
        }
    }

    private func reloadBook(_ now: Moment) throws(FileError) {
        isBookStale = true
        try book.reload(time: now.wall)
        isBookStale = false
    }

    private func retry(_ what: Runner.Retry) {
        runner.retry(what)
        schedule()
    }

    // MARK: - Between turns

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
                    (self.isBusy, self.unseen, self.settledBytes) = (false, 0, nil)
                    if self.runner.backlog > 0 || self.idle != nil { self.schedule() }
                }
            }
        }
    }

    /// What much work has taken and left free, malloc keeps: it goes back during the work and at its end.
    private func giveBackMemory() {
        unseen = 0
        let bytes = Host.anonymousBytes
        guard bytes > (settledBytes ?? 0) + Self.growth else {
            settledBytes = min(settledBytes ?? bytes, bytes)
            return
        }
        queue.async {
            Host.giveBackHeap()
            let left = Host.anonymousBytes
            MainQueue.async { self.settledBytes = left }
        }
    }

    /// The next tick, one timer for all of the messenger's waiting. One that rings too early does no harm, and setting it
    /// anew after each turn would cost more than a turn. A disk that fails is not asked all the time.
    private func arm() {
        let now = clock.now
        let next = (try? runner.messenger.nextTick(after: now)) ?? now.lived + 60
        let due = max(next, now.lived + (isDiskFaulty ? 5 : 0.01))
        if let armed, armed > now.lived, armed <= due, !isDiskFaulty { return }
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
