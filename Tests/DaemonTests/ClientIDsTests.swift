import System
import Testing
import Transport

@testable import culverd

@Suite struct ClientIDsTests {
    private let own = "culver-0123456789abcdef"

    @Test("another id has no more than 23 letters, digits and hyphens, and is kept over restarts")
    func takenOver() {
        var ids = ClientIDs(own: own)
        #expect(ids.current == own && ids.text == own)
        ids.takenOver()
        #expect(ids.current != own && ids.current.utf8.count <= 23)
        #expect(ids.current.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") })
        #expect(ids.abandoned.isEmpty)
        let later = ClientIDs(own: own, remembered: ids.text)
        #expect(later.current == ids.current && later.abandoned.isEmpty)
    }

    @Test("a refused one is left for our own, which there is no other for")
    func refused() {
        var ids = ClientIDs(own: own)
        let isRefused = ids.refused()
        #expect(!isRefused)
        ids.takenOver()
        let isLeft = ids.refused()
        #expect(isLeft && ids.current == own)
    }

    @Test("a guess lasts for one connection, and nothing of it is written down")
    func guess() {
        var ids = ClientIDs(own: own)
        ids.suspect()
        #expect(ids.isGuess && ids.current != own && ids.text == own)
        let isOver = ids.connectionEnded()
        #expect(isOver && !ids.isGuess && ids.current == own)
        let isOverAgain = ids.connectionEnded()
        #expect(!isOverAgain)
    }

    @Test("the id of another machine id is given up, and remembered until its session is removed")
    func machine() {
        var ids = ClientIDs(own: own, remembered: "culver-fedcba9876543210 culver-1111111111111111")
        #expect(ids.current == own)
        #expect(ids.abandoned == ["culver-fedcba9876543210", "culver-1111111111111111"])
        ids.removed("culver-fedcba9876543210")
        #expect(ClientIDs(own: own, remembered: ids.text).abandoned == ["culver-1111111111111111"])
        let many = ClientIDs(own: own, remembered: (0..<50).map { "culver-\($0)" }.joined(separator: " "))
        #expect(many.abandoned.count == 4)
    }

    @Test("only connections that are lost soon, whole and at once made again look as if another had our id")
    func quickLosses() {
        var losses = QuickLosses()
        func story(_ change: (inout QuickLosses, Int) -> Void, isIdle: Bool = true, lasting: Double = 1) -> Bool {
            losses = QuickLosses()
            var isFound = false
            for number in 0..<12 {
                losses.connected(sessionPresent: number > 0, at: 0)
                change(&losses, number)
                if losses.lost(isIdle: isIdle, at: lasting) { isFound = true }
            }
            return isFound
        }
        #expect(story { _, _ in })
        #expect(!story({ losses, number in if number % 3 == 0 { losses.failed() } }))
        #expect(!story({ losses, _ in losses.connected(sessionPresent: false, at: 0) }))
        #expect(!story({ _, _ in }, isIdle: false))
        #expect(!story({ _, _ in }, lasting: 60))
    }

    @Test("what was learnt of a broker comes back for the same address, and not for longer than it was meant")
    func knowledge() throws {
        let address = try BrokerAddress(url: "mqtt://b.lan")
        var known = BrokerKnowledge()
        known.speaksFive = true
        known.willLeftOutUntil = KernelClock.boottime.now + 1000
        var memory = BrokerMemory()
        memory.knowledge = BrokerMemory.text(of: known, at: address, wall: 1_700_000_000)
        let back = memory.knowledge(of: address, at: 1_700_000_400)
        #expect(back.speaksFive && back.olderUntil == nil)
        #expect(abs((back.willLeftOutUntil ?? 0) - KernelClock.boottime.now - 600) < 5)
        // The clock went back to 1970.
        let early = memory.knowledge(of: address, at: 0)
        #expect((early.willLeftOutUntil ?? .infinity) <= KernelClock.boottime.now + 86_400)
        #expect(memory.knowledge(of: try BrokerAddress(url: "mqtt://other.lan"), at: 0) == BrokerKnowledge())
        // Two starts ended soon after connecting: MQTT 5 is left alone for a day, over further starts.
        memory.starts = 2
        memory.beginAnew(at: address, wall: 1_700_000_000)
        #expect(memory.starts == 0)
        let spared = memory.knowledge(of: address, at: 1_700_000_000 + 43_200)
        #expect(abs((spared.olderUntil ?? 0) - KernelClock.boottime.now - 43_200) < 5)
        #expect(spared.speaksFive)
        memory.knowledge = "x y"
        #expect(memory.knowledge(of: address, at: 0) == BrokerKnowledge())
    }
}
