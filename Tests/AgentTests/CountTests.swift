import Agent
import DIMP
import Format
import Records
import TestSupport
import Testing

@Suite("What the messenger counts")
struct CountTests {
    /// Losses, doubles and a disk that fails: the sums are those of the books, whatever was tried how often.
    @Test("after a bad post and a bad disk the counts agree with the books", arguments: [1, 2, 3] as [UInt64])
    func badPost(seed: UInt64) throws {
        let pair = Pair.friends(seed: seed)
        pair.trouble = Pair.Trouble(lost: 3, doubled: 3, delay: 5)
        pair.a.ledger.failures = (Dice(seed: seed), 20)
        pair.b.ledger.failures = (Dice(seed: seed &+ 7), 20)
        for number in 0..<30 {
            pair.send("\(number)", expiry: number % 10 == 0 ? 1 : nil)
            pair.advance(1)
        }
        pair.a.ledger.failures = nil
        pair.b.ledger.failures = nil
        pair.advance(4000)
        let sent = pair.a.messenger.counts
        let taken = pair.b.messenger.counts
        let rows = pair.a.ledger.state.outgoing.compactMap { pair.a.row($0.id) }
        let wishes = pair.a.answers.values.count { if case .accepted = $0 { true } else { false } }
        #expect(sent.accepted == wishes)
        #expect(sent.accepted == rows.count)
        #expect(sent.sealed == rows.count { $0.shipment != nil })
        #expect(sent.delivered == rows.count { $0.state == .delivered })
        #expect(sent.receiptsVerified + sent.acknowledgementsVerified == sent.delivered)
        #expect(sent.published <= sent.sealed)
        #expect(sent.repeats == rows.reduce(0) { $0 + max(0, $1.attempts - 1) })
        #expect(sent.repeats > 0)
        #expect(sent.failed == 0 && sent.cancelled == 0 && sent.outboxFull == 0)
        #expect(taken.received == pair.b.inbox.count)
        #expect(taken.duplicates > 0)
        #expect(taken.receiptsSent + taken.acknowledgementsSent >= taken.received)
        #expect(taken.rejected.isEmpty == pair.b.rejections.isEmpty)
        // With one key for all of them, and none of strangers.
        #expect(taken.decryptionsOfContacts <= pair.b.unwraps)
        #expect(taken.decryptionsOfStrangers == 0)
    }

    @Test("every refusal is counted at its stage")
    func refusals() throws {
        let pair = Pair.friends()
        pair.feed(1, .arrived(Array("no JSON".utf8), at: pair.b.id.address))
        pair.feed(1, .arrived(Array("{}".utf8), at: pair.b.id.address))
        #expect(pair.b.rejections.count == 2)
        #expect(
            pair.b.messenger.counts.rejected
                == Dictionary(grouping: pair.b.rejections, by: \.stage).mapValues { Int64($0.count) })
        #expect(pair.b.messenger.counts.rejected[.parse] == 2)
        #expect(pair.a.messenger.counts.rejected.isEmpty)
    }

    @Test("what finds no room, and what was ended by its sender, is counted once")
    func noRoom() throws {
        let pair = Pair.friends()
        pair.unlink(0)
        pair.a.policy.outboxCount = 1
        let first = try #require(pair.row(pair.send("one", expiry: 100)) ?? settled(pair, 1))
        pair.send("two")
        pair.settle()
        #expect(pair.a.messenger.counts.outboxFull == 1)
        #expect(pair.a.messenger.counts.unaccepted == 0)
        #expect(pair.a.messenger.counts.accepted == 1)
        pair.feed(0, .cancelled(id: first.id, token: pair.a.newToken()))
        #expect(pair.a.messenger.counts.cancelled == 1)
        pair.send("three", expiry: 100)
        pair.settle()
        pair.advance(200)
        #expect(pair.a.messenger.counts.expired == 1)
        #expect(pair.a.messenger.counts.accepted == 2)
    }

    @Test("the first try is no repeat, when it comes late either")
    func late() {
        let pair = Pair.friends()
        pair.unlink(0)
        pair.send("waits for the broker")
        pair.settle()
        pair.link(0)
        pair.settle()
        #expect(pair.a.messenger.counts.delivered == 1)
        #expect(pair.a.messenger.counts.repeats == 0)
    }

    @Test("a stranger's first message costs one private key, and a refused request is counted")
    func strangers() throws {
        let pair = Pair([Board([People.moki]), Board([People.hulk], seed: 2)])
        pair.b.policy.strangers = .ask
        pair.linkAll()
        pair.send("may I?")
        pair.settle()
        pair.feed(1, .refusedStranger(People.moki.id))
        #expect(pair.b.messenger.counts.requestsRefused == 1)
        #expect(pair.b.messenger.counts.decryptionsOfStrangers == 0)
        pair.b.policy.strangers = .open
        pair.send("and now?")
        pair.settle()
        #expect(pair.b.messenger.counts.decryptionsOfStrangers == 1)
        #expect(pair.b.unwraps == 1)
        #expect(pair.b.messenger.counts.decryptionsOfContacts == 0)
    }

    @Test("under one reused key the receiver opens with a private key once, however many messages come")
    func reusedKey() {
        let pair = Pair.friends()
        for number in 1...30 {
            pair.send("\(number)")
            pair.settle()
        }
        #expect(pair.b.inbox.count == 30)
        #expect(pair.b.messenger.counts.decryptionsOfContacts == 1)
        #expect(pair.b.unwraps == 1)
    }

    @Test("a card that somebody changed is put back and counted")
    func cards() throws {
        let pair = Pair.friends()
        pair.put([1, 2, 3], at: .visa(pair.a.id.address))
        pair.settle()
        #expect(pair.a.messenger.counts.cardsPutBack == 1)
    }

    private func settled(_ pair: Pair, _ token: UInt64) -> Outgoing? {
        pair.settle()
        return pair.row(token)
    }
}
