import DIMP
import Records
import TestSupport
import Testing

@testable import Store

/// What `Ledger` promises, kept by each of its implementations.
@Suite struct LedgerContract {
    enum Kind: CaseIterable {
        case memory, store
    }

    private let scratch: Scratch

    init() throws {
        scratch = try Scratch()
    }

    private func ledger(_ kind: Kind, _ changes: [Change] = []) throws -> any Ledger {
        let ledger: any Ledger =
            switch kind {
            case .memory: MemoryLedger()
            case .store: try scratch.open()
            }
        for change in changes { try ledger.apply(change) }
        return ledger
    }

    // MARK: - Outbox

    @Test("a new row gets a greater order than all before, a replaced one keeps its own", arguments: Kind.allCases)
    func order(kind: Kind) throws {
        let ledger = try ledger(kind, [.outgoing(outgoing("a")), .outgoing(outgoing("b"))])
        let first = try #require(try ledger.outgoing(id: "a"))
        #expect(first.order > 0)
        try ledger.apply(.outgoing(outgoing("a", state: .published)))
        let second = try #require(try ledger.outgoing(id: "b"))
        #expect(second.order > first.order)
        #expect(try ledger.outgoing(id: "a")?.order == first.order)
        #expect(try ledger.outgoing(id: "a")?.state == .published)
        #expect(try ledger.outgoing(id: "c") == nil)
    }

    @Test("a row is read as it was written, whatever its body and its recipient", arguments: Kind.allCases)
    func whole(kind: Kind) throws {
        let ledger = try ledger(kind)
        var row = outgoing("a", ref: "r", due: 4.5)
        (row.reason, row.published, row.delivered, row.attempts) = ("nobody-subscribed", 1.5, 2.5, 1 << 40)
        row.recipient = .member(.sample("hulk@A"), of: .sample("crew@G"))
        row.priority = .bulk
        for body in [.content("{}"), .none] as [Outgoing.RowBody] {
            row.body = body
            try ledger.apply(.outgoing(row))
            row.order = try #require(try ledger.outgoing(id: "a")).order
            #expect(try ledger.outgoing(id: "a") == row)
        }
    }

    // MARK: - Calls

    @Test("answers of one call find room up to a number, and the last of them beyond it", arguments: Kind.allCases)
    func roomForAnswers(kind: Kind) throws {
        let ledger = try ledger(kind)
        func answer(_ part: Int64, to call: String = "c1") -> CallAnswer {
            CallAnswer(call: call, sender: .sample("hulk@A"), part: part, text: "{}")
        }
        for part in 0..<Int64(4_095) {
            #expect(try ledger.hasRoom(for: answer(part), isFinal: false))
            try ledger.apply(.answered(answer(part)))
        }
        #expect(try !ledger.hasRoom(for: answer(4_095), isFinal: false))
        #expect(try ledger.hasRoom(for: answer(4_095), isFinal: true))
        #expect(try ledger.hasRoom(for: answer(0, to: "c2"), isFinal: false))
        try ledger.apply(.answered(answer(4_095)))
        #expect(try !ledger.hasRoom(for: answer(4_096), isFinal: true))
    }

    @Test("calls are counted for each of their callers", arguments: Kind.allCases)
    func servedCalls(kind: Kind) throws {
        let ledger = try ledger(kind)
        for (caller, count) in [("hulk@A", 3), ("moki@B", 1)] {
            for number in 0..<count {
                let key = ServedCall.Name(caller: .sample(caller), call: "c\(number)")
                try ledger.apply(.served(ServedCall(key: key, owner: .sample("O@O"), command: "x", deadline: 5)))
            }
        }
        #expect(ledger.servedCalls == 4)
        #expect(try ["hulk@A", "moki@B", "D@D"].map { try ledger.servedCalls(of: .sample($0)) } == [3, 1, 0])
    }

    // MARK: - Bridges

    private func bridged(_ topic: String, _ bridge: String = "home", direction: BridgedMessage.Way = .out)
        -> BridgedMessage
    {
        BridgedMessage(bridge: bridge, direction: direction, topic: topic, payload: [0, 255], qos: 2, isRetained: true)
    }

    @Test(
        "a message of a bridge is read as it was written, and goes when none of its topic does",
        arguments: Kind.allCases)
    func bridges(kind: Kind) throws {
        let outgoing: [Change] = ["a", "b", "a"].map { .bridged(bridged($0)) }
        let others: [Change] = [
            .bridged(bridged("a", "other")), .bridged(bridged("a", direction: .inward)),
            .bridged(bridged("a", direction: .inward)),
        ]
        let ledger = try ledger(kind, outgoing + others)
        func ready(_ direction: BridgedMessage.Way = .out) throws -> [BridgedMessage] {
            try ledger.readyBridged(bridge: "home", direction: direction, limit: 9)
        }
        #expect(try ready().map(\.topic) == ["a", "b"] && ready(.inward).count == 2)
        #expect(try ledger.readyBridged(bridge: "home", direction: .out, limit: 1).count == 1)
        #expect(ledger.bridgedSize(bridge: "home", direction: .out) == (3, 9))
        #expect(ledger.bridgesWithRows.sorted() == ["home", "other"])
        var first = try #require(try ready().first)
        var written = bridged("a")
        written.place = first.place
        #expect(first == written && first.place > 0)
        let newest = try #require(try ledger.bridged(bridge: "home", direction: .out, topic: "a"))
        #expect(newest.place > first.place)
        // The first is sent, and a newer one takes the place of the last.
        first.sent = 1
        try ledger.apply(.bridged(first))
        var newer = newest
        (newer.payload, newer.version) = ([1], 2)
        try ledger.apply(.bridged(newer))
        #expect(try ready().map(\.topic) == ["b"] && ledger.sentBridged() == [first])
        #expect(ledger.bridgedSize(bridge: "home", direction: .out) == (3, 8))
        try ledger.apply(.bridgedEnded(place: first.place))
        #expect(try ready().map(\.place).contains(newer.place) && ledger.bridged(place: first.place) == nil)
        #expect(try ledger.bridged(place: newer.place) == newer && ledger.sentBridged().isEmpty)
        // The outbox did not take it.
        newer.sent = 2
        try ledger.apply(.bridged(newer))
        newer.sent = nil
        try ledger.apply(.bridged(newer))
        #expect(try ready().contains(newer))
        try ledger.apply(.forgetBridge("home"))
        #expect(try ready().isEmpty && ready(.inward).isEmpty && ledger.bridgesWithRows == ["other"])
        #expect(ledger.bridgedSize(bridge: "home", direction: .out) == (0, 0))
    }

