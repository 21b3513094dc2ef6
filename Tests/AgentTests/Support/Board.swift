import Agent
import DIMP
import Format
import Records
import TestSupport

/// A board without a daemon: a messenger with its books, and what it said.
final class Board {
    let identities: [Identity]
    let ledger = MemoryLedger()
    let book: MemoryBook
    private let dice: Dice
    /// One item a turn: what one of them does is not hidden by others.
    private var runner: TurnRunner<Never, Never, Never>

    var answers: [UInt64: Answer] = [:]
    var rejections: [Rejection] = []
    /// What was to be done about calls.
    var orders: [CallOrder] = []
    /// What was to be published on local brokers, and how many of their messages were on disk.
    var bridged: [BridgePublication] = []
    var saved = 0
    /// What was to be done about pipes.
    var pipeOrders: [PipeOrder] = []
    /// Jobs that need a private key to open something.
    var unwraps = 0
    /// Every state that a row was announced with.
    var states: [String: [DeliveryState]] = [:]
    var ticks = 0
    private var lastToken: UInt64 = 0

    /// What the world reads: subscriptions, brokers, the clock.
    var watched: Set<Address> = []
    var watchedStates: Set<Address> = []
    var linked: Set<String> = []
    var isClockSet = true
    /// This run, as it states itself; none for tests without presence.
    private(set) var start: (boot: String, at: Double)?
    /// Seconds by which the clock is wrong.
    var clockError = 0.0
    /// Hears nothing.
    var isSilent = false
    /// Subscribed to the topics that all share.
    var hearsBroadcasts = false

    init(_ identities: [Identity], policy: Policy = Policy(), seed: UInt64 = 1) {
        self.identities = identities
        book = MemoryBook(identities)
        dice = Dice(seed: seed)
        let dice = dice
        let messenger = Messenger(book: book, ledger: ledger, policy: policy) { dice.next() }
        runner = TurnRunner(messenger: messenger, ledger: ledger, limit: 1)
    }

    var messenger: Messenger { runner.messenger }
    var identity: Identity { identities[0] }
    var id: ID { identity.id }
    var policy: Policy {
        get { messenger.policy }
        set { runner.messenger.policy = newValue }
    }
    var agent: String {
        get { messenger.agent }
        set { runner.messenger.agent = newValue }
    }
    var inbox: [Incoming] { ledger.state.incoming }
    var texts: [String] { inbox.compactMap { try? JSON(parsing: $0.content)["text"]?.string } }

    /// Now, by this board's clock. One that is not set begins at 0.
    func moment(_ now: Moment) -> Moment {
        Moment(wall: now.wall + clockError, isClockSet: isClockSet, lived: now.lived)
    }

    /// What brokers said and could not be written down waits.
    var isHolding: Bool { runner.isHolding }

    /// What was held is tried again, one after the other; `handle` without an input goes on with the next.
    func retryHeld() { runner.retry(.held) }
    var backlog: Int { runner.backlog }

    /// One turn, and what follows from it. When it cannot be written down, nothing of it happened.
    func handle(_ input: Input, at now: Moment) -> [Effect] {
        runner.add(.input(input))
        return turn(at: now)
    }

    func turn(at now: Moment) -> [Effect] {
        let before = (ledger.state, book.state)
        var effects: [Effect] = []
        var jobs: [Job] = []
        var step = runner.begin()
        while true {
            switch step {
            case .rest: return listen(effects + jobs.map { .work($0) })
            case .run(let items):
                book.lived = now.lived
                var turn = runner.turn(at: now)
                do throws(LedgerError) {
                    for case .input(let input) in items { try turn.handle(input) }
                    step = runner.ran(turn)
                } catch {
                    step = runner.failed(error)
                }
            case .commit(let begun, _):
                // The pool is slow: it has not begun before the disk is done.
                jobs += begun
                failedAt = nil
                step = runner.committed(wrote: true)
            case .undo:
                (ledger.state, book.state) = before
                failedAt = now.lived
                hasFailed = true
                step = runner.undone(at: now)
            case .letOut(let consequences):
                effects += consequences.answers + consequences.effects
                jobs += consequences.jobs
                step = runner.next()
            // The retry is the pair's.
            case .later, .report: step = runner.next()
            }
        }
    }

    private func listen(_ effects: [Effect]) -> [Effect] {
        for effect in effects {
            switch effect {
            case .answer(let token, let answer): answers[token] = answer
            case .rejected(let rejection, _): rejections.append(rejection)
            case .changed(let row): states[row.id, default: []].append(row.state)
            case .work(let job): if case .unwrap = job.work { unwraps += 1 }
            case .watch(let address): watched.insert(address)
            case .leave(let address): watched.remove(address)
            case .call(let order): orders.append(order)
            case .bridge(.publish(let publication)): bridged.append(publication)
            case .bridge(.saved): saved += 1
            case .pipe(let order): pipeOrders.append(order)
            case .watchStates(let addresses, _): watchedStates.formUnion(addresses)
            case .leaveState(let address): watchedStates.remove(address)
            case .publish, .keep, .abandon, .standBack, .file: break
            }
        }
        return effects
    }

    /// A disk that fails is not asked all the time.
    func nextTick(_ now: Moment) -> Double {
        let next = (try? messenger.nextTick(after: now)) ?? now.lived + 3600
        return failedAt.map { max(next, $0 + 5) } ?? next
    }

    private var failedAt: Double?
    /// A turn could not be written down.
    private(set) var hasFailed = false

    /// A run of the daemon begins.
    func begin(_ boot: String, at: Double) {
        let last = ledger.state.values[.presenceAt].flatMap(Double.init) ?? 0
        start = (boot, at)
        ledger.state.values[.presenceAt] = String(at)
        let begin = Moment(wall: at, lived: 0)
        _ = handle(.started(boot: boot, at: at, last: last), at: begin)
        _ = handle(.presence(Presence(identities: [identity], boot: boot, at: at)), at: begin)
    }

    /// The power is cut and comes back: what is not in the books is gone.
    func restart() {
        let dice = dice
        let messenger = Messenger(book: book, ledger: ledger, policy: policy) { dice.next() }
        runner = TurnRunner(messenger: messenger, ledger: ledger, limit: 1)
        (watched, watchedStates) = ([], [])
        linked = []
    }

    func newToken() -> UInt64 {
        lastToken += 1
        return lastToken
    }

    func row(_ id: String) -> Outgoing? { ledger.outgoing(id: id) }

    /// Knows this entity well, as if both had written before.
    func befriend(_ other: Identity, isCulver: Bool = true, visa: Document? = nil, knowsUs: Bool = true) {
        book.apply(.contact(Contact(id: other.id, trust: .contact, isCulver: isCulver, knowsUs: knowsUs)))
        book.apply(.meta(other.meta, of: other.id))
        book.apply(.visa(visa ?? other.visa, of: other.id))
    }
}
