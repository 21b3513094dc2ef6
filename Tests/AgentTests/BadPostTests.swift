import Agent
import DIMP
import Records
import TestSupport
import Testing

@Suite("A bad post")
struct BadPostTests {
    /// Parcels are lost, doubled, delayed and overtaken, acknowledgements are held back, links break.
    @Test("every accepted message is in the inbox exactly once and delivered", arguments: 0..<6)
    func exactlyOnce(block: UInt64) throws {
        for seed in block * 50..<block * 50 + 50 {
            let pair = Pair.friends(seed: seed)
            pair.trouble = trouble(of: pair.dice)
            let tokens = send(on: pair)
            let (owed, count) = (tokens, tokens[0].count + tokens[1].count)
            for _ in 0..<count { pair.advance(pair.dice.seconds(upTo: 20)) }
            pair.trouble = Pair.Trouble()
            pair.advance(4000)
            check(pair, owed, "seed \(seed)")
        }
    }

    @Test("and so it is when boards lose their power at any moment", arguments: 0..<2)
    func powerCuts(block: UInt64) throws {
        for seed in block * 25 + 1000..<block * 25 + 1025 {
            let pair = Pair.friends(seed: seed)
            pair.trouble = trouble(of: pair.dice)
            let tokens = send(on: pair)
            for _ in 0..<8 {
                pair.advance(pair.dice.seconds(upTo: 10))
                let board = pair.dice.below(2)
                pair.feedSome(pair.dice.below(12))
                pair.restart(board)
            }
            pair.trouble = Pair.Trouble()
            pair.advance(4000)
            check(pair, tokens, "seed \(seed)")
        }
    }

    @Test("first contact survives it too", arguments: 0..<2)
    func firstContact(block: UInt64) throws {
        for seed in block * 10 + 2000..<block * 10 + 2010 {
            let pair = Pair([Board([People.moki], seed: seed), Board([People.hulk], seed: seed &+ 99)], seed: seed)
            pair.b.policy.strangers = .open
            pair.trouble = trouble(of: pair.dice)
            pair.linkAll()
            let tokens = send(on: pair)
            pair.advance(100)
            pair.trouble = Pair.Trouble()
            pair.advance(4000)
            check(pair, tokens, "seed \(seed)")
        }
    }

    private func trouble(of dice: Dice) -> Pair.Trouble {
        Pair.Trouble(
            lost: 2 + dice.below(4), doubled: 2 + dice.below(4), held: 3 + dice.below(6), delay: dice.seconds(upTo: 30))
    }

    private func send(on pair: Pair) -> [[UInt64]] {
        [0, 1].map { board in (0..<2).map { pair.send("\(board) \($0)", from: board) } }
    }

    private func check(_ pair: Pair, _ tokens: [[UInt64]], _ comment: Comment) {
        for board in 0..<2 {
            let rows = tokens[board].compactMap { pair.row($0, of: board) }
            #expect(rows.allSatisfy { $0.state == .delivered }, comment)
            let other = pair.boards[1 - board]
            // What was not accepted was never answered; only a power cut makes it so.
            for number in 0..<2 {
                let isAccepted = pair.row(tokens[board][number], of: board) != nil
                let count = other.texts.count { $0 == "\(board) \(number)" }
                #expect(isAccepted ? count == 1 : count <= 1, comment)
            }
        }
    }
}
