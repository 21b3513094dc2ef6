import Records
import TestSupport
import Testing

@testable import Store

/// What one message costs the database, counted in steps of SQLite's own machine.
@Suite("The cost of a message does not grow") struct FlatnessTests {
    private func bytes(_ number: Int) -> [UInt8] {
        [UInt8(number >> 16), UInt8(number >> 8 & 255), UInt8(number & 255)]
    }

    /// A store that has sent and received so many messages: all ended, read and receipted.
    private func filled(_ scratch: Scratch, _ count: Int) throws -> MessageStore {
        let store = try scratch.open()
        try store.put(Consumer(name: "c", uid: 1, cursor: 0, created: 1))
        for number in 0..<count {
            try send(outgoing("o\(number)", sn: Int64(number), ref: "r\(number)"), data: bytes(number), to: store)
            try deliver("o\(number)", in: store)
            try store.apply(.incoming(incoming("i\(number)")))
            try store.apply(.accepted(accepted(bytes(number), contentDigest: bytes(number), isOwed: false)))
            try store.apply(.event(event(Double(number) * 100)))
        }
        _ = try store.acknowledge(consumer: "c", seq: Int64(count))
        try store.commit()
        while try store.prune(wall: 1_001, lived: 1) {}
        try store.commit()
        return store
    }

    private func send(_ row: Outgoing, data: [UInt8], to store: MessageStore) throws {
        let number = try store.nextShipment()
        try store.apply(sealed(number, [row], data: data, sn: row.sn, due: 5))
    }

    private func deliver(_ id: String, in store: MessageStore) throws {
        let row = try #require(try store.outgoing(id: id))
        var delivered = row
        (delivered.state, delivered.due, delivered.delivered) = (.delivered, nil, 1_000)
        try store.apply(.moved(from: row, to: delivered))
    }

    /// What a turn asks of the outbox.
    private func ask(_ store: MessageStore) throws {
        let row = try #require(try store.outgoing(id: "new"))
        if let number = row.shipment {
            _ = try (store.outgoing(shipment: number), store.shipment(number), store.ciphertext(of: number))
        }
        _ = try store.shipment(digest: [9, 9, 9, 9, 9])
        _ = try (
            store.shipment(digest: [9], receiver: .sample("hulk@A")),
            store.shipments(sn: 1 << 20, receiver: .sample("hulk@A"))
        )
        _ = try store.outgoing(sender: .sample("moki@B"), receiver: .sample("hulk@A"), group: nil, ref: "new")
        _ = try store.outgoing(message: "new")
        _ = try store.waitingOutgoing(receiver: .sample("hulk@A"), after: 0, limit: 16)
        _ = try store.awaitedReceivers(limit: 16)
        _ = try (store.dueOutgoing(at: 10, limit: 16), store.dueShipments(at: 10, limit: 16))
        _ = try store.expiredOutgoing(at: 10, limit: 16)
        _ = try (store.nextDue(), store.nextExpiry(), store.outboxSize())
        try store.commit()
    }

    /// One message out and one in, each to its end, and what a turn asks beside it.
    private func exchange(_ store: MessageStore) throws {
        try store.apply(.outgoing(outgoing("new", sn: 1 << 20, ref: "new", state: .waiting, due: 5)))
        try ask(store)
        let row = try #require(try store.outgoing(id: "new"))
        try send(row, data: [9, 9, 9, 9], to: store)
        try ask(store)
        let sealed = try #require(try store.outgoing(id: "new"))
        var published = sealed
        published.state = .published
        try store.apply(.moved(from: sealed, to: published))
        try ask(store)
        try deliver("new", in: store)
        try ask(store)
        _ = try store.accepted(owner: .sample("B"), sender: .sample("A"), digest: [7, 7, 7, 7])
        _ = try store.accepted(owner: .sample("B"), sender: .sample("A"), contentDigest: [7, 7, 7, 7])
        #expect(try store.inboxHasRoom(rows: 1, bytes: 100))
        try store.apply(.incoming(incoming("new")))
        try store.apply(.accepted(accepted([7, 7, 7, 7], contentDigest: [7, 7, 7, 7])))
        #expect(try store.owedReceipts(limit: 16).count == 1)
        try store.apply(.accepted(accepted([7, 7, 7, 7], contentDigest: [7, 7, 7, 7], isOwed: false)))
        try store.apply(.value(.wall, "1"))
        try store.commit()
        let seq = store.newestSequence
        #expect(try store.next(for: "c", after: seq - 1, limit: 32).messages.count == 1)
        #expect(try store.acknowledge(consumer: "c", seq: seq) == seq)
        try store.commit()
    }

    @Test("with four thousand messages stored each statement takes the steps that it takes with four")
    func flat() throws {
        let (few, many) = (try Scratch(), try Scratch())
        let (small, large) = (try filled(few, 4), try filled(many, 4_000))
        for store in [small, large] { _ = store.database.takeSteps() }
        try exchange(small)
        try exchange(large)
        let (before, after) = (small.database.takeSteps(), large.database.takeSteps())
        #expect(before.count > 25)
        for (sql, steps) in after {
            // A page more or less on the way down is no step; nothing else may differ.
            #expect(steps <= (before[sql] ?? 0) + 8, "\(sql)")
        }
    }

    @Test("status asks for the oldest message of the peers that it shows, and looks at no event but the warnings")
    func status() throws {
        let scratch = try Scratch()
        let store = try filled(scratch, 0)
        for number in 0..<3_000 {
            try store.apply(.outgoing(outgoing("o\(number)", receiver: "p\(number)@A", state: .delivered)))
            try store.apply(.event(event(Double(number) * 100)))
        }
        try store.commit()
        _ = store.database.takeSteps()
        let (rows, rest) = try store.peers(limit: 10)
        #expect(rows.count == 10 && rest == 2_990)
        _ = try store.problems(limit: 100)
        let steps = store.database.takeSteps()
        // Sorting looks at each peer once.
        #expect(steps.filter { $0.key.contains("FROM peers") }.values.reduce(0, +) < 3_000 * 40)
        #expect(steps.filter { $0.key.contains("level IN") }.values.reduce(0, +) < 100)
    }
}
