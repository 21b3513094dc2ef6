import Control
import DIMP
import Format
import Records
import Store
import System

/// Every connection that is told of something without asking again: consumers of the inbox, those that look on, calls that
/// wait for a message, senders of messages, watchers of events, calls that wait for their answers, and programs with a pipe
/// open.
///
/// Owns the seven and says in which order they are asked. Hears what changed, which connection has gone, and the end.
@MainActor final class Subscriptions {
    let consumers: Consumers
    let inbox: InboxWatchers
    let waiters: MessageWaiters
    let senders = MessageSenders()
    let events: EventWatchers
    let calls: CallWaiters
    let pipes: PipePrograms

    private let loop: Loop
    private let notify: Notify

    init(loop: Loop, notify: @escaping Notify) throws(LedgerError) {
        self.loop = loop
        self.notify = notify
        consumers = try Consumers(
            store: loop.store, name: { loop.names.name(of: $0) }, isMuted: { loop.names.isMuted($0) }, notify: notify)
        inbox = InboxWatchers(
            store: loop.store,
            row: { Rows.incoming($0, names: loop.names.name, isMuted: loop.names.isMuted) }, notify: notify)
        waiters = MessageWaiters(loop: loop)
        events = EventWatchers(store: loop.store, notify: notify)
        calls = CallWaiters(store: loop.store, name: { loop.names.name(of: $0) }, notify: notify) { seconds, action in
            MainQueue.after(seconds) {
                action()
                loop.wake()
            }
        }
        pipes = PipePrograms(loop: loop, notify: notify)
    }

    /// An outgoing row changed: those hear of it that wait for it, that sent it, and that watch messages.
    func changed(_ changed: Outgoing) {
        guard let row = message(of: changed) else { return }
        var listeners = events.connections(watching: .message)
        // A row that was not on disk before is queued as the answer to its sender says.
        if row.order > 0 || row.state != .queued { listeners.formUnion(senders.connections(of: row.id)) }
        listeners.formUnion(waiters.changed(row))
        if row.state.isEnd { senders.ended(row.id, toldTo: listeners) }
        guard !listeners.isEmpty else { return }
        var params: JSONObject = ["id": .string(row.id), "state": .string(row.state.rawValue)]
        if let reason = row.reason { params["reason"] = .string(reason) }
        for connection in listeners { _ = notify(connection, "message.state", .object(params)) }
    }

    /// Of a message to a group all members' rows as one, if anybody waits for news of it.
    private func message(of row: Outgoing) -> Outgoing? {
        guard row.recipient.group != nil else { return row }
        let id = row.messageID
        guard
            !events.connections(watching: .message).isEmpty || !senders.connections(of: id).isEmpty
                || waiters.wait(for: id)
        else { return nil }
        do {
            return Outgoing.message(of: try loop.store.outgoing(message: id))
        } catch {
            loop.log(.error, "cannot read the message \(id): \(error)")
            return nil
        }
    }

    /// Events of a committed turn.
    func happened(_ rows: [EventRecord]) { events.tell(rows) }

    /// To be called between turns only: what was not told yet is, as far as windows and sockets take it.
    func pump() {
        do {
            let now = loop.clock.now
            if now.isClockSet { try loop.store.expireInbox(at: now.wall) }
            try consumers.pump()
            try inbox.pump()
            try calls.pump()
            try pipes.pump()
        } catch {
            loop.log(.error, "cannot read the inbox: \(error)")
        }
        // The pump may have moved cursors; they are written with a turn of their own.
        if loop.store.hasChanges { loop.wake() }
        events.pump()
    }

    func disconnected(_ connection: ConnectionID) {
        consumers.disconnected(connection)
        inbox.disconnected(connection)
        events.disconnected(connection)
        calls.disconnected(connection)
        pipes.disconnected(connection)
        waiters.disconnected(connection)
        senders.disconnected(connection)
    }

    /// The identities of this board move elsewhere: nothing comes any more.
    func retire() {
        consumers.closeAll(reason: "retired")
        inbox.closeAll(reason: "retired")
        waiters.fail(.retiring)
    }

    /// The daemon ends.
    func stop() {
        waiters.fail(.stopping)
    }
}

/// Sends a notification with its method and parameters; `false` when it was not taken, because the connection is closed
/// or has unread ones enough.
typealias Notify = @MainActor (ConnectionID, String, JSON) -> Bool