    // MARK: - Shipments

    @Test(
        "a shipment and its rows are read as they were written, what it decides in each of them",
        arguments: Kind.allCases)
    func shipments(kind: Kind) throws {
        let ledger = try ledger(kind, [.outgoing(outgoing("a", state: .waiting, due: 1))])
        var waited = try #require(try ledger.outgoing(id: "a"))
        waited.state = .queued
        try ledger.apply(sealed(3, [waited, outgoing("b")], data: [1, 2], due: 5))
        let rows = try ledger.outgoing(shipment: 3)
        #expect(rows.map(\.id) == ["a", "b"])
        #expect(rows.map(\.order) == [waited.order, rows[1].order] && rows[1].order > waited.order)
        #expect(rows.allSatisfy { $0.due == 5 && $0.attempts == 0 && $0.state == .queued && $0.content == nil })
        var known = shipment(3, of: rows, data: [1, 2], due: 5)
        #expect(try ledger.shipment(3) == known)
        #expect(try ledger.ciphertext(of: 3) == Shipment.Ciphertext(data: [1, 2], iv: [8], key: "{\"k\":1}"))
        #expect(try ledger.nextShipment() == 4)
        (known.attempts, known.due, known.group) = (7, 9, nil)
        try ledger.apply(.attempted(known))
        #expect(try ledger.shipment(3) == known)
        #expect(try ledger.outgoing(id: "b")?.attempts == 7)
        #expect(try ledger.outgoing(id: "b")?.due == 9)
        #expect(try (ledger.shipment(4), ledger.ciphertext(of: 4)) == (nil, nil))
    }

    @Test("a shipment without much in it, and one for a group, is read as it was written", arguments: Kind.allCases)
    func bareShipment(kind: Kind) throws {
        var bare = shipment(1, of: [])
        (bare.type, bare.time, bare.group) = (nil, nil, .sample("crew@G"))
        bare.wantsSignedReceipt = true
        let body = Shipment.Ciphertext(data: [0], iv: nil, key: nil)
        let ledger = try ledger(kind, [.sealed(bare, body, [pointing(outgoing("a"), to: 1)])])
        #expect(try ledger.shipment(1) == bare)
        #expect(try ledger.ciphertext(of: 1) == body)
    }

    @Test("rows of a shipment that have one state change together, and the others stay", arguments: Kind.allCases)
    func moved(kind: Kind) throws {
        let ledger = try ledger(
            kind, [sealed(1, ["a", "b", "c"].map { outgoing($0) }), sealed(2, [outgoing("other")], data: [2])])
        let rows = try ledger.outgoing(shipment: 1)
        var cancelled = rows[1]
        (cancelled.state, cancelled.due) = (.cancelled, nil)
        try ledger.apply(.outgoing(cancelled))
        var published = rows[0]
        (published.state, published.published, published.reason) = (.published, 77, "why")
        try ledger.apply(.moved(from: rows[0], to: published))
        func states() throws -> [DeliveryState] { try ledger.outgoing(shipment: 1).map(\.state) }
        #expect(try states() == [.published, .cancelled, .published])
        #expect(try ledger.outgoing(shipment: 1).map(\.published) == [77, nil, 77])
        #expect(try ledger.outgoing(id: "c")?.reason == "why")
        var delivered = published
        (delivered.state, delivered.delivered, delivered.published, delivered.due) = (.delivered, 99, 98, nil)
        delivered.reason = nil
        try ledger.apply(.moved(from: published, to: delivered))
        #expect(try states() == [.delivered, .cancelled, .delivered])
        #expect(try ledger.outgoing(shipment: 1).map(\.published) == [77, nil, 77])
        #expect(try ledger.outgoing(id: "c")?.delivered == 99)
        #expect(try ledger.outgoing(id: "c")?.reason == nil)
        #expect(try ledger.outgoing(id: "other")?.state == .queued)
    }

