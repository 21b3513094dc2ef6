import DIMP
import Records
import TestSupport
import Testing

@testable import Store

@Suite struct ConsumerTests {
    let scratch: Scratch
    let store: MessageStore

    init() throws {
        scratch = try Scratch()
        store = try scratch.open()
    }

    func fill(_ count: Int, sender: (Int) -> String = { _ in "hulk@A" }) throws {
        for number in 1...count { try store.apply(.incoming(incoming("m\(number)", sender: sender(number)))) }
    }

    @Test("a consumer is kept with all that belongs to it, through a restart")
    func kept() throws {
        try fill(5)
        let filter = InboxFilter(
            sender: .sample("a@A"), receiver: .sample("b@B"), group: .sample("c@C"), type: 1,
            subject: SubjectFilter("garden/+/#"))
        let consumer = Consumer(name: "c", uid: 4_000_000_000, cursor: 3, filter: filter, window: 7, created: 12.5)
        try store.put(consumer)
        try store.commit()
        let again = try scratch.open()
        #expect(try again.consumer("c") == consumer)
        #expect(try again.consumer("d") == nil)
    }

    @Test("a cursor never goes back by an acknowledgement, nor beyond what exists")
    func cursor() throws {
        try fill(5)
        try store.put(Consumer(name: "c", uid: 1, cursor: 0, created: 0))
        #expect(try store.acknowledge(consumer: "c", seq: 3) == 3)
        #expect(try store.acknowledge(consumer: "c", seq: 2) == 3)
        #expect(try store.acknowledge(consumer: "c", seq: -1) == 3)
        #expect(try store.acknowledge(consumer: "c", seq: .max) == 5)
        #expect(try store.acknowledge(consumer: "d", seq: 1) == nil)
        #expect(try store.consumer("c")?.cursor == 5)
    }

