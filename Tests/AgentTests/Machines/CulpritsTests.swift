import DIMP
import Testing

@testable import Agent

@Suite("What a broker ends the connection over") struct CulpritsTests {
    private var culprits = Culprits()
    private let topic = Topic.inbox(People.hulk.id.address)

    private func underway(_ ids: String..., bytes: Int = 100, sent: Double = 0) -> [Underway] {
        ids.map {
            Underway(
                publication: PendingPublication(topic: topic, payload: [], purpose: .message(id: $0), broker: "a"),
                bytes: bytes, sent: sent)
        }
    }

    /// Two connections that end soon, with these under way.
    private mutating func becomeCareful(_ ids: [Underway]) {
        for _ in 0..<2 {
            culprits.connected(at: 0)
            let found = culprits.lost(ids, at: 1)
            #expect(found == nil)
        }
        culprits.connected(at: 2)
    }

    @Test("the first loss is nobody's fault, the second makes careful, and one alone in the third is set aside")
    mutating func found() {
        culprits.connected(at: 0)
        let first = culprits.lost(underway("a"), at: 1)
        #expect(first == nil && !culprits.isCareful)
        culprits.connected(at: 2)
        let second = culprits.lost(underway("a", sent: 2), at: 3)
        #expect(second == nil && culprits.isCareful)
        culprits.connected(at: 4)
        let third = culprits.lost(underway("a", sent: 4), at: 5)
        #expect(third?.suspect == .message("a") && third?.until == 65)
        #expect(culprits.barred(.message("a"), topic: topic, bytes: 100, at: 64) == 65)
        #expect(culprits.barred(.message("a"), topic: topic, bytes: 100, at: 65) == nil)
        #expect(culprits.barred(.message("b"), topic: topic, bytes: 100, at: 6) == nil)
    }

    @Test("it is set aside for longer each time, and not at all any more once the broker has answered it")
    mutating func longer() {
        becomeCareful(underway("a"))
        var lived = 10.0
        for pause in [60.0, 600, 3600, 3600] {
            culprits.connected(at: lived)
            culprits.tried(.message("a"))
            let offence = culprits.lost(underway("a", sent: lived), at: lived + 1)
            #expect(offence?.until == lived + 1 + pause)
            lived += 1 + pause
        }
        culprits.answered(.message("a"), bytes: 100)
        #expect(culprits.barred(.message("a"), topic: topic, bytes: 100, at: lived - 10) == nil)
    }

    @Test("what lay there for long is not the cause: the line was dead")
    mutating func deadLine() {
        for lived in stride(from: 0.0, to: 500, by: 50) {
            culprits.connected(at: lived)
            let found = culprits.lost(underway("a", sent: lived), at: lived + Tuning.promptEnd)
            #expect(found == nil && !culprits.isCareful)
        }
    }

    @Test("among several nothing is blamed, and a connection that lived for long makes no culprit")
    mutating func notBlamed() {
        becomeCareful(underway("a", "b"))
        let several = culprits.lost(underway("a", "b", sent: 2), at: 3)
        #expect(several == nil && culprits.isCareful)
        culprits.connected(at: 4)
        let late = culprits.lost(underway("a", sent: 700), at: 701)
        #expect(late == nil && !culprits.isCareful)
    }

    @Test("answers in a row put it at ease")
    mutating func atEase() {
        becomeCareful(underway("a"))
        for number in 0..<Tuning.answersToEase { culprits.answered(.message("\(number)"), bytes: 10) }
        #expect(!culprits.isCareful)
    }

    @Test("two of one topic bar the topic; a large one bars what is as large, unless such was taken")
    mutating func kinds() {
        becomeCareful(underway("a"))
        for id in ["a", "b"] {
            culprits.connected(at: 10)
            _ = culprits.lost(underway(id, bytes: 50, sent: 10), at: 11)
        }
        let other = Topic.inbox(People.carol.id.address)
        #expect(culprits.barred(.message("c"), topic: topic, bytes: 1, at: 12) != nil)
        #expect(culprits.barred(.message("c"), topic: other, bytes: 1, at: 12) == nil)
        _ = culprits.lost(underway("large", bytes: 100_000, sent: 10), at: 11)
        #expect(culprits.tooLarge(at: 12) == 100_000)
        #expect(culprits.barred(.message("c"), topic: other, bytes: 100_000, at: 12) != nil)
        #expect(culprits.barred(.message("c"), topic: other, bytes: 99_999, at: 12) == nil)
        culprits.answered(.message("d"), bytes: 200_000)
        #expect(culprits.barred(.message("c"), topic: other, bytes: 100_000, at: 12) == nil)
    }

    @Test("only so many are remembered")
    mutating func bounded() {
        becomeCareful(underway("a"))
        for number in 0..<Tuning.rememberedCulprits + 10 {
            let lived = 10 + Double(number) * 0.01
            culprits.connected(at: lived)
            _ = culprits.lost(underway("\(number)", sent: lived), at: lived)
        }
        #expect(culprits.barred(.message("0"), topic: .meta(People.carol.id.address), bytes: 1, at: 20) == nil)
        let last = "\(Tuning.rememberedCulprits + 9)"
        #expect(culprits.barred(.message(last), topic: .meta(People.carol.id.address), bytes: 1, at: 20) != nil)
    }
}
