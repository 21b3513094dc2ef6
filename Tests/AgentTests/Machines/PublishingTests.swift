import DIMP
import Records
import TestSupport
import Testing

@testable import Agent

@Suite("The flow towards brokers") struct PublishingTests {
    private var context = Context(policy: Policy(), ledger: MemoryLedger(), book: MemoryBook([People.moki])) { 1 }
    private var publishing = Publishing()

    private func publication(
        _ purpose: PendingPublication.Purpose, broker: String? = nil, payload: [UInt8] = [7]
    ) -> PendingPublication {
        PendingPublication(topic: .inbox(People.hulk.id.address), payload: payload, purpose: purpose, broker: broker)
    }

    /// What was published since the last call.
    private func published(_ context: inout Context) -> [Publication] {
        context.takeEffects().compactMap { if case .publish(let publication) = $0 { publication } else { nil } }
    }

    @Test("what names no broker goes to each that is connected")
    mutating func everywhere() {
        publishing.connect("b", room: 5)
        publishing.connect("a", room: 5)
        publishing.publish(publication(.courtesy), in: &context)
        let brokers = published(&context).map(\.broker)
        #expect(brokers == ["a", "b"])
        #expect(publishing.room == 8)
    }

    @Test("without room a message stays due and is not kept, and a courtesy waits")
    mutating func noRoom() {
        publishing.connect("a", room: 0)
        publishing.publish(publication(.message(id: "m"), broker: "a"), in: &context)
        publishing.publish(publication(.courtesy, broker: "a"), in: &context)
        let first = published(&context)
        #expect(first.isEmpty)
        #expect(publishing.freeBroker() == nil)
        publishing.connect("a", room: 2)
        publishing.publishBacklog(in: &context)
        let later = published(&context)
        #expect(later.count == 1)
        #expect(publishing.room == 1)
    }

    @Test("the backlog is bounded, and what does not fit is counted")
    mutating func backlog() {
        publishing.connect("a", room: 0)
        for _ in 0..<Tuning.backlog + 3 { publishing.publish(publication(.courtesy, broker: "a"), in: &context) }
        #expect(context.counts.courtesiesDropped == 3)
        publishing.connect("a", room: 10_000)
        publishing.publishBacklog(in: &context)
        let all = published(&context)
        #expect(all.count == Tuning.backlog)
    }

    @Test("a broker's word makes room, once, and not for a broker that is gone")
    mutating func acknowledged() {
        publishing.connect("a", room: 1)
        publishing.publish(publication(.message(id: "m"), broker: "a"), in: &context)
        let number = published(&context)[0].number
        #expect(publishing.room == 0)
        guard case .message(let id)? = publishing.acknowledge(number)?.purpose else {
            Issue.record("not known")
            return
        }
        #expect(id == "m")
        #expect(publishing.room == 1)
        let again = publishing.acknowledge(number)
        #expect(again == nil)
        #expect(publishing.room == 1)
    }

    @Test("a broker's room is bounded in bytes, too, and a large message finds room alone")
    mutating func bytes() {
        publishing.connect("a", room: 256)
        let third = [UInt8](repeating: 7, count: Tuning.bytesUnderway / 3 + 1)
        for id in ["1", "2", "3"] {
            #expect(publishing.room > 0)
            publishing.publish(publication(.message(id: id), broker: "a", payload: third), in: &context)
        }
        #expect(publishing.room == 0 && publishing.freeBroker() == nil)
        let numbers = published(&context).map(\.number)
        #expect(numbers.count == 3)
        _ = publishing.acknowledge(numbers[0])
        #expect(publishing.room == 254)
        _ = publishing.disconnect("a")
        publishing.connect("a", room: 256)
        let whole = [UInt8](repeating: 7, count: 2 * Tuning.bytesUnderway)
        publishing.publish(publication(.message(id: "4"), broker: "a", payload: whole), in: &context)
        #expect(published(&context).count == 1 && publishing.room == 0)
    }

    @Test("what was on its way to a broker that is lost comes back, in order; what waited for it is gone")
    mutating func lost() {
        publishing.connect("a", room: 2)
        publishing.connect("b", room: 2)
        for id in ["1", "2"] { publishing.publish(publication(.message(id: id), broker: "a"), in: &context) }
        publishing.publish(publication(.message(id: "3"), broker: "b"), in: &context)
        publishing.publish(publication(.courtesy, broker: "a"), in: &context)
        let ids = publishing.disconnect("a").map { if case .message(let id) = $0 { id } else { "" } }
        #expect(ids == ["1", "2"])
        #expect(publishing.brokers == ["b"])
        _ = published(&context)
        publishing.connect("a", room: 5)
        publishing.publishBacklog(in: &context)
        let rest = published(&context)
        #expect(rest.isEmpty)
    }

    @Test("each attempt takes the next broker that has room")
    mutating func turns() {
        for name in ["c", "a", "b"] { publishing.connect(name, room: 1) }
        #expect((0..<4).map { publishing.freeBroker(attempt: $0) } == ["a", "b", "c", "a"])
        publishing.publish(publication(.courtesy, broker: "b"), in: &context)
        #expect((0..<3).map { publishing.freeBroker(attempt: $0) } == ["a", "c", "a"])
        #expect(publishing.freeBroker(attempt: Int64.max) != nil)
    }
}

@Suite("Refusals") struct RefusalLogTests {
    private let rejection = Rejection(.parse, "no")

    @Test("the first of a reason is told, the others of its minute together")
    func flood() {
        var log = RefusalLog()
        let isFirst = log.count(rejection, of: People.moki.id, lived: 0)
        #expect(isFirst && log.nextDue == nil)
        let others = (0..<5).map { _ in log.count(rejection, of: nil, lived: 1) }
        #expect(!others.contains(true) && log.nextDue == 60)
        let early = log.takeOverdue(lived: 59)
        #expect(early.isEmpty)
        let told = log.takeOverdue(lived: 60)
        #expect(told.map(\.count) == [5])
        #expect(told.first?.sender == People.moki.id)
        let isNew = log.count(rejection, of: nil, lived: 61)
        #expect(isNew)
    }

    @Test("beyond a bound of reasons nothing is told and nothing kept")
    func bounded() {
        var log = RefusalLog()
        for number in 0..<Tuning.refusalReasons {
            let isTold = log.count(Rejection(.parse, "\(number)"), of: nil, lived: 0)
            #expect(isTold)
        }
        let isTold = log.count(Rejection(.parse, "one more"), of: nil, lived: 0)
        let overdue = log.takeOverdue(lived: 60)
        #expect(!isTold && overdue.count == Tuning.refusalReasons)
    }
}
