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
    private(set) var messenger: Messenger

    var answers: [UInt64: Answer] = [:]
    var rejections: [Rejection] = []
    /// Jobs that need a private key to open something.
    var unwraps = 0
    /// Every state that a row was announced with.
    var states: [String: [DeliveryState]] = [:]
    var ticks = 0
    private var lastToken: UInt64 = 0

    /// What the world reads: subscriptions, brokers, the clock.
    var watched: Set<Address> = []
    var linked: Set<String> = []
    var isClockSet = true
    /// This run, as it states itself; none for tests without presence.
    private(set) var start: (boot: String, at: Double)?
    /// Seconds by which the clock is wrong.
    var clockError = 0.0
    /// What brokers said and could not be written down: it waits in order, as in the daemon's loop.
    private(set) var owed: [Input] = []
    /// Hears nothing.
    var isSilent = false

    init(_ identities: [Identity], policy: Policy = Policy(), seed: UInt64 = 1) {
        self.identities = identities
        book = MemoryBook(identities)
        dice = Dice(seed: seed)
        let dice = dice
        messenger = Messenger(book: book, ledger: ledger, policy: policy) { dice.next() }
    }

    var identity: Identity { identities[0] }
    var id: ID { identity.id }
    var policy: Policy {
        get { messenger.policy }
        set { messenger.policy = newValue }
    }
    var inbox: [Incoming] { ledger.state.incoming }
    var texts: [String] { inbox.compactMap { try? JSON(parsing: $0.content)["text"]?.string } }

    /// Now, by this board's clock. One that is not set begins at 0.
    func moment(_ now: Moment) -> Moment {
        Moment(wall: now.wall + clockError, isClockSet: isClockSet, lived: now.lived)
    }

    func takeOwed() -> [Input] {
        defer { owed = [] }
        return owed
    }

    /// One turn. When it cannot be written down, nothing of it happened.
    func handle(_ input: Input, at now: Moment) -> [Effect] {
        if !owed.isEmpty, input.isOwed {
            owed.append(input)
            return []
        }
        let before = (ledger.state, book.state, messenger)
        book.lived = now.lived
        do throws(LedgerError) {
            let effects = try messenger.handle(input, at: now)
            failedAt = nil
            return listen(effects)
        } catch {
            (ledger.state, book.state, messenger) = before
            failedAt = now.lived
            hasFailed = true
            guard !input.isOwed else {
                owed.append(input)
                return []
            }
            return listen(messenger.giveUp(input, because: error, at: now))
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
            case .publish, .keep, .abandon, .state, .standBack: break
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
        let last = ledger.state.values["presence at"].flatMap(Double.init) ?? 0
        start = (boot, at)
        ledger.state.values["presence at"] = String(at)
        _ = handle(.started(boot: boot, at: at, last: last), at: Moment(wall: at, lived: 0))
    }

    /// The power is cut and comes back: what is not in the books is gone.
    func restart() {
        let dice = dice
        messenger = Messenger(book: book, ledger: ledger, policy: policy) { dice.next() }
        owed = []
        watched = []
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

extension Input {
    /// What a broker said is said once.
    fileprivate var isOwed: Bool {
        switch self {
        case .linked, .unlinked, .acknowledged, .room: true
        default: false
        }
    }
}
