import DIMP
import Records
import Testing

@testable import Agent

@Suite("What is on its way to one peer") struct PeerFlowTests {
    private var flow = PeerFlow()
    private let pause = 10.0

    private func shipment(_ number: Int) -> Int64 { Int64(number) }

    /// As many as may go of these, the others wait.
    private mutating func send(_ numbers: Range<Int>, _ priority: Priority = .normal) -> Int {
        var sent = 0
        for number in numbers {
            if flow.admits(new: priority) {
                flow.sent(shipment(number))
                sent += 1
            } else {
                flow.held(shipment(number), priority: priority, wasSent: false)
            }
        }
        return sent
    }

    /// Repeats what is due of these. The others rest.
    private mutating func `repeat`(_ numbers: some Sequence<Int>, at lived: Double) -> [Int] {
        var repeated: [Int] = []
        for number in numbers {
            if flow.admits(due: shipment(number), priority: .normal, pause: pause, at: lived) {
                repeated.append(number)
            } else {
                flow.held(shipment(number), priority: .normal, wasSent: true)
            }
        }
        return repeated
    }

    @Test("a window goes out, and each receipt lets another go")
    mutating func window() {
        let sent = send(0..<1000)
        #expect(sent == Tuning.largestWindow && flow.next == nil)
        flow.receipted(shipment(0), at: 1)
        #expect(flow.next == .unsent(limit: 1))
        for number in 1..<Tuning.largestWindow { flow.receipted(shipment(number), at: 1) }
        #expect(flow.next == .unsent(limit: Tuning.largestWindow))
    }

    @Test("of a silent peer four are repeated, always the same; a receipt lets two of the others go again, in its turn")
    mutating func silence() {
        _ = send(0..<20)
        let first = self.repeat(0..<20, at: 10)
        #expect(first == [0, 1, 2, 3] && flow.next == nil)
        let second = self.repeat(first, at: 30)
        #expect(second == first && flow.next == nil)
        flow.receipted(shipment(0), at: 31)
        #expect(flow.next == .resting(limit: 2))
        for number in 4...5 { flow.sent(shipment(number)) }
        flow.found(resting: 2, takenUp: 2)
        #expect(flow.next == nil)
        for number in 1...5 { flow.receipted(shipment(number), at: 32) }
        #expect(flow.next == .resting(limit: 10))
        flow.found(resting: 0, takenUp: 0)
        #expect(flow.next == nil)
    }

    @Test("a silent peer's window stays open for what is new, and after the silence the old goes first")
    mutating func order() {
        _ = send(0..<20)
        _ = self.repeat(0..<20, at: 10)
        let sent = send(20..<30)
        #expect(sent == 10)
        flow.receipted(shipment(0), at: 31)
        let later = send(30..<31)
        #expect(later == 0 && flow.next == .resting(limit: 2))
        flow.found(resting: 0, takenUp: 0)
        guard case .unsent = flow.next else {
            Issue.record("\(String(describing: flow.next))")
            return
        }
    }

    @Test("when those that are repeated end or are set aside, others are repeated in their place")
    mutating func replaced() {
        _ = send(0..<20)
        _ = self.repeat(0..<20, at: 10)
        flow.ended(shipment(0))
        #expect(flow.next == .resting(limit: 2))
        flow.found(resting: 2, takenUp: 2)
        #expect(flow.next == nil)
        flow.setAside(shipment(1))
        #expect(flow.next == .resting(limit: 1))
    }

    @Test("a peer that gives receipts but is slow gets half the window, once in a time-out, down to the least")
    mutating func slow() {
        _ = send(0..<256)
        for number in 0..<10 { flow.receipted(shipment(number), at: 9) }
        // Repeated though receipts come: 128, and each receipt widens it by one.
        _ = self.repeat(10..<12, at: 10)
        for number in 10..<69 { flow.receipted(shipment(number), at: 11) }
        #expect(!flow.admits(new: .normal))
        flow.receipted(shipment(69), at: 11)
        #expect(flow.admits(new: .normal))
        for step in 1...9 {
            flow.receipted(9_999, at: 11 + Double(10 * step) - 1)
            _ = self.repeat(100..<101, at: 11 + Double(10 * step))
        }
        // What ends otherwise makes room and widens nothing; seven are left.
        for number in 70..<250 where number != 100 { flow.ended(shipment(number)) }
        var fresh = 0
        for number in 300..<600 where flow.admits(new: .normal) {
            flow.sent(shipment(number))
            fresh += 1
        }
        #expect(fresh + 7 == Tuning.leastWindow)
    }

    @Test("what is more urgent overtakes what waits, and goes a little beyond the window")
    mutating func priorities() {
        let bulk = send(0..<300, .bulk)
        #expect(bulk == Tuning.largestWindow)
        let normal = send(300..<301)
        #expect(normal == 0)
        let urgent = send(400..<500, .urgent)
        #expect(urgent == Tuning.urgentReserve)
        flow.found(unsent: .bulk)
        for number in 0..<20 { flow.receipted(shipment(number), at: 1) }
        #expect(flow.admits(new: .normal) && flow.admits(new: .urgent) && !flow.admits(new: .bulk))
    }

    @Test("with more on its way than the window is, those that are repeated are repeated also when they were lost")
    mutating func lostProbes() {
        _ = send(0..<256)
        flow.receipted(shipment(255), at: 9)
        // Repeated though receipts come: the peer is slow, and half the window is left.
        _ = self.repeat(0..<1, at: 10)
        _ = self.repeat(1..<255, at: 30)
        #expect(!flow.admits(new: .normal) && flow.next == nil)
        for number in 0..<4 { flow.lost(shipment(number)) }
        let again = self.repeat(0..<4, at: 31)
        #expect(again == [0, 1, 2, 3])
    }

    @Test("when all that were repeated were lost and ended, others are repeated in their place")
    mutating func endedProbes() {
        _ = send(0..<20)
        let probes = self.repeat(0..<20, at: 10)
        #expect(flow.next == nil)
        for number in probes { flow.lost(shipment(number)) }
        flow.ended(shipment(probes[0]))
        #expect(flow.next == .resting(limit: 2))
    }

    @Test("what was lost on its way goes again as if for the first time")
    mutating func lost() {
        _ = send(0..<20)
        for number in 0..<20 { flow.lost(shipment(number)) }
        let again = self.repeat(0..<20, at: 100)
        #expect(again == Array(0..<20))
    }
}

@Suite("Peers take turns") struct PeerTurnsTests {
    private var turns = PeerTurns()
    private let hulk = People.hulk.id
    private let carol = People.carol.id

    @Test("one after the other, and who has nothing to send is not in the line")
    mutating func line() {
        for receiver in [hulk, carol] {
            turns.update(receiver) { $0.held(1, priority: .normal, wasSent: false) }
            turns.update(receiver) { $0.held(2, priority: .normal, wasSent: false) }
        }
        var order: [ID] = []
        for number in 0..<4 {
            guard let (receiver, wish) = turns.next() else { break }
            #expect(wish == .unsent(limit: Tuning.largestWindow - number / 2))
            order.append(receiver)
            turns.update(receiver) { $0.sent(Int64(number)) }
        }
        #expect(order == [hulk, carol, hulk, carol])
        for receiver in [hulk, carol] { turns.update(receiver) { $0.found(unsent: nil) } }
        let last = turns.next()
        #expect(last == nil && turns.isEmpty)
    }
}
