import DIMP
import Records
import TestSupport
import Testing

@testable import Store

@Suite struct ParkingTests {
    let scratch: Scratch

    init() throws {
        scratch = try Scratch()
    }

    @Test("messages are parked in order, apart by verified and unverified, and found by address")
    func order() throws {
        let store = try scratch.open()
        try store.apply([
            .park(parked(1)), .park(parked(2, sender: "other@A/phone")), .park(parked(3, isVerified: true)),
            .park(parked(4, sender: "X/home@work")),
        ])
        #expect(try store.parked(sender: .sample("A"), isVerified: false, after: 0, limit: 9).map(\.number) == [1, 2])
        #expect(try store.parked(sender: .sample("A"), isVerified: false, after: 0, limit: 1).map(\.number) == [1])
        #expect(try store.parked(sender: .sample("A"), isVerified: true, after: 0, limit: 9).map(\.number) == [3])
        #expect(try store.parked(sender: .sample("X"), isVerified: false, after: 0, limit: 9).map(\.number) == [4])
        #expect(
            try store.parkedSenders(isVerified: false, limit: 9).map(\.text)
                == [ID.sample("hulk@A"), .sample("other@A/phone"), .sample("X/home@work")].map(\.text))
        #expect(try store.parkedSenders(isVerified: true, limit: 9) == [.sample("hulk@A")])
    }

    @Test("who waits for the owner's word is told by when the first message came, and how many there are")
    func requests() throws {
        let store = try scratch.open()
        var early = parked(7, sender: "other@X", isVerified: true)
        early.received = 5
        var late = early
        (late.digest, late.received) = ([8], 3)
        try store.apply([
            .park(parked(1)), .park(parked(3, isVerified: true)), .park(early), .park(late),
        ])
        let requests = try store.parkedRequests(limit: 9)
        #expect(requests.map(\.sender) == [.sample("hulk@A"), .sample("other@X")])
        #expect(requests.map(\.messages) == [1, 2])
        // The first that came, not the one of the earliest time: clocks jump.
        #expect(requests.last?.first == 5)
        #expect(try store.parkedRequests(limit: 1).count == 1)
    }

    @Test("a repeat is parked once, but once for each receiver")
    func repeated() throws {
        let store = try scratch.open()
        try store.apply([.park(parked(1)), .park(parked(1)), .park(parked(1, receiver: "second@C"))])
        #expect(try store.parkedCount(isVerified: false) == 2)
        #expect(try store.parkedCount(isVerified: true) == 0)
        #expect(store.parking.unverified == 2)
    }

    @Test("a message is let go by number, or all of a sender together")
    func unparked() throws {
        let store = try scratch.open()
        try store.apply([.park(parked(1)), .park(parked(2)), .park(parked(3, sender: "X")), .unpark(number: 1)])
        #expect(try store.parked(sender: .sample("A"), isVerified: false, after: 0, limit: 9).map(\.number) == [2])
        try store.apply([.park(parked(4, isVerified: true)), .unparkAll(sender: .sample("A"))])
        #expect(try store.parked(sender: .sample("A"), isVerified: false, after: 0, limit: 9).isEmpty)
        #expect(try store.parked(sender: .sample("A"), isVerified: true, after: 0, limit: 9).isEmpty)
        #expect(try store.parkedCount(isVerified: false) == 1)
    }

    @Test("one sender keeps 64, the oldest go")
    func perSender() throws {
        let store = try scratch.open()
        try store.apply((1...70).map { .park(parked($0)) })
        #expect(
            try store.parked(sender: .sample("A"), isVerified: false, after: 0, limit: 100).map(\.number)
                == Array(7...70))
        #expect(store.parking.unverified == 70)
        #expect(store.parking.droppedForRoom == 6)
    }

    @Test("all together keep a thousand, and the largest sender loses first")
    func total() throws {
        let store = try scratch.open()
        try store.apply((1...10).map { .park(parked($0, sender: "big@BIG")) })
        try store.apply((1...991).map { .park(parked($0, sender: "s\($0)")) })
        #expect(try store.parkedCount(isVerified: false) == 1_000)
        #expect(
            try store.parked(sender: .sample("BIG"), isVerified: false, after: 0, limit: 99).map(\.number)
                == Array(2...10))
        #expect(try store.parked(sender: .sample("s1"), isVerified: false, after: 0, limit: 9).count == 1)
        try store.apply(.park(parked(1, isVerified: true)))
        #expect(try store.parkedCount(isVerified: false) == 1_000)
    }

    @Test("all together keep so many bytes, and who has most of them loses first")
    func bytes() throws {
        let store = try scratch.open(.with { $0.parkedBytes = 1_000 })
        try store.apply((1...5).map { .park(parked($0, sender: "small", wire: [1])) })
        try store.apply((1...3).map { .park(parked($0, sender: "large", wire: [UInt8](repeating: 0, count: 400))) })
        #expect(
            try store.parked(sender: .sample("large"), isVerified: false, after: 0, limit: 9).map(\.number) == [7, 8])
        #expect(try store.parked(sender: .sample("small"), isVerified: false, after: 0, limit: 9).count == 5)
    }

    @Test("parked messages go after seven days lived, whatever the clock says")
    func pruned() throws {
        let store = try scratch.open()
        let week = 7 * 86_400.0
        try store.apply([.park(parked(1, since: 100)), .park(parked(2, since: 200))])
        _ = try store.prune(wall: 0, lived: 101 + week)
        #expect(try store.parked(sender: .sample("A"), isVerified: false, after: 0, limit: 9).map(\.number) == [2])
    }
}
