import Agent
import DIMP
import Records
import Store

@testable import culverd

/// A turn runner on real files: flat files, commit, answers, other effects. After each of these steps the process may end.
final class CrashBoard {
    typealias Chore = (inout Agent.Turn<Never>) throws -> Void
    typealias Item = Agent.WorkItem<Never, Chore>

    /// What the world does and sees.
    struct Outside {
        /// Called after everything that touches the disk or the outside; ends the board by throwing.
        var step: () throws -> Void
        /// Begins with key work of the turn with this number.
        var work: (Job, Int64) -> Void
        var perform: (Effect) throws -> Void
    }

    let directory: String
    private(set) var files: StateDirectory
    private(set) var store: MessageStore
    private(set) var book: Book
    private var runner: TurnRunner<Never, Chore, Never>

    init(_ directory: String, policy: Policy, time: Double) throws {
        self.directory = directory
        files = try StateDirectory(directory)
        store = try MessageStore(path: directory + "/" + Store.StatePath.messages)
        book = Book(facebook: try Facebook(files, time: time), keys: KeyStore(files))
        let messenger = Messenger(
            book: book, ledger: store, policy: policy, random: { UInt64.random(in: 0...(.max)) })
        runner = TurnRunner(messenger: messenger, ledger: store)
    }

    /// One turn with one item. The disk is sound here: an error is the test's.
    func turn(_ item: Item, at now: Moment, _ outside: Outside) throws {
        runner.add(item)
        try turn(at: now, outside)
    }

    /// One turn with the result of key work that an earlier turn began.
    func turn(_ result: Input, ofTurn number: Int64, at now: Moment, _ outside: Outside) throws {
        if runner.take(result, ofTurn: number) { try turn(at: now, outside) }
    }

    private func turn(at now: Moment, _ outside: Outside) throws {
        book.keys.lived = now.lived
        var step = runner.begin()
        while true {
            switch step {
            case .rest: return
            case .run(let items):
                var turn = runner.turn(at: now)
                for item in items {
                    switch item {
                    case .input(let input): try turn.handle(input)
                    case .chore(let body), .duty(let body): try body(&turn)
                    }
                }
                step = runner.ran(turn)
            case .commit(let jobs, let number):
                for job in jobs { outside.work(job, number) }
                step = runner.committed(wrote: try commit(outside))
            case .letOut(let consequences):
                for effect in consequences.answers + consequences.effects {
                    try outside.perform(effect)
                    try outside.step()
                }
                step = runner.next()
            case .undo, .report, .later: preconditionFailure("no turn fails here")
            }
        }
    }

    private func commit(_ outside: Outside) throws -> Bool {
        let changes = book.takeChanges()
        for change in changes {
            try files.perform(change)
            try outside.step()
        }
        guard store.hasChanges else { return !changes.isEmpty }
        try store.commit()
        try outside.step()
        return true
    }

    func nextTick(_ now: Moment) throws -> Double { try runner.messenger.nextTick(after: now) }
}