    @Test(
        "a shipment is kept as long as a row of it lives, whatever way the last of them ends; what a receipt can name stays",
        arguments: Kind.allCases)
    func ended(kind: Kind) throws {
        let ledger = try ledger(kind, [sealed(1, [outgoing("a"), outgoing("b")], data: [1, 2, 3], sn: 5, due: 4)])
        #expect(try ledger.outboxSize() == (2, 3))
        var row = try #require(try ledger.outgoing(id: "a"))
        (row.state, row.due) = (.expired, nil)
        try ledger.apply(.outgoing(row))
        #expect(try ledger.outboxSize() == (1, 3))
        #expect(try ledger.ciphertext(of: 1) != nil && ledger.nextDue() == 4)
        let last = try #require(try ledger.outgoing(id: "b"))
        var delivered = last
        (delivered.state, delivered.due) = (.delivered, nil)
        try ledger.apply(.moved(from: last, to: delivered))
        #expect(try ledger.outboxSize() == (0, 0))
        #expect(try (ledger.ciphertext(of: 1), ledger.nextDue()) == (nil, nil))
        #expect(try ledger.dueShipments(at: 9, limit: 9).isEmpty)
        #expect(try ledger.shipment(digest: [9, 1, 2, 3])?.signature == [7])
        #expect(try ledger.shipments(sn: 5, receiver: .sample("hulk@A")).map(\.number) == [1])
        #expect(try ledger.outgoing(id: "a")?.due == nil)
        // A late receipt.
        var late = row
        late.state = .delivered
        try ledger.apply(.moved(from: row, to: late))
        #expect(try ledger.outgoing(shipment: 1).map(\.state) == [.delivered, .delivered])
    }

    @Test("what went once and rests is kept no longer, and may come to life again", arguments: Kind.allCases)
    func settled(kind: Kind) throws {
        let ledger = try ledger(kind, [sealed(1, [outgoing("a", state: .published)], due: 4)])
        let resting = try #require(try ledger.outgoing(id: "a"))
        var rested = resting
        rested.due = nil
        try ledger.apply(.moved(from: resting, to: rested))
        #expect(try ledger.outgoing(id: "a")?.isLiving == false)
        #expect(try ledger.outboxSize() == (0, 0))
        #expect(try (ledger.ciphertext(of: 1), ledger.nextDue()) == (nil, nil))
        try ledger.apply(.moved(from: rested, to: resting))
        var again = try #require(try ledger.shipment(1))
        again.due = 8
        try ledger.apply(.attempted(again))
        #expect(try ledger.outgoing(id: "a")?.due == 8)
        #expect(try ledger.outboxSize().count == 1)
    }

    @Test("a shipment expires with the first of its living rows", arguments: Kind.allCases)
    func shipmentExpiry(kind: Kind) throws {
        func row(_ id: String, _ expires: Double) -> Outgoing {
            var row = outgoing(id)
            row.expires = expires
            return row
        }
        let ledger = try ledger(kind, [sealed(1, [row("a", 30), row("b", 10), row("c", 20)], due: 4)])
        #expect(try ledger.nextExpiry() == 10)
        #expect(try ledger.expiredOutgoing(at: 25, limit: 9).map(\.id) == ["b", "c"])
        for (id, next) in [("b", 20), ("c", 30), ("a", nil)] as [(String, Double?)] {
            var ended = try #require(try ledger.outgoing(id: id))
            (ended.state, ended.due) = (.expired, nil)
            try ledger.apply(.outgoing(ended))
            #expect(try ledger.nextExpiry() == next)
        }
        #expect(try ledger.expiredOutgoing(at: 99, limit: 9).isEmpty)
    }

    @Test("what has been due for longest comes, in the order of sealing, to the limit", arguments: Kind.allCases)
    func dueShipments(kind: Kind) throws {
        let ledger = try ledger(
            kind,
            ([(1, 9), (2, 1), (3, 50), (4, 9)] as [(Int64, Double)]).map {
                sealed($0.0, [outgoing("\($0.0)")], data: [UInt8($0.0)], due: $0.1)
            })
        #expect(try ledger.dueShipments(at: 10, limit: 9).map(\.number) == [1, 2, 4])
        #expect(try ledger.dueShipments(at: 10, limit: 2).map(\.number) == [1, 2])
        #expect(try ledger.dueShipments(at: 9, limit: 1).map(\.number) == [2])
        #expect(try ledger.dueShipments(at: 0.5, limit: 9).isEmpty)
        #expect(try ledger.nextDue() == 1)
        // A row that waits comes by another question.
        #expect(try ledger.dueOutgoing(at: 100, limit: 9).isEmpty)
    }

