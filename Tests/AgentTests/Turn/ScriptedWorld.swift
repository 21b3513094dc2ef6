import Agent
import Records
import TestSupport

/// A world for one turn runner, which writes down what it is told to do. Requests and chores are names; each asks for
/// an action of its name.
final class ScriptedWorld {
    typealias Runner = TurnRunner<String, String, String>

    let ledger = MemoryLedger()
    let book: MemoryBook
    var runner: Runner
    /// The steps and what was done in them, in order.
    private(set) var log: [String] = []
    /// Items that fail when they are carried out, by their words in `log`.
    var failing: Set<String> = []
    /// So many commits fail.
    var failingCommits = 0
    /// Carries out so many items of a turn and postpones the others.
    var patience = Int.max
    /// Key work that was begun, with the number of its turn, and what was left over by an input that was given up.
    private(set) var jobs: [(job: Job, turn: Int64)] = []
    private(set) var lateJobs: [Job] = []
    private(set) var retries: [(what: Runner.Retry, seconds: Double)] = []
    var now = Moment(wall: Pair.start, lived: 1000)
    /// Called between the decision and the commit.
    var onCommit: () -> Void = {}

    init(limit: Int = 256) {
        book = MemoryBook([People.moki])
        let dice = Dice(seed: 7)
        let messenger = Messenger(book: book, ledger: ledger, policy: Policy()) { dice.next() }
        runner = Runner(messenger: messenger, ledger: ledger, limit: limit)
    }

    /// One turn with these items.
    func turn(_ items: Runner.Item...) {
        for item in items { runner.add(item) }
        follow(runner.begin())
    }

    /// One turn with these items, up to and without its commit.
    func decide(_ items: Runner.Item...) {
        for item in items { runner.add(item) }
        guard case .run(let items) = runner.begin(), case .commit = run(items) else { return log.append("?") }
    }

    func commit() { follow(runner.committed(wrote: true)) }

    func takeLog() -> [String] {
        defer { log = [] }
        return log
    }

    func retry() {
        let all = retries
        retries = []
        for retry in all { runner.retry(retry.what) }
    }

    @discardableResult
    func finish(_ job: (job: Job, turn: Int64)) -> Bool { runner.take(job.job.done(), ofTurn: job.turn) }

    private func follow(_ first: Runner.Step) {
        let before = (ledger.state, book.state)
        var step = first
        while true {
            switch step {
            case .rest: return
            case .run(let items): step = run(items)
            case .commit(let begun, let turn):
                jobs += begun.map { ($0, turn) }
                onCommit()
                failingCommits -= 1
                log.append(failingCommits >= 0 ? "commit fails" : "commit")
                step = failingCommits >= 0 ? runner.failed(Self.error) : runner.committed(wrote: true)
            case .undo:
                log.append("undo")
                (ledger.state, book.state) = before
                step = runner.undone(at: now)
            case .letOut(let consequences):
                log += consequences.actions.map { "action \($0)" }
                log += (consequences.answers + consequences.effects).map(Self.words)
                lateJobs += consequences.jobs
                step = runner.next()
            case .refuse(let name, let error):
                log.append("refuse \(name): \(error)")
                step = runner.next()
            case .report(let error):
                log.append("report: \(error)")
                step = runner.next()
            case .later(let what, let seconds):
                retries.append((what, seconds))
                log.append("later \(Int(seconds))")
                step = runner.next()
            }
        }
    }

    private func run(_ items: [Runner.Item]) -> Runner.Step {
        log.append("run " + items.map(Self.words).joined(separator: ", "))
        var turn = runner.turn(at: now)
        for (index, item) in items.enumerated() {
            if index == patience {
                runner.postpone(from: index)
                break
            }
            do throws(LedgerError) {
                switch item {
                case .input(let input): try turn.handle(input)
                case .request(let name, _), .chore(let name), .duty(let name): turn.after(name)
                }
                if failing.contains(Self.words(item)) { throw Self.error }
            } catch {
                return runner.failed(error)
            }
        }
        return runner.ran(turn)
    }

    static let error = LedgerError("cannot write")

    private static func words(_ item: Runner.Item) -> String {
        switch item {
        case .input(.linked(let broker, _, _)): "linked \(broker)"
        case .input(.unlinked(let broker)): "unlinked \(broker)"
        case .input(.cancelled(_, let token)): "cancelled \(token)"
        case .input(.submitted): "submitted"
        case .input(.sealed): "sealed"
        case .input(.ticked): "ticked"
        case .input: "input"
        case .request(let name, _), .chore(let name), .duty(let name): name
        }
    }

    private static func words(_ effect: Effect) -> String {
        switch effect {
        case .answer(let token, .accepted): "accepted \(token)"
        case .answer(let token, .refused(let refusal)): "refused \(token) \(refusal.reason)"
        case .keep(_, let broker): "keep \(broker)"
        case .publish: "publish"
        case .changed: "changed"
        default: "effect"
        }
    }
}
