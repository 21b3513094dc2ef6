import Control
import DIMP
import Format
import Records
import Store

/// Connections that wait for answers to calls of this board. Each is told the answers in their order, from the first on,
/// those of an earlier connection as well.
@MainActor final class CallWaiters {
    private struct AnswerWaiter {
        var connection: ConnectionID
        /// Boards that were called and have not answered to the end.
        var open: Int
        var progress: [ID: Telling] = [:]
    }

    /// How far the answers of one board were told.
    private struct Telling {
        /// The next part; `nil` after the last.
        var next: Int64? = 0
        /// The last answer is there, and something before it is not.
        var hasGap = false
        /// It has waited for that long enough.
        var isImpatient = false
    }

    /// What ends all has this number or more (extensions.md 11).
    private static let lastPart: Int64 = 1 << 40
    /// Seconds for which the last answer waits for those before it: they may be on their way by another broker. What was lost
    /// before it was sealed never comes.
    private static let patience = 10.0

    private let store: MessageStore
    private let name: @MainActor (ID) -> String?
    private let notify: Notify
    /// Calls back after so many seconds, and then has `pump` called.
    private let later: @MainActor (Double, @escaping @MainActor () -> Void) -> Void
    private var waiters: [String: AnswerWaiter] = [:]
    /// Calls with something to tell.
    private var news: Set<String> = []

    init(
        store: MessageStore, name: @escaping @MainActor (ID) -> String?, notify: @escaping Notify,
        later: @escaping @MainActor (Double, @escaping @MainActor () -> Void) -> Void
    ) {
        self.later = later
        self.store = store
        self.name = name
        self.notify = notify
    }

    /// The last that asks is told. `boards`: how many were called.
    func wait(for call: String, of boards: Int, on connection: ConnectionID) {
        waiters[call] = AnswerWaiter(connection: connection, open: boards)
        news.insert(call)
    }

    func answered(_ call: String) { news.insert(call) }

    func disconnected(_ connection: ConnectionID) {
        waiters = waiters.filter { $0.value.connection != connection }
    }

    /// To be called between turns only.
    func pump() throws(LedgerError) {
        for call in news.sorted() where waiters[call] != nil {
            for sender in try store.answerers(of: call) { while try tell(call, of: sender) {} }
        }
        news = []
    }

    /// Tells the next answer of a board; says whether there may be another. What ended all is told even if something before
    /// it is missing: at once where nobody knows how many came before, else after a while.
    private func tell(_ call: String, of sender: ID) throws(LedgerError) -> Bool {
        guard let waiter = waiters[call] else { return false }
        let progress = waiter.progress[sender] ?? Telling()
        guard let next = progress.next, let answer = try store.answer(to: call, of: sender, from: next),
            var params = (try? JSON(parsing: answer.text))?.object
        else { return false }
        guard answer.part == next || answer.part >= Self.lastPart || progress.isImpatient else {
            try waitOut(call, of: sender)
            return false
        }
        params["call"] = .string(call)
        params["sender"] = .string(sender.text)
        if let name = name(sender) { params["name"] = .string(name) }
        guard notify(waiter.connection, "call.reply", .object(params)) else { return false }
        let isOver = params["final"]?.bool ?? false
        waiters[call]?.progress[sender, default: Telling()].next = isOver ? nil : answer.part + 1
        if isOver { waiters[call]?.open -= 1 }
        if let open = waiters[call]?.open, open <= 0 { waiters[call] = nil }
        return !isOver
    }

    private func waitOut(_ call: String, of sender: ID) throws(LedgerError) {
        guard waiters[call]?.progress[sender]?.hasGap != true, let last = try store.lastAnswer(to: call, of: sender),
            (try? JSON(parsing: last.text))?["final"]?.bool == true
        else { return }
        waiters[call]?.progress[sender, default: Telling()].hasGap = true
        later(Self.patience) { [self] in
            guard waiters[call]?.progress[sender]?.hasGap == true else { return }
            waiters[call]?.progress[sender]?.isImpatient = true
            news.insert(call)
        }
    }
}
