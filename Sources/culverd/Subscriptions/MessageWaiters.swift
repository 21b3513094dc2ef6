import Control
import Dispatch
import Format
import Records

/// Calls of `message.wait`: each is answered once, when its message has reached the state or its time is over.
@MainActor final class MessageWaiters {
    private struct Waiter {
        let number: UInt64
        let call: Call
        let id: String
        let until: DeliveryState
        let timer: any DispatchSourceTimer
        /// Why the message has not come farther, as far as that is known.
        var reason: String?

        func isMet(by row: Outgoing) -> Bool {
            row.state.isEnd || row.state == until || (until == .published && row.published != nil)
        }
    }

    private let loop: Loop
    private var waiters: [Waiter] = []
    private var lastNumber: UInt64 = 0

    init(loop: Loop) {
        self.loop = loop
    }

    /// `row`: as it is now. `timeout`: in seconds.
    func add(_ call: Call, for row: Outgoing, until state: DeliveryState, timeout: Double) {
        lastNumber += 1
        let timer = DispatchSource.makeTimerSource(queue: .main)
        let waiter = Waiter(
            number: lastNumber, call: call, id: row.id, until: state, timer: timer, reason: row.reason)
        timer.schedule(deadline: .now() + timeout)
        timer.setEventHandler { [weak self] in MainActor.assumeIsolated { self?.expire(waiter) } }
        timer.activate()
        waiters.append(waiter)
        if waiter.isMet(by: row) { finish(waiter, with: row) }
    }

    /// Answers the calls that waited for this. The connections of all that wait for the message, the answered ones
    /// among them.
    func changed(_ row: Outgoing) -> Set<ConnectionID> {
        var connections: Set<ConnectionID> = []
        for index in waiters.indices where waiters[index].id == row.id { waiters[index].reason = row.reason }
        for waiter in waiters where waiter.id == row.id {
            connections.insert(waiter.call.connection)
            if waiter.isMet(by: row) { finish(waiter, with: row) }
        }
        return connections
    }

    /// Whether a call waits for the message.
    func wait(for id: String) -> Bool { waiters.contains { $0.id == id } }

    func disconnected(_ connection: ConnectionID) {
        for waiter in waiters where waiter.call.connection == connection { waiter.timer.cancel() }
        waiters.removeAll { $0.call.connection == connection }
    }

    func fail(_ error: RPCError) {
        for waiter in waiters { fail(waiter, with: error) }
    }

    private func finish(_ waiter: Waiter, with row: Outgoing) {
        end(waiter)
        waiter.call.answer(.object(Rows.outgoing(row, names: loop.names.name)))
    }

    private func fail(_ waiter: Waiter, with error: RPCError) {
        end(waiter)
        waiter.call.fail(error)
    }

    private func end(_ waiter: Waiter) {
        waiter.timer.cancel()
        waiters.removeAll { $0.number == waiter.number }
    }

    private func expire(_ waiter: Waiter) {
        guard let waiter = waiters.first(where: { $0.number == waiter.number }) else { return waiter.timer.cancel() }
        let reason = waiter.reason.map { ": \($0)" } ?? ""
        fail(
            waiter,
            with: RPCError(
                exit: .notNow, reason: "timed-out", message: "the message is not \(waiter.until.rawValue) yet\(reason)",
                hint: "it is still accepted; do not send it again"))
    }
}
