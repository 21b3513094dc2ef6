import DIMP
import TestSupport
import Testing

@testable import Agent

@Suite("What strangers may cost")
struct ThrottleTests {
    private func held(_ number: Int64, from sender: Identity = People.moki) throws -> HeldMessage {
        let message = try sender.sealedMessage(.text("x", sn: number, time: Pair.start), to: People.hulk)
        let incoming = IncomingMessage(message)
        return HeldMessage(
            arrival: Arrival(
                message: try incoming.addressed(to: [People.hulk.id]), wire: [UInt8](repeating: 0, count: 100), depth: 0
            ))
    }

    @Test("messages go on in the order of their sender, and one sender does not stop another")
    func order() throws {
        var throttle = Throttle()
        let moki = try (1...3).map { try held($0) }
        let carol = try (1...3).map { try held($0, from: People.carol) }
        for index in 0..<3 {
            #expect(throttle.add(moki[index], lived: 0) == true)
            #expect(throttle.add(carol[index], lived: 0) == true)
        }
        #expect(throttle.heldBack.count == 6)
        #expect(throttle.heldBack.bytes == 600)
        let first = throttle.release(lived: 1) { held in
            held.arrival.message.digest != carol[0].arrival.message.digest
        }
        #expect(first.map(\.arrival.message.digest) == moki.map(\.arrival.message.digest))
        #expect(!throttle.holds(People.moki.id.address))
        #expect(throttle.holds(People.carol.id.address))
        #expect(throttle.heldBack.count == 3)
        // Not before the pause is over.
        #expect(throttle.release(lived: 1) { _ in true }.count == 0)
        #expect(
            throttle.release(lived: 2) { _ in true }.map(\.arrival.message.digest)
                == carol.map(\.arrival.message.digest))
        #expect(throttle.heldBack.bytes == 0)
        #expect(throttle.nextDue == nil)
    }

    @Test("what waits is bounded, in number and in bytes")
    func bounded() throws {
        var throttle = Throttle()
        var message = try held(1)
        var added = 0
        while throttle.add(message, lived: 0) { added += 1 }
        #expect(added == 1024)
        throttle = Throttle()
        message.arrival.wire = [UInt8](repeating: 0, count: 1 << 20)
        added = 0
        while throttle.add(message, lived: 0) { added += 1 }
        #expect(added == 6)
    }

    @Test("brokers are held back for a minute, and then for a while not, whatever waits")
    func minute() throws {
        var throttle = Throttle()
        let message = try held(1)
        #expect(throttle.add(message, lived: 10) == true)
        #expect(throttle.release(lived: 69) { _ in false }.count == 0)
        #expect(throttle.heldBack.count == 1)
        #expect(throttle.release(lived: 70) { _ in false }.count == 0)
        #expect(throttle.heldBack.count == 0)
        #expect(throttle.add(message, lived: 71) == true)
        #expect(throttle.release(lived: 80) { _ in true }.count == 2)
        #expect(throttle.add(message, lived: 81) == true)
        #expect(throttle.heldBack.count == 0)
        #expect(throttle.release(lived: 82) { _ in true }.count == 1)
        #expect(throttle.add(message, lived: 700) == true)
        #expect(throttle.heldBack.count == 1)
    }

    @Test("time that operations took is paid before there are more")
    func time() {
        var budgets = StrangerBudgets(Policy())
        let moki = People.moki.id.address
        #expect(budgets.takePublic(1, at: 0) == true)
        budgets.spendPublic(seconds: 2, at: 0)
        #expect(budgets.takePublic(1, at: 3.9) == false)
        #expect(budgets.takePrivate(1, of: moki, at: 3.9) == true)
        #expect(budgets.takePublic(1, at: 4.1) == true)
        budgets.spendPrivate(seconds: 2, at: 4)
        #expect(budgets.takePrivate(1, of: moki, at: 7.9) == false)
        #expect(budgets.takePrivate(1, of: moki, at: 8.1) == true)
    }

    @Test("work says how long it took")
    func measured() throws {
        let pair = Pair([Board([People.moki]), Board([People.hulk], seed: 2)])
        let message = try People.moki.sealedMessage(
            .text("x", sn: 1, time: Pair.start), to: People.hulk, attach: true)
        let arrived = Input.arrived(message.json.bytes, at: People.hulk.id.address)
        let effects = pair.b.handle(arrived, at: pair.now)
        guard case .work(let job) = try #require(effects.first) else {
            Issue.record("no work")
            return
        }
        var ticks = 0.0
        let input = job.done {
            ticks += 1
            return ticks
        }
        guard case .verified(let verifying, .success) = input else {
            Issue.record("not verified")
            return
        }
        #expect(verifying.seconds == 1)
        #expect(verifying.operations == 2)
    }
}