    @Test("what is pending for all of them is what is pending for each")
    func pendingForAll() throws {
        try fill(9) { $0 % 3 == 0 ? "third@X" : "hulk@A" }
        for (name, cursor) in [("slow", 1), ("quick", 7), ("same", 7), ("done", 9)] as [(String, Int64)] {
            try store.put(Consumer(name: name, uid: 1, cursor: cursor, created: 0))
        }
        try store.put(
            Consumer(name: "few", uid: 1, cursor: 3, filter: InboxFilter(sender: .sample("third@X")), created: 0))
        let all = try store.pending()
        #expect(all.map(\.consumer.name) == ["done", "few", "quick", "same", "slow"])
        #expect(all.map(\.count) == [0, 2, 2, 2, 8])
        for (consumer, count) in all { #expect(try store.pending(of: consumer) == count) }
    }

    @Test("a seek goes either way and the next message is the one that was asked for")
    func sought() throws {
        try fill(5)
        try store.put(Consumer(name: "c", uid: 1, cursor: 5, created: 0))
        #expect(try store.seek(consumer: "c", seq: 2) == 1)
        #expect(try store.next(for: "c", after: 1, limit: 1).messages.map(\.seq) == [2])
        #expect(try store.seek(consumer: "c", seq: .min) == 0)
        #expect(try store.seek(consumer: "c", seq: .max) == 5)
        #expect(try store.seek(consumer: "d", seq: 1) == nil)
    }

    @Test("the next messages follow the last that were given, to the limit, acknowledged or not")
    func next() throws {
        try fill(5)
        try store.put(Consumer(name: "c", uid: 1, cursor: 0, created: 0))
        var delivery = try store.next(for: "c", after: 0, limit: 3)
        #expect(delivery.messages.map(\.seq) == [1, 2, 3])
        delivery = try store.next(for: "c", after: delivery.passed, limit: 3)
        #expect(delivery.messages.map(\.seq) == [4, 5])
        delivery = try store.next(for: "c", after: delivery.passed, limit: 3)
        #expect(delivery == InboxPortion(messages: [], passed: 5))
        #expect(try store.consumer("c")?.cursor == 0)
        #expect(try store.next(for: "nobody", after: 0, limit: 3).messages.isEmpty)
    }

    @Test(
        "a filter leaves out what differs in any field",
        arguments: [
            (InboxFilter(sender: .sample("x@X")), ["s", "sg", "st"]), (InboxFilter(receiver: .sample("y@Y")), ["r"]),
            (InboxFilter(group: .sample("g@G")), ["g", "sg"]), (InboxFilter(type: 9), ["t", "st"]),
            (InboxFilter(sender: .sample("x@X"), group: .sample("g@G")), ["sg"]),
            (InboxFilter(sender: .sample("x@X"), type: 9), ["st"]),
            (InboxFilter(sender: .sample("y@Y")), []),
        ])
    func filters(filter: InboxFilter, expected: [String]) throws {
        let rows = [
            incoming("plain"), incoming("s", sender: "x@X"), incoming("r", receiver: "y@Y"),
            incoming("g", group: "g@G"), incoming("t", type: 9), incoming("sg", sender: "x@X", group: "g@G"),
            incoming("st", sender: "x@X", type: 9),
        ]
        try store.apply(rows.map { .incoming($0) })
        try store.put(Consumer(name: "c", uid: 1, cursor: 0, filter: filter, created: 0))
        #expect(try store.next(for: "c", after: 0, limit: 10).messages.map(\.id) == expected)
        #expect(rows.filter(filter.takes).map(\.id) == expected)
        #expect(try store.consumers().map(store.pending) == [Int64(expected.count)])
    }

    @Test("the cursor passes what the filter leaves out, and stops before what is not acknowledged")
    func skipped() throws {
        try fill(9) { $0 == 4 || $0 == 7 ? "x@X" : "y@Y" }
        try store.put(Consumer(name: "c", uid: 1, cursor: 0, filter: InboxFilter(sender: .sample("x@X")), created: 0))
        #expect(try store.next(for: "c", after: 0, limit: 1).messages.map(\.seq) == [4])
        #expect(try store.consumer("c")?.cursor == 3)
        #expect(try store.next(for: "c", after: 4, limit: 10) == InboxPortion(messages: [incomingSeven()], passed: 9))
        #expect(try store.consumer("c")?.cursor == 3)
        #expect(try store.acknowledge(consumer: "c", seq: 7) == 7)
        #expect(try store.next(for: "c", after: 9, limit: 10).messages.isEmpty)
        #expect(try store.consumer("c")?.cursor == 9)
    }

    func incomingSeven() -> Incoming {
        var row = incoming("m7", sender: "x@X")
        row.seq = 7
        return row
    }

    @Test("a long run that the filter leaves out is passed piece by piece")
    func longRun() throws {
        try fill(5_000) { $0 == 5_000 ? "x@X" : "y@Y" }
        try store.put(Consumer(name: "c", uid: 1, cursor: 0, filter: InboxFilter(sender: .sample("x@X")), created: 0))
        var delivery = try store.next(for: "c", after: 0, limit: 5)
        var rounds = 1
        while delivery.messages.isEmpty, rounds < 10 {
            let before = delivery.passed
            delivery = try store.next(for: "c", after: before, limit: 5)
            #expect(delivery.passed > before)
            rounds += 1
        }
        #expect(delivery.messages.map(\.seq) == [5_000])
        #expect(rounds > 1)
        #expect(try store.consumer("c")?.cursor == 4_999)
    }

    @Test("rows that are gone are passed over")
    func holes() throws {
        try fill(3)
        _ = try store.prune(wall: 1e9, lived: 0)
        try store.apply(.incoming(incoming("new")))
        try store.put(Consumer(name: "c", uid: 1, cursor: 0, created: 0))
        #expect(try store.next(for: "c", after: 0, limit: 5).messages.map(\.seq) == [4])
    }

    @Test("a forgotten consumer is gone, once")
    func forgotten() throws {
        try store.put(Consumer(name: "c", uid: 1, cursor: 0, created: 0))
        #expect(try store.forget(consumer: "c"))
        #expect(try !store.forget(consumer: "c"))
        #expect(try store.consumers().isEmpty)
    }

    @Test("a consumer that starts beyond what exists starts at the end")
    func beyond() throws {
        try fill(2)
        try store.put(Consumer(name: "c", uid: 1, cursor: 99, created: 0))
        #expect(try store.consumer("c")?.cursor == 2)
    }

    @Test(
        "a consumer of a subject gets what its filter takes, and its cursor passes the rest",
        arguments: [("garden/soil", [2]), ("garden/+", [2, 3]), ("#", [2, 3, 4, 5]), ("+", [5]), ("house/#", [])])
    func subjects(filter: String, taken: [Int64]) throws {
        let subjects = [nil, "garden/soil", "garden/air", "garden/soil/deep", "garden", nil]
        for (number, subject) in subjects.enumerated() {
            try store.apply(.incoming(incoming("m\(number + 1)", subject: subject)))
        }
        let filter = InboxFilter(subject: SubjectFilter(filter))
        try store.put(Consumer(name: "c", uid: 1, cursor: 0, filter: filter, created: 0))
        #expect(try store.next(for: "c", after: 0, limit: 9).messages.map(\.seq) == taken)
        #expect(try store.inbox(limit: 9, filter: filter).map(\.seq) == taken)
        #expect(try store.pending(of: store.consumer("c")!) == Int64(taken.count))
        #expect(try store.consumer("c")?.cursor == taken.first.map { $0 - 1 } ?? 6)
        #expect(try store.inbox(limit: 9).filter(filter.takes).map(\.seq) == taken)
    }

    @Test("what its sender gave up is handed to no consumer that comes later, and stands in no one's way")
    func expired() throws {
        try fill(1)
        try store.apply(.incoming(incoming("short", expires: 100)))
        try store.apply(.incoming(incoming("long", expires: 200)))
        try store.put(Consumer(name: "c", uid: 1, cursor: 0, created: 0))
        try store.expireInbox(at: 99)
        #expect(try store.next(for: "c", after: 0, limit: 9).messages.map(\.seq) == [1, 2, 3])
        try store.expireInbox(at: 100)
        #expect(try store.next(for: "c", after: 0, limit: 9).messages.map(\.seq) == [1, 3])
        #expect(try store.pending(of: store.consumer("c")!) == 2)
        #expect(try store.pending().map(\.count) == [2])
        // A clock that goes back gives nothing back.
        try store.expireInbox(at: 50)
        #expect(try store.next(for: "c", after: 1, limit: 9).messages.map(\.seq) == [3])
        #expect(try store.acknowledge(consumer: "c", seq: 1) == 1)
        try store.expireInbox(at: 200)
        _ = try store.next(for: "c", after: 1, limit: 9)
        #expect(try store.consumer("c")?.cursor == 3)
        #expect(try store.inbox(limit: 9).map(\.seq) == [1, 2, 3])
    }

    @Test("the failures at one message are counted through a restart, and those at another begin anew")
    func failures() throws {
        try fill(2)
        try store.put(Consumer(name: "c", uid: 1, cursor: 0, created: 0))
        #expect(try store.fail(consumer: "c", at: 1) == 1)
        try store.put(Consumer(name: "c", uid: 1, cursor: 0, window: 1, created: 0))
        try store.commit()
        let again = try scratch.open()
        #expect(try again.fail(consumer: "c", at: 1) == 2)
        #expect(try again.fail(consumer: "c", at: 2) == 1)
        #expect(try again.fail(consumer: "d", at: 2) == 0)
    }
}
