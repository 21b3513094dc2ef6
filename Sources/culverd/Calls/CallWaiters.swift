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
        var next: Int64 = 0
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

    /// The last that asks is told.
    func wait(for call: String, on connection: ConnectionID) {
        waiters[call] = AnswerWaiter(connection: connection)
        news.insert(call)
    }

    func answered(_ call: String) { news.insert(call) }

    func disconnected(_ connection: ConnectionID) {
        waiters = waiters.filter { $0.value.connection != connection }
    }

    /// To be called between turns only.
    func pump() throws(LedgerError) {
        for call in news.sorted() {
            while try tell(call) {}
        }
        news = []
    }

    /// Tells the next answer; says whether there may be another. What ended all is told even if something before it is
    /// missing: at once where nobody knows how many came before, else after a while.
    private func tell(_ call: String) throws(LedgerError) -> Bool {
        guard let waiter = waiters[call],
            let answer = try store.answers(to: call, from: waiter.next, limit: 1).first,
            var params = (try? JSON(parsing: answer.text))?.object
        else { return false }
        guard answer.part == waiter.next || answer.part >= Self.lastPart || waiter.isImpatient else {
            try waitOut(call)
            return false
        }
        params["call"] = .string(call)
        params["sender"] = .string(answer.sender.text)
        if let name = name(answer.sender) { params["name"] = .string(name) }
        guard notify(waiter.connection, "call.reply", .object(params)) else { return false }
        let isOver = params["final"]?.bool ?? false
        waiters[call]?.next = answer.part + 1
        if isOver { waiters[call] = nil }
        return !isOver
    }

    private func waitOut(_ call: String) throws(LedgerError) {
        guard waiters[call]?.hasGap == false, let last = try store.lastAnswer(to: call),
            (try? JSON(parsing: last.text))?["final"]?.bool == true
        else { return }
        waiters[call]?.hasGap = true
        later(Self.patience) { [self] in
            guard waiters[call]?.hasGap == true else { return }
            waiters[call]?.isImpatient = true
            news.insert(call)
        }
    }
}
