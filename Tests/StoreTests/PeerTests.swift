import DIMP
import Records
import TestSupport
import Testing

@testable import Store

@Suite("Counters for each peer")
struct PeerTests {
    let scratch: Scratch

    init() throws {
        scratch = try Scratch()
    }

    private func counts(_ store: MessageStore) throws -> [ID: [Int64]] {
        let rows = try store.peers(limit: 100).rows
        return Dictionary(uniqueKeysWithValues: rows.map { ($0.did, [$0.sent, $0.receipted, $0.pending, $0.gaps]) })
    }

    @Test("each message counts once, however often its row is written, and a receipt counts once")
    func counted() throws {
        let store = try scratch.open()
        for state in [DeliveryState.waiting, .queued, .queued, .published, .delivered, .delivered] {
            try store.apply(.outgoing(outgoing("a", state: state, due: 5)))
            try store.commit()
        }
        try store.apply([
            .outgoing(outgoing("b", state: .queued)), .outgoing(outgoing("c", state: .queued)),
            .outgoing(outgoing("c", state: .expired)), .outgoing(outgoing("d", receiver: "other@C", state: .waiting)),
        ])
        #expect(try counts(store) == [.sample("hulk@A"): [3, 1, 1, 0], .sample("other@C"): [1, 0, 1, 0]])
        try store.commit()
        #expect(try counts(store) == [.sample("hulk@A"): [3, 1, 1, 0], .sample("other@C"): [1, 0, 1, 0]])
        #expect(try counts(scratch.open()) == [.sample("hulk@A"): [3, 1, 1, 0], .sample("other@C"): [1, 0, 1, 0]])
    }

    @Test("a receipt that comes after the expiry counts, and what went once to a stock peer is not pending")
    func late() throws {
        let store = try scratch.open()
        try store.apply([
            .outgoing(outgoing("a")), .outgoing(outgoing("a", state: .expired)),
            .outgoing(outgoing("a", state: .delivered)), .outgoing(outgoing("b")),
            .outgoing(outgoing("b", state: .published)),
        ])
        #expect(try counts(store) == [.sample("hulk@A"): [2, 1, 0, 0]])
    }

    @Test("gaps count for their peer, also when they share a row of the event table")
    func gaps() throws {
        let store = try scratch.open()
        for reason in ["2-3", "2-3", "7-7"] { try store.apply(.event(event(1_000, .gap, reason: reason))) }
        try store.apply(.event(event(1_000, .visa)))
        #expect(try counts(store) == [.sample("hulk@A"): [0, 0, 0, 3]])
    }

    @Test("a turn that is rolled back counts for nothing")
    func rolledBack() throws {
        let store = try scratch.open()
        try store.apply(.outgoing(outgoing("a")))
        try store.commit()
        try store.apply([.outgoing(outgoing("b")), .outgoing(outgoing("a", state: .delivered))])
        #expect(try counts(store) == [.sample("hulk@A"): [2, 1, 1, 0]])
        store.rollback()
        try store.apply(.outgoing(outgoing("c")))
        store.rollback()
        #expect(try counts(store) == [.sample("hulk@A"): [1, 0, 1, 0]])
    }

    @Test("ended rows that are pruned stay counted")
    func pruned() throws {
        let store = try scratch.open(.with { $0.endedAge = 10 })
        try store.apply(.outgoing(outgoing("a", state: .delivered)))
        _ = try store.prune(wall: 1_000, lived: 0)
        _ = try store.prune(wall: 2_000, lived: 100)
        #expect(try store.outgoing(id: "a") == nil)
        #expect(try counts(store) == [.sample("hulk@A"): [1, 1, 0, 0]])
    }

    @Test("the oldest is the first accepted that has not ended")
    func oldest() throws {
        let store = try scratch.open()
        for (id, created) in [("a", 100.0), ("b", 200), ("c", 300)] {
            var row = outgoing(id)
            row.created = created
            try store.apply(.outgoing(row))
        }
        #expect(try store.peers(limit: 9).rows.map(\.oldest) == [100])
        try store.apply(.outgoing(outgoing("a", state: .cancelled)))
        #expect(try store.peers(limit: 9).rows.map(\.oldest) == [200])
        for id in ["b", "c"] { try store.apply(.outgoing(outgoing(id, state: .delivered))) }
        #expect(try store.peers(limit: 9).rows.map(\.oldest) == [nil])
    }

    @Test("who has something pending comes first, then who has gaps; the rest is counted")
    func bounded() throws {
        let store = try scratch.open()
        for number in 0..<5 {
            try store.apply(.outgoing(outgoing("\(number)", receiver: "peer\(number)@A", state: .delivered)))
        }
        var gap = event(1, .gap)
        gap.did = .sample("peer3@A")
        try store.apply([.event(gap), .outgoing(outgoing("x", receiver: "peer4@A"))])
        let (rows, rest) = try store.peers(limit: 3)
        #expect(rows.map(\.did.name) == ["peer4", "peer3", "peer0"])
        #expect(rest == 2)
    }

    @Test("a file from before the counters begins with what its tables say")
    func migrated() throws {
        do {
            let old = try Database(path: scratch.path, name: "old")
            try Schema.migrate(old, steps: Array(Schema.steps.prefix(2)))
            for (id, receiver, state, living) in [
                ("a", "hulk@A", "delivered", 0), ("b", "hulk@A", "queued", 1), ("c", "hulk@A", "expired", 0),
                ("d", "carol@C", "waiting", 1),
            ] {
                try old.run(
                    """
                    INSERT INTO outbox (sn, sender, receiver, request, state, living, created, attempts, expires, size, id)
                    VALUES (1, '\(ID.sample("moki@B"))', ?1, x'01', ?2, ?3, 70, 0, 9000, 2, ?4)
                    """, [.id(.sample(receiver)), .text(state), .count(living), .text(id)])
            }
            try old.run(
                "INSERT INTO happenings (time, kind, level, did, count) VALUES (1, 'gap', 'w', '\(ID.sample("hulk@A"))', 2)"
            )
            try old.run(
                "INSERT INTO happenings (time, kind, level, did, count) VALUES (1, 'gap', 'w', '\(ID.sample("dave@D"))', 1)"
            )
        }
        let store = try scratch.open()
        #expect(
            try counts(store) == [
                .sample("hulk@A"): [3, 1, 1, 2], .sample("carol@C"): [1, 0, 1, 0], .sample("dave@D"): [0, 0, 0, 1],
            ])
        #expect(try store.peers(limit: 1).rows.first?.oldest == 70)
        #expect(try store.outboxSize().count == 2)
        try store.apply(.outgoing(outgoing("b", state: .delivered)))
        try store.commit()
        #expect(try counts(store)[.sample("hulk@A")] == [3, 2, 0, 2])
    }
}
