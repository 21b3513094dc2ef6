import Records
import TestSupport
import Testing

@testable import Agent

/// The life of an outgoing message, event by event. What is not listed changes nothing.
@Suite("The states of an outgoing message") struct DeliveryStateTests {
    private static let states: [Delivery] = [
        .waiting(due: 1), .queued(due: 1), .published(due: 1), .settled, .ended(.delivered), .ended(.expired),
        .ended(.failed), .ended(.cancelled),
    ]
    private static let events: [Delivery.Event] = [
        .sealed(due: 2), .postponed(until: 2), .taken, .takenOnce(restUntil: 2), .takenOnce(restUntil: nil), .receipt,
        .expired, .failed, .cancelled,
    ]

    /// Every pair of state and event that changes something, and what becomes of it.
    private static let transitions: [(Delivery, Delivery.Event, Delivery)] = [
        (.waiting(due: 1), .sealed(due: 2), .queued(due: 2)),
        (.waiting(due: 1), .postponed(until: 2), .waiting(due: 2)),
        (.waiting(due: 1), .expired, .ended(.expired)),
        (.waiting(due: 1), .failed, .ended(.failed)),
        (.waiting(due: 1), .cancelled, .ended(.cancelled)),
        (.queued(due: 1), .postponed(until: 2), .queued(due: 2)),
        (.queued(due: 1), .taken, .published(due: 1)),
        (.queued(due: 1), .takenOnce(restUntil: 2), .published(due: 2)),
        (.queued(due: 1), .takenOnce(restUntil: nil), .settled),
        (.queued(due: 1), .receipt, .ended(.delivered)),
        (.queued(due: 1), .expired, .ended(.expired)),
        (.queued(due: 1), .failed, .ended(.failed)),
        (.queued(due: 1), .cancelled, .ended(.cancelled)),
        (.published(due: 1), .postponed(until: 2), .published(due: 2)),
        (.published(due: 1), .taken, .published(due: 1)),
        (.published(due: 1), .takenOnce(restUntil: 2), .published(due: 2)),
        (.published(due: 1), .takenOnce(restUntil: nil), .settled),
        (.published(due: 1), .receipt, .ended(.delivered)),
        (.published(due: 1), .expired, .ended(.expired)),
        (.published(due: 1), .failed, .ended(.failed)),
        (.published(due: 1), .cancelled, .ended(.cancelled)),
        (.settled, .takenOnce(restUntil: 2), .published(due: 2)),
        (.settled, .takenOnce(restUntil: nil), .settled),
        (.settled, .receipt, .ended(.delivered)),
        (.settled, .failed, .ended(.failed)),
        (.settled, .cancelled, .ended(.cancelled)),
        (.ended(.expired), .receipt, .ended(.delivered)),
    ]

    @Test("each event leads where it should, and nowhere else")
    func transitions() {
        for state in Self.states {
            for event in Self.events {
                let expected = Self.transitions.first { $0.0 == state && $0.1 == event }?.2
                #expect(state.next(event) == expected, "\(state) after \(event)")
            }
        }
    }

    @Test("a row and its state say the same, also when nothing is due")
    func rows() {
        var row = Self.row(.published, due: nil)
        #expect(row.delivery == .settled)
        #expect(!row.isLiving)
        #expect(row.after(.postponed(until: 5)) == nil)
        row = Self.row(.queued, due: 3)
        #expect(row.delivery == .queued(due: 3))
        let taken = row.after(.takenOnce(restUntil: nil))
        #expect(taken?.state == .published)
        #expect(taken?.due == nil)
        #expect(row.after(.sealed(due: 9)) == nil, "sealed twice it would be two messages")
    }

    static func row(_ state: DeliveryState, due: Double?, attempts: Int64 = 0, expires: Double = 1_000_000) -> Outgoing
    {
        Outgoing(
            id: "a", order: 1, sn: 1, sender: People.moki.id.bare, recipient: .person(People.hulk.id.bare), request: [],
            body: .content("{}"), state: state, created: 0, attempts: attempts, due: due, expires: expires)
    }
}

@Suite("When an outgoing message is looked at again") struct RepeatScheduleTests {
    private func schedule(lived: Double) -> RepeatSchedule {
        var context = Context(policy: Policy(), ledger: MemoryLedger(), book: MemoryBook([People.moki])) { 1 }
        context.now = Moment(wall: 0, lived: lived)
        return RepeatSchedule(context)
    }

    @Test(
        "repeats double from the time-out for a receipt to the longest pause",
        arguments: [
            (1, 10.0), (2, 20.0), (3, 40.0), (6, 320.0), (7, 600.0), (60, 600.0), (Int64.max, 600.0),
        ] as [(Int64, Double)])
    func repeats(attempts: Int64, pause: Double) {
        let row = DeliveryStateTests.row(.queued, due: 0, attempts: attempts)
        #expect(schedule(lived: 100).nextTry(of: row) == 100 + pause)
    }

    @Test("nothing is due after the message has expired")
    func bounded() {
        let row = DeliveryStateTests.row(.queued, due: 0, attempts: 9, expires: 103)
        #expect(schedule(lived: 100).nextTry(of: row) == 103)
        #expect(schedule(lived: 100).afterLongestPause(row) == 103)
        #expect(schedule(lived: 100).nextLook(at: row, since: 100) == 103)
    }

    @Test("a meta's key will do after the patience for a visa")
    func looks() {
        let row = DeliveryStateTests.row(.waiting, due: 0)
        #expect(schedule(lived: 100).nextLook(at: row, since: 90) == 120)
        #expect(schedule(lived: 100).nextLook(at: row, since: nil) == 130)
        #expect(schedule(lived: 130).nextLook(at: row, since: 90) == 730)
        #expect(schedule(lived: 119.9).isPatient(since: 90))
        #expect(!schedule(lived: 120).isPatient(since: 90))
    }
}