    @Test(
        "what waits for its receiver's turn comes by priority, those that were sent before apart from the others",
        arguments: Kind.allCases)
    func held(kind: Kind) throws {
        let ledger = try ledger(kind)
        func put(
            _ number: Int64, _ priority: Priority, to receiver: String = "hulk@A", attempts: Int64 = 0,
            isHeld: Bool = true
        ) throws {
            let row = outgoing("\(number)", receiver: receiver)
            var known = shipment(number, of: [row], data: [UInt8(number)], due: 9_000)
            (known.priority, known.attempts, known.isHeld) = (priority, attempts, isHeld)
            let body = Shipment.Ciphertext(data: [UInt8(number)], iv: nil, key: nil)
            try ledger.apply(.sealed(known, body, [pointing(row, to: number)]))
            #expect(try ledger.shipment(number) == known)
        }
        try put(1, .bulk)
        try put(2, .normal)
        try put(3, .urgent, isHeld: false)
        try put(4, .bulk)
        try put(5, .urgent)
        try put(6, .normal)
        try put(7, .urgent, to: "carol@C")
        try put(8, .bulk, attempts: 3)
        var ended = try #require(try ledger.outgoing(id: "5"))
        (ended.state, ended.due) = (.failed, nil)
        try ledger.apply(.outgoing(ended))
        #expect(try ledger.shipment(5)?.isHeld == false)
        func held(_ wasSent: Bool, to receiver: String = "hulk@A", limit: Int = 9) throws -> [Int64] {
            try ledger.heldShipments(receiver: .sample(receiver), wasSent: wasSent, limit: limit).map(\.number)
        }
        #expect(try held(false) == [2, 6])
        #expect(try held(false, limit: 1) == [2])
        #expect(try held(true) == [8])
        #expect(try held(false, to: "carol@C") == [7])
        #expect(try held(false, to: "dave@D") == [])
        #expect(
            try ledger.heldReceivers(limit: 9).map(\.text).sorted()
                == ["carol@C", "hulk@A"].map { ID.sample($0).text }.sorted())
        #expect(try ledger.heldReceivers(limit: 1).count == 1)
        for number in [2, 6] as [Int64] {
            var shipment = try #require(try ledger.shipment(number))
            #expect(shipment.isHeld && shipment.priority == .normal)
            shipment.isHeld = false
            try ledger.apply(.attempted(shipment))
        }
        #expect(try held(false) == [1, 4])
        var sent = try #require(try ledger.shipment(4))
        sent.attempts = 1
        try ledger.apply(.attempted(sent))
        #expect(try held(false) == [1] && held(true) == [4, 8])
    }

    // MARK: - Questions for rows

    @Test("a row is found by sender, receiver and ref together", arguments: Kind.allCases)
    func refs(kind: Kind) throws {
        let ledger = try ledger(
            kind, [.outgoing(outgoing("a", ref: "r")), .outgoing(outgoing("b", receiver: "other@C", ref: "r"))])
        let (moki, hulk) = (ID.sample("moki@B"), ID.sample("hulk@A"))
        #expect(try ledger.outgoing(sender: moki, receiver: hulk, group: nil, ref: "r")?.id == "a")
        #expect(try ledger.outgoing(sender: moki, receiver: .sample("other@C"), group: nil, ref: "r")?.id == "b")
        #expect(try ledger.outgoing(sender: moki, receiver: hulk, group: nil, ref: "R") == nil)
        #expect(try ledger.outgoing(sender: hulk, receiver: moki, group: nil, ref: "r") == nil)
    }

    @Test("a shipment is found by its digest", arguments: Kind.allCases)
    func digests(kind: Kind) throws {
        let ledger = try ledger(
            kind, [sealed(1, [outgoing("a")], data: [1]), sealed(2, [outgoing("b")], data: [2])])
        #expect(try ledger.shipment(digest: [9, 2])?.number == 2)
        #expect(try ledger.shipment(digest: [9, 3]) == nil)
    }

    @Test(
        "a message to a group has a row and a shipment for each member, found by all of them", arguments: Kind.allCases)
    func groups(kind: Kind) throws {
        func row(_ id: String, to receiver: String) -> Outgoing {
            var row = outgoing(id, receiver: receiver, ref: "r")
            row.recipient = .member(.sample(receiver), of: .sample("club@G"))
            return row
        }
        let ledger = try ledger(
            kind,
            [
                sealed(1, [row("m", to: "hulk@A")], sn: 7), sealed(2, [row("m0001", to: "other@C")], sn: 7),
                sealed(3, [outgoing("m0002", ref: "r")], data: [3], sn: 8),
            ])
        let (moki, hulk, other) = (ID.sample("moki@B"), ID.sample("hulk@A"), ID.sample("other@C"))
        #expect(try ledger.outgoing(message: "m").map(\.id) == ["m", "m0001"])
        #expect(try ledger.outgoing(message: "m0002").map(\.id) == ["m0002"])
        #expect(try ledger.outgoing(message: "x").isEmpty)
        #expect(try ledger.shipment(digest: [9, 1], receiver: hulk)?.number == 1)
        #expect(try ledger.shipment(digest: [9, 1], receiver: other)?.number == 2)
        #expect(try ledger.shipment(digest: [9, 1], receiver: moki) == nil)
        #expect(try ledger.shipments(sn: 7, receiver: other).map(\.number) == [2])
        #expect(try ledger.outgoing(sender: moki, receiver: hulk, group: .sample("club@G"), ref: "r")?.id == "m")
        #expect(try ledger.outgoing(sender: moki, receiver: hulk, group: nil, ref: "r")?.id == "m0002")
    }

    @Test("shipments of a serial number come newest first, at most 8", arguments: Kind.allCases)
    func serials(kind: Kind) throws {
        let shipments = (1...10).map { sealed($0, [outgoing("\($0)")], data: [UInt8($0)], sn: 7) }
        let others: [Change] = [
            .outgoing(outgoing("unsealed", sn: 7)), sealed(11, [outgoing("other")], data: [99], sn: 8),
            sealed(12, [outgoing("many", sn: 7)], data: [98]),
        ]
        let ledger = try ledger(kind, shipments + others)
        #expect(try ledger.shipments(sn: 7, receiver: .sample("hulk@A")).map(\.number) == (3...10).reversed())
        #expect(try ledger.shipments(sn: 9, receiver: .sample("hulk@A")).isEmpty)
    }

    @Test("a shipment is found by receiver and whole signature within a range of names", arguments: Kind.allCases)
    func signatures(kind: Kind) throws {
        let ledger = try ledger(
            kind,
            [
                sealed(1, [outgoing("a9")], data: [1]), .outgoing(outgoing("b1")),
                sealed(2, [outgoing("b2", receiver: "other@C")], data: [2]),
                sealed(3, [outgoing("b3", state: .expired)], data: [3]), sealed(4, [outgoing("c0")], data: [4]),
            ])
        func found(_ signature: [UInt8] = [7], _ receiver: String = "hulk@A", _ ids: Range<String> = "b"..<"c") throws
            -> Int64?
        {
            try ledger.shipment(signature: signature, receiver: .sample(receiver), ids: ids)?.number
        }
        #expect(try found() == 3)
        #expect(try found([7], "other@C") == 2)
        #expect(try found([7], "hulk@A", "a"..<"b") == 1)
        #expect(try found([7], "hulk@A", "d"..<"e") == nil)
        #expect(try (found([7, 7]), found([]), found([7], "moki@B")) == (nil, nil, nil))
    }

    @Test("what has been due for longest comes, in order, to the limit, while it lives", arguments: Kind.allCases)
    func due(kind: Kind) throws {
        let ledger = try ledger(
            kind,
            [
                outgoing("late", due: 50), outgoing("a", due: 9), outgoing("b", due: 1), outgoing("never"),
                outgoing("ended", state: .failed, due: 1), outgoing("c", state: .waiting, due: 10),
                outgoing("d", due: 9),
            ].map { .outgoing($0) })
        #expect(try ledger.dueOutgoing(at: 10, limit: 9).map(\.id) == ["a", "b", "c", "d"])
        #expect(try ledger.dueOutgoing(at: 10, limit: 2).map(\.id) == ["a", "b"])
        #expect(try ledger.dueOutgoing(at: 9, limit: 9).map(\.id) == ["a", "b", "d"])
        #expect(try ledger.dueOutgoing(at: 0.5, limit: 9).isEmpty)
        #expect(try ledger.nextDue() == 1)
        try ledger.apply(.outgoing(outgoing("b", state: .cancelled, due: 1)))
        #expect(try ledger.nextDue() == 9)
    }

    @Test("what expired first comes, in order, to the limit, while it lives", arguments: Kind.allCases)
    func expired(kind: Kind) throws {
        func row(_ id: String, _ expires: Double, _ state: DeliveryState = .queued) -> Change {
            var row = outgoing(id, state: state)
            row.expires = expires
            return .outgoing(row)
        }
        let ledger = try ledger(kind, [row("a", 30), row("b", 10), row("c", 20), row("ended", 5, .delivered)])
        #expect(try ledger.expiredOutgoing(at: 9, limit: 9).isEmpty)
        #expect(try ledger.expiredOutgoing(at: 30, limit: 9).map(\.id) == ["a", "b", "c"])
        #expect(try ledger.expiredOutgoing(at: 30, limit: 2).map(\.id) == ["b", "c"])
        #expect(try ledger.nextExpiry() == 10)
        try ledger.apply(row("b", 10, .expired))
        #expect(try ledger.nextExpiry() == 20)
    }

    @Test("in an empty outbox nothing is due and nothing expires", arguments: Kind.allCases)
    func empty(kind: Kind) throws {
        let ledger = try ledger(kind)
        #expect(try ledger.nextDue() == nil)
        #expect(try ledger.nextExpiry() == nil)
        #expect(try ledger.outboxSize() == (0, 0))
        #expect(try ledger.awaitedReceivers(limit: 9).isEmpty)
    }

    @Test("waiting rows are found by receiver, in order, after one of them, to the limit", arguments: Kind.allCases)
    func waiting(kind: Kind) throws {
        let ledger = try ledger(
            kind,
            [
                outgoing("a", receiver: "x@X", state: .waiting), outgoing("b", receiver: "y@Y", state: .waiting),
                outgoing("c", receiver: "x@X", state: .waiting), outgoing("sealed", receiver: "x@X"),
                outgoing("z", receiver: "z@Z"),
            ].map { .outgoing($0) })
        let receiver = ID.sample("x@X")
        let rows = try ledger.waitingOutgoing(receiver: receiver, after: 0, limit: 9)
        #expect(rows.map(\.id) == ["a", "c"])
        #expect(try ledger.waitingOutgoing(receiver: receiver, after: 0, limit: 1).map(\.id) == ["a"])
        #expect(try ledger.waitingOutgoing(receiver: receiver, after: rows[0].order, limit: 9).map(\.id) == ["c"])
        #expect(try ledger.waitingOutgoing(receiver: receiver, after: rows[1].order, limit: 9).isEmpty)
        #expect(try Set(ledger.awaitedReceivers(limit: 9)) == [receiver, .sample("y@Y")])
        #expect(try ledger.awaitedReceivers(limit: 9).count == 2)
        #expect(try ledger.awaitedReceivers(limit: 1).count == 1)
    }

    @Test("living rows of a sender come in order, to the limit", arguments: Kind.allCases)
    func living(kind: Kind) throws {
        func row(_ id: String, sender: String, _ state: DeliveryState = .queued) -> Change {
            var row = outgoing(id, state: state)
            row.sender = .sample(sender)
            return .outgoing(row)
        }
        let ledger = try ledger(
            kind,
            [
                row("a", sender: "moki@B"), row("b", sender: "dave@D"), row("c", sender: "moki@B", .waiting),
                row("d", sender: "moki@B", .delivered), row("stock", sender: "moki@B", .published),
            ])
        #expect(try ledger.livingOutgoing(sender: .sample("moki@B"), limit: 9).map(\.id) == ["a", "c"])
        #expect(try ledger.livingOutgoing(sender: .sample("moki@B"), limit: 1).count == 1)
        #expect(try ledger.livingOutgoing(sender: .sample("nobody@N"), limit: 9).isEmpty)
    }

    @Test("no question is answered with all of many long messages", arguments: Kind.allCases)
    func portions(kind: Kind) throws {
        let content = String(repeating: "x", count: 1 << 20)
        let ledger = try ledger(
            kind, (1...9).map { .outgoing(outgoing("\($0)", content: content, state: .waiting, due: 1)) })
        let (moki, hulk) = (ID.sample("moki@B"), ID.sample("hulk@A"))
        let answers = try [
            ledger.dueOutgoing(at: 1, limit: 9), ledger.expiredOutgoing(at: 9_000, limit: 9),
            ledger.waitingOutgoing(receiver: hulk, after: 0, limit: 9), ledger.livingOutgoing(sender: moki, limit: 9),
        ]
        for rows in answers { #expect(rows.map(\.id) == ["1", "2", "3", "4"]) }
    }

    @Test("the size counts living rows, the contents that wait, and each ciphertext once", arguments: Kind.allCases)
    func size(kind: Kind) throws {
        let ledger = try ledger(kind, [.outgoing(outgoing("a", content: "12345", state: .waiting))])
        #expect(try ledger.outboxSize() == (1, 5))
        var row = try #require(try ledger.outgoing(id: "a"))
        row.state = .queued
        try ledger.apply(sealed(1, [row, outgoing("c")], data: [1, 2]))
        try ledger.apply(.outgoing(outgoing("b", content: "é")))
        #expect(try ledger.outboxSize() == (3, 4))
        try ledger.apply(.outgoing(outgoing("b", content: "é", state: .cancelled)))
        #expect(try ledger.outboxSize() == (2, 2))
    }

    // MARK: - Accepted

    @Test("what was accepted is found for its owner and its sender alone, by both digests", arguments: Kind.allCases)
    func accepted(kind: Kind) throws {
        let row = StoreTests.accepted([1], contentDigest: [2])
        let ledger = try ledger(kind, [.accepted(row), .accepted(StoreTests.accepted([3], contentDigest: [2]))])
        #expect(try ledger.accepted(owner: row.owner, sender: row.sender, digest: [1]) == row)
        #expect(try ledger.accepted(owner: row.owner, sender: row.sender, contentDigest: [2]) == row)
        #expect(try ledger.accepted(owner: row.sender, sender: row.sender, digest: [1]) == nil)
        #expect(try ledger.accepted(owner: row.owner, sender: row.owner, digest: [1]) == nil)
        #expect(try ledger.accepted(owner: row.owner, sender: row.sender, digest: [2]) == nil)
        #expect(try ledger.accepted(owner: row.owner, sender: row.sender, contentDigest: [1]) == nil)
    }

    @Test("owed receipts come oldest first, to the limit, until they are owed no more", arguments: Kind.allCases)
    func owed(kind: Kind) throws {
        let rows = (1...4).map { StoreTests.accepted([$0], isOwed: $0 != 2) }
        let ledger = try ledger(kind, rows.map { .accepted($0) })
        #expect(try ledger.owedReceipts(limit: 9).map(\.digest) == [[1], [3], [4]])
        #expect(try ledger.owedReceipts(limit: 2).map(\.digest) == [[1], [3]])
        try ledger.apply(.accepted(StoreTests.accepted([1], isOwed: false)))
        #expect(try ledger.owedReceipts(limit: 9).map(\.digest) == [[3], [4]])
    }

    @Test(
        "what a broker took is owed no more and stays as it was; what is not there stays so", arguments: Kind.allCases)
    func receipted(kind: Kind) throws {
        let (first, second) = (StoreTests.accepted([1]), StoreTests.accepted([2]))
        let other = StoreTests.accepted([1], sender: "X")
        let ledger = try ledger(
            kind,
            [
                .accepted(first), .accepted(second), .accepted(other),
                .receipted(owner: first.owner, sender: first.sender, digest: [1]),
                .receipted(owner: first.owner, sender: first.sender, digest: [3]),
            ])
        #expect(try ledger.owedReceipts(limit: 9) == [second, other])
        let (owner, sender) = (first.owner, first.sender)
        #expect(
            try ledger.accepted(owner: owner, sender: sender, digest: [1]) == StoreTests.accepted([1], isOwed: false))
        #expect(try ledger.accepted(owner: owner, sender: sender, digest: [3]) == nil)
    }

    @Test("a contact that goes takes its digests without a time along, and no others", arguments: Kind.allCases)
    func forgotten(kind: Kind) throws {
        let timeless = StoreTests.accepted([1], time: nil)
        let ledger = try ledger(
            kind,
            [
                .accepted(timeless), .accepted(StoreTests.accepted([2], time: 1_000)),
                .accepted(StoreTests.accepted([3], sender: "X", time: nil)),
                .accepted(StoreTests.accepted([4], owner: "X", time: nil)),
                .forgetAccepted(owner: timeless.owner, sender: timeless.sender),
            ])
        let (owner, sender, other) = (timeless.owner, timeless.sender, Address.sample("X"))
        #expect(try ledger.accepted(owner: owner, sender: sender, digest: [1]) == nil)
        #expect(try ledger.accepted(owner: owner, sender: sender, digest: [2]) != nil)
        #expect(try ledger.accepted(owner: owner, sender: other, digest: [3]) != nil)
        #expect(try ledger.accepted(owner: other, sender: sender, digest: [4]) != nil)
    }

    @Test("an empty inbox has room, and nothing waits for a consumer", arguments: Kind.allCases)
    func room(kind: Kind) throws {
        let ledger = try ledger(kind)
        #expect(try ledger.inboxHasRoom(rows: 1, bytes: 1))
        #expect(try ledger.laggard() == nil)
    }

    // MARK: - Parking

    @Test("parked messages are found by address and kind, oldest first, after one of them", arguments: Kind.allCases)
    func parked(kind: Kind) throws {
        let ledger = try ledger(
            kind,
            [
                StoreTests.parked(1), StoreTests.parked(2, sender: "other@A/phone"),
                StoreTests.parked(3, isVerified: true), StoreTests.parked(4, sender: "x@X"),
            ].map { .park($0) })
        let address = Address.sample("A")
        let rows = try ledger.parked(sender: address, isVerified: false, after: 0, limit: 9)
        #expect(rows.map(\.digest) == [1, 2].map { StoreTests.parked($0).digest })
        #expect(rows.map(\.sender.terminal) == [nil, "phone"])
        #expect(rows[0].wire == [0, 1, 2])
        #expect(try ledger.parked(sender: address, isVerified: false, after: 0, limit: 1) == [rows[0]])
        #expect(try ledger.parked(sender: address, isVerified: false, after: rows[0].number, limit: 9) == [rows[1]])
        #expect(try ledger.parked(sender: address, isVerified: true, after: 0, limit: 9).count == 1)
        #expect(
            try ledger.parkedSenders(isVerified: false, limit: 9).map(\.text)
                == [ID.sample("hulk@A"), .sample("other@A/phone"), .sample("x@X")].map(\.text))
        #expect(try ledger.parkedSenders(isVerified: false, limit: 1) == [.sample("hulk@A")])
        #expect(try ledger.parkedSenders(isVerified: true, limit: 9) == [.sample("hulk@A")])
    }

    @Test("a repeat is parked once, but once for each receiver and each kind", arguments: Kind.allCases)
    func parkedTwice(kind: Kind) throws {
        let ledger = try ledger(
            kind,
            [
                StoreTests.parked(1), StoreTests.parked(1), StoreTests.parked(1, receiver: "second@C"),
                StoreTests.parked(1, isVerified: true),
            ].map { .park($0) })
        #expect(try ledger.parked(sender: .sample("A"), isVerified: false, after: 0, limit: 9).count == 2)
        #expect(try ledger.parked(sender: .sample("A"), isVerified: true, after: 0, limit: 9).count == 1)
    }

    @Test("a message leaves by its number, or with all of its sender, of both kinds", arguments: Kind.allCases)
    func unparked(kind: Kind) throws {
        let ledger = try ledger(
            kind,
            [
                StoreTests.parked(1), StoreTests.parked(2), StoreTests.parked(3, isVerified: true),
                StoreTests.parked(4, sender: "x@X"),
            ].map { .park($0) })
        let address = Address.sample("A")
        let first = try #require(try ledger.parked(sender: address, isVerified: false, after: 0, limit: 1).first)
        try ledger.apply(.unpark(number: first.number))
        #expect(
            try ledger.parked(sender: address, isVerified: false, after: 0, limit: 9).map(\.digest)
                == [StoreTests.parked(2).digest])
        try ledger.apply(.unparkAll(sender: address))
        for isVerified in [true, false] {
            #expect(try ledger.parked(sender: address, isVerified: isVerified, after: 0, limit: 9).isEmpty)
        }
        #expect(try ledger.parkedSenders(isVerified: false, limit: 9) == [.sample("x@X")])
    }

    @Test("a sender that has too many parked loses its oldest", arguments: Kind.allCases)
    func parkingLimit(kind: Kind) throws {
        let ledger = try ledger(kind, (1...70).map { .park(StoreTests.parked($0)) })
        let rows = try ledger.parked(sender: .sample("A"), isVerified: false, after: 0, limit: 99)
        #expect(rows.map(\.digest) == (7...70).map { StoreTests.parked($0).digest })
    }

    // MARK: - Values

    @Test("a value is replaced and removed", arguments: Kind.allCases)
    func values(kind: Kind) throws {
        let ledger = try ledger(kind, [.value(.lived, "1"), .value(.lived, "2\0\u{1F600}"), .value(.wall, "3")])
        #expect(try ledger.value(.lived) == "2\0\u{1F600}")
        try ledger.apply(.value(.lived, nil))
        #expect(try ledger.value(.lived) == nil)
        #expect(try ledger.value(.wall) == "3")
    }

    @Test("a family is read in the order of its texts, and forgotten alone", arguments: Kind.allCases)
    func families(kind: Kind) throws {
        let (moki, hulk) = (Address.sample("moki"), Address.sample("hulk"))
        let clearings: [LedgerKey] = ["b", "B", "é", "a", "a b"].map { .clearing(moki, broker: $0) }
        let others: [LedgerKey] = [.clearing(hulk, broker: "a"), .stream(moki), .removed(moki), .lived]
        let ledger = try ledger(kind, (others + clearings).map { .value($0, $0.text) })
        let found = try ledger.values(.clearingsOf(moki))
        #expect(found.map(\.key) == ["B", "a", "a b", "b", "é"].map { .clearing(moki, broker: $0) })
        #expect(found.allSatisfy { $0.key.text == $0.value })
        #expect(try ledger.values(.clearings).count == 6)
        #expect(try ledger.values(.windows).isEmpty)
        try ledger.apply(.forgetValues(.clearingsOf(moki)))
        #expect(try ledger.values(.clearings).map(\.key) == [others[0]])
        for key in others { #expect(try ledger.value(key) == key.text) }
    }

    // MARK: - Pipes

    private func pipe(_ name: String, _ state: PipeRecord.State = .open, peer: String = "hulk") -> PipeRecord {
        let key = PipeRecord.PipeKey(owner: .sample("moki"), peer: .sample(peer), name: name)
        var row = PipeRecord(key: key, owner: .sample("moki@B"), peer: .sample("hulk@A"), state: state)
        row.output.stream = "a-\(name)"
        return row
    }

    private func piece(_ name: String, _ number: Int64, _ data: [UInt8]) -> PipePiece {
        PipePiece(pipe: pipe(name).key, number: number, data: data)
    }

    @Test(
        "a pipe is read as it was written, by its key and by the stream that is written here", arguments: Kind.allCases)
    func pipes(kind: Kind) throws {
        var full = pipe("p1")
        full.error = "gone"
        (full.written, full.output.taken, full.output.end) = (1 << 40, 5, 1 << 40)
        (full.input.stream, full.input.taken, full.input.end) = ("b-7", 3, 4)
        (full.told, full.isUntold, full.earlier, full.due) = (2, true, "b-6", 7.5)
        full.last = PipeRecord.Last(stream: "a-0", error: "reset", input: "b-5", taken: 9)
        var bare = pipe("p2", .waiting)
        bare.output.stream = nil
        let ledger = try ledger(kind, [.pipe(full), .pipe(bare)])
        #expect(try ledger.pipe(full.key) == full && ledger.pipe(bare.key) == bare)
        #expect(try ledger.pipe(output: "a-p1") == full && ledger.pipe(output: "a-p2") == nil)
        #expect(try ledger.pipe(pipe("p3").key) == nil && ledger.pipes() == [full, bare])
        #expect(ledger.nextPipeDue == 7.5)
        full.due = nil
        full.last?.error = nil
        try ledger.apply(.pipe(full))
        #expect(try ledger.pipe(full.key) == full && ledger.pipes().count == 2 && ledger.nextPipeDue == nil)
    }

    @Test("pieces stay until they are taken or their pipe is over, the first of each number", arguments: Kind.allCases)
    func pieces(kind: Kind) throws {
        var row = pipe("p1")
        let ledger = try ledger(
            kind,
            [.pipe(row), .pipe(pipe("p2")), .piece(piece("p1", 0, [0, 1])), .piece(piece("p1", 2, [2]))]
                + [.piece(piece("p1", 0, [9])), .piece(piece("p2", 0, [7])), .piece(piece("p3", 0, [8]))])
        func bytes(_ name: String, _ number: Int64) throws -> [UInt8]? {
            try ledger.piece(number, of: pipe(name).key)?.data
        }
        #expect(try bytes("p1", 0) == [0, 1] && bytes("p1", 1) == nil && bytes("p1", 2) == [2])
        row.input.taken = 1
        try ledger.apply(.pipe(row))
        #expect(try bytes("p1", 0) == nil && bytes("p1", 2) == [2] && bytes("p2", 0) == [7])
        row.state = .over
        try ledger.apply(.pipe(row))
        #expect(try bytes("p1", 2) == nil)
        try ledger.apply(.forgetPipe(pipe("p2").key))
        try ledger.apply(.pipe(pipe("p2")))
        try ledger.apply(.pipe(pipe("p3")))
        #expect(try bytes("p2", 0) == nil && bytes("p3", 0) == nil)
    }

    @Test("pipes that are not over are counted, and of those that are the newest 256 stay", arguments: Kind.allCases)
    func pipeCounts(kind: Kind) throws {
        let ledger = try ledger(kind, [.pipe(pipe("a")), .pipe(pipe("b", .waiting)), .pipe(pipe("a", peer: "crew"))])
        for number in 0..<258 {
            var row = pipe("o\(number)", .over)
            row.due = Double(1_000 - number)
            try ledger.apply(.pipe(row))
        }
        let counts = try ledger.openPipes(owner: .sample("moki"), peer: .sample("hulk"))
        #expect(counts.ofPeer == 2 && counts.all == 3)
        #expect(try ledger.openPipes(owner: .sample("hulk"), peer: .sample("moki")) == (0, 3))
        #expect(try ledger.pipes().count == 259 && ledger.pipe(pipe("o257").key) == nil)
        #expect(try ledger.pipe(pipe("o0").key) != nil && ledger.nextPipeDue == 1_000 - 255)
    }

    // MARK: - Age

    @Test("pruning leaves what lives or is young", arguments: Kind.allCases)
    func pruned(kind: Kind) throws {
        let ledger = try ledger(
            kind,
            [.outgoing(outgoing("a", due: 1)), .accepted(StoreTests.accepted([1])), .park(StoreTests.parked(1))])
        _ = try ledger.prune(wall: 1_001, lived: 1)
        #expect(try ledger.outgoing(id: "a") != nil)
        #expect(try ledger.owedReceipts(limit: 9).count == 1)
        #expect(try ledger.parkedSenders(isVerified: false, limit: 9).count == 1)
    }
}
