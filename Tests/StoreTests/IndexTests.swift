import DIMP
import Records
import TestSupport
import Testing

@testable import Store

/// That no question of the loop walks through a whole table, as SQLite itself plans it.
@Suite struct IndexTests {
    @Test("every statement that the store prepares is answered by an index, or reads a table that is small")
    func indexed() throws {
        let scratch = try Scratch()
        let store = try scratch.open()
        try exercise(store, in: scratch.directory)
        let statements = store.database.prepared.filter { sql in
            ["SELECT", "UPDATE", "DELETE", "WITH"].contains { sql.hasPrefix($0) }
        }
        #expect(statements.count > 50)
        for sql in statements {
            // Bound to nothing: the plan does not look at values.
            let plan = try store.database.rows("EXPLAIN QUERY PLAN \(sql)") { $0.text(3) }
            let scans = plan.filter { $0.hasPrefix("SCAN") && !isSmall($0, sql) }
            #expect(scans.isEmpty, "\(sql)\n\(plan)")
            // What is sorted is read to the end first; parked messages, peers, pipes and the like events of a
            // minute are few.
            let isSorted = plan.contains { $0.contains("TEMP B-TREE") }
            #expect(
                !isSorted || sql.contains("FROM parked") || sql.contains("FROM peers")
                    || sql.contains("FROM pipes") || sql.contains("FROM happenings"), "\(sql)\n\(plan)")
        }
    }

    /// One row each, few rows each, a part with a limit of its own, or an index that holds only what is asked for. The sums are counted once, at the start.
    private func isSmall(_ step: String, _ sql: String) -> Bool {
        let small = [
            "CONSTANT ROW", "sqlite_sequence", "sqlite_master", "consumers", "SCAN c", "SCAN awaited", "SCAN a",
            "seen_owed", "peers", "SCAN (subquery", "inbox_expired", "call_audit", "bridged_sent", "SCAN pipes",
        ]
        return small.contains { step.contains($0) }
            || sql.hasPrefix("SELECT count(*), coalesce(sum(\(Database.size)), 0)")
            || sql.hasPrefix("SELECT coalesce(sum(\(Database.size)), 0) FROM shipments")
            || sql.hasPrefix("SELECT kind, count(*)") || sql.hasPrefix("SELECT bridge, inward, count(*)")
            // Once in the life of a file.
            || sql.hasPrefix("UPDATE outbox SET digest = NULL")
    }

    /// Asks everything once.
    private func exercise(_ store: MessageStore, in directory: String) throws {
        try store.apply(.outgoing(outgoing("a", ref: "r", state: .delivered)))
        try store.apply(.outgoing(outgoing("a", ref: "r", state: .delivered)))
        try store.apply(sealed(1, [outgoing("s"), outgoing("t")], sn: 1))
        let sealed = try store.outgoing(shipment: 1)
        for state in [DeliveryState.published, .delivered] {
            var next = sealed[0]
            (next.state, next.due) = (state, state.isEnd ? nil : 1)
            try store.apply(.moved(from: sealed[0], to: next))
            try store.apply(.outgoing(next))
        }
        try store.apply(.attempted(shipment(1, of: [])))
        var bridged = BridgedMessage(
            bridge: "b", direction: .out, topic: "t", payload: [1], qos: 1, isRetained: false)
        try store.apply(.bridged(bridged))
        bridged = try #require(try store.bridged(bridge: "b", direction: .out, topic: "t"))
        try store.apply(.bridged(bridged))
        _ = try store.readyBridged(bridge: "b", direction: .out, limit: 1)
        _ = try store.sentBridged()
        try store.apply(.bridgedEnded(place: bridged.place))
        try store.apply(.forgetBridge("b"))
        try store.apply(.accepted(accepted([1], time: nil)))
        try store.apply(.receipted(owner: .sample("A"), sender: .sample("B"), digest: [1]))
        try store.apply(.forgetAccepted(owner: .sample("A"), sender: .sample("B")))
        try store.apply(.park(parked(1)))
        try store.apply(.unpark(number: 1))
        try store.apply(.unparkAll(sender: .sample("X")))
        try store.apply(.event(event(1)))
        try store.apply(.event(event(1)))
        try store.apply(.incoming(incoming("e", subject: "a/b", expires: 5)))
        try store.expireInbox(at: 6)
        try store.apply(.value(.wall, "v"))
        try store.apply(.value(.wall, nil))
        _ = try (store.value(.wall), store.values(.windows))
        try store.apply(.forgetValues(.streams))
        let key = ServedCall.Name(caller: .sample("A"), call: "c")
        for answer in [nil, "{}"] {
            try store.apply(
                .served(ServedCall(key: key, owner: .sample("B"), command: "x", deadline: 5, answer: answer)))
        }
        try store.apply(
            .calling(Calling(call: "c", sender: .sample("B"), receiver: .sample("A"), request: "", deadline: 5)))
        try store.apply(.answered(CallAnswer(call: "c", sender: .sample("A"), part: 0, text: "{}")))
        try store.apply(.audit(AuditLine([:], after: store.lastAudit())))
        try store.commit()
        _ = try store.write(to: AuditFile(in: directory))
        let pipe = PipeRecord.PipeKey(owner: .sample("A"), peer: .sample("B"), name: "p")
        for state in [PipeRecord.State.open, .over] {
            try store.apply(.pipe(PipeRecord(key: pipe, owner: .sample("A"), peer: .sample("B"), state: state)))
            try store.apply(.piece(PipePiece(pipe: pipe, number: 1, data: [1])))
        }
        _ = try (store.pipe(pipe), store.pipe(output: "a"), store.piece(1, of: pipe), store.pipes())
        _ = try store.openPipes(owner: .sample("A"), peer: .sample("B"))
        try store.apply(.forgetPipe(pipe))
        try ask(store)
        _ = try store.prune(wall: 1e10, lived: 1e10)
    }

    private func ask(_ store: MessageStore) throws {
        _ = try store.outgoing(id: "a")
        _ = try store.outgoing(sender: .sample("A"), receiver: .sample("B"), group: nil, ref: "r")
        _ = try (store.outgoing(message: "a"), store.shipment(digest: [1], receiver: .sample("B")))
        _ = try (
            store.shipment(1), store.shipment(digest: [1]), store.shipments(sn: 1, receiver: .anyone),
            store.ciphertext(of: 1)
        )
        _ = try store.shipment(signature: [1], receiver: .sample("B"), ids: "a"..<"b")
        _ = try (store.outgoing(shipment: 1), store.dueShipments(at: 1, limit: 1))
        _ = try (store.heldShipments(receiver: .sample("B"), wasSent: true, limit: 1), store.heldReceivers(limit: 1))
        _ = try store.dueOutgoing(at: 1, limit: 1)
        _ = try store.expiredOutgoing(at: 1, limit: 1)
        _ = try store.waitingOutgoing(receiver: .sample("B"), after: 0, limit: 1)
        _ = try store.awaitedReceivers(limit: 1)
        _ = try (store.nextDue(), store.nextExpiry(), store.outboxStates(), store.newestSequence)
        for state in [DeliveryState.queued, nil] {
            _ = try (store.outbox(state: state, limit: 1), store.outbox(state: state, start: 1, limit: 1))
        }
        _ = try store.peers(limit: 1)
        _ = try (store.incoming(id: "a"), store.incoming(seq: 1))
        for filter in [
            InboxFilter(), InboxFilter(sender: .sample("A")), InboxFilter(receiver: .sample("A")),
            InboxFilter(group: .sample("A")),
            InboxFilter(type: 1), InboxFilter(subject: SubjectFilter("a/b")),
            InboxFilter(subject: SubjectFilter("a/#")),
        ] {
            _ = try (store.inbox(limit: 1, filter: filter), store.inbox(start: 1, limit: 1, filter: filter))
            try store.put(Consumer(name: "c", uid: 1, cursor: 0, filter: filter, created: 1))
            _ = try store.next(for: "c", after: 0, limit: 1)
            _ = try store.consumers().map(store.pending)
            _ = try store.acknowledge(consumer: "c", seq: 1)
            _ = try store.fail(consumer: "c", at: 1)
        }
        _ = try store.forget(consumer: "c")
        _ = try store.accepted(owner: .sample("A"), sender: .sample("B"), digest: [1])
        _ = try store.accepted(owner: .sample("A"), sender: .sample("B"), contentDigest: [1])
        _ = try store.owedReceipts(limit: 1)
        _ = try store.parked(sender: .sample("X"), isVerified: true, after: 0, limit: 1)
        _ = try store.parkedSenders(isVerified: true, limit: 1)
        _ = try (store.parkedCount(isVerified: true), store.parkedCount(sender: .sample("X"), isVerified: true))
        _ = try (store.events(limit: 1), store.events(start: 1, limit: 1))
        let key = ServedCall.Name(caller: .sample("A"), call: "c")
        _ = try (store.servedCall(key), store.servedCalls(of: key.caller), store.begunCalls())
        _ = try (store.answeredCalls(deadlineAfter: 0), store.calling("c"), store.answerers(of: "c"))
        _ = try store.answer(to: "c", of: key.caller, from: 0)
        _ = try store.lastAnswer(to: "c", of: key.caller)
        _ = try store.hasRoom(for: CallAnswer(call: "c", sender: key.caller, part: 1, text: ""), isFinal: true)
    }

    @Test("an inbox full of unread messages is not searched")
    func full() throws {
        let scratch = try Scratch()
        let store = try scratch.open(.with { $0.inboxRows = 1 })
        try store.apply(.incoming(incoming("a")))
        try store.put(Consumer(name: "c", uid: 1, cursor: 0, created: 1))
        #expect(try !store.inboxHasRoom(rows: 1, bytes: 1))
        let sql = try #require(
            store.database.prepared.first { $0.hasPrefix("SELECT seq, \(Database.size) FROM inbox") })
        let plan = try store.database.rows("EXPLAIN QUERY PLAN \(sql)") { $0.text(3) }
        #expect(plan.contains { $0.hasPrefix("SEARCH inbox") }, "\(plan)")
    }
}
