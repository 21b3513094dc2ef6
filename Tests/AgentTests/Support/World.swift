import Agent
import Crypto
import DIMP
import Format
import Records
import TestSupport

/// Two boards for some minutes in a bad world, all of it by one seed: how they know each other, what they send, cancel
/// and let expire, and what the post, the brokers, the power, the disks and the clocks do to them. At the end the world
/// is mended, and `faults` says what is still wrong.
final class World {
    /// How the two know each other when the story begins.
    enum Acquaintance: CaseIterable {
        case friends
        /// Both are strangers, and open.
        case open
        /// Both are strangers, and must be accepted.
        case ask
        /// Strangers are refused until they are contacts.
        case closed
        /// The first knows the second, which has forgotten everything and finds no card in the messages.
        case forgotten
        /// The second is no culver agent: it says nothing, and shows each copy as another message.
        case stock
    }

    /// What a local program wants to have sent, and with what tokens it asked.
    private struct Wish {
        var board: Int
        var text: String
        var ref: String?
        var expiry: Double?
        var tokens: [UInt64]
        var isCancelled = false
    }

    let acquaintance: Acquaintance
    private let pair: Pair
    private let dice: Dice
    private var wishes: [Wish] = []
    private var rotated: Set<Int> = []

    init(seed: UInt64) {
        let dice = Dice(seed: seed &* 0x2545_F491_4F6C_DD1D)
        acquaintance = Acquaintance.allCases[dice.below(Acquaintance.allCases.count)]
        let brokers = Array(["home", "lan", "cloud"].prefix(dice.pick([1, 1, 1, 2, 2, 3])))
        pair = Pair(
            [Board([People.moki], seed: dice.next()), Board([People.hulk], seed: dice.next())], brokers: brokers,
            seed: dice.next())
        self.dice = dice
        for board in pair.boards {
            board.policy.strangers =
                switch acquaintance {
                case .ask: .ask
                case .closed: .closed
                default: .open
                }
        }
        introduce()
        if dice.once(in: 6) { unsetClock(of: dice.below(2)) }
        pair.linkAll()
    }

    private func introduce() {
        switch acquaintance {
        case .friends:
            pair.a.befriend(People.hulk)
            pair.b.befriend(People.moki)
        case .forgotten: pair.a.befriend(People.hulk)
        case .stock:
            pair.a.befriend(People.hulk, isCulver: false, visa: People.stockHulk)
            pair.b.isSilent = true
        case .open, .ask, .closed: break
        }
    }

    // MARK: - The story

    /// Lives through the bad time and the good time after it.
    func run() -> [String] {
        pair.trouble = trouble
        for _ in 0..<(3 + dice.below(10)) {
            act()
            switch dice.below(4) {
            case 0: break
            case 1: pair.feedSome(dice.below(12))
            default: pair.advance(dice.seconds(upTo: dice.once(in: 8) ? 400 : 20))
            }
        }
        mend()
        pair.advance(100)
        askAgain()
        pair.advance(5000)
        return faults
    }

    private var trouble: Pair.Trouble {
        guard !dice.once(in: 5) else { return Pair.Trouble() }
        return Pair.Trouble(
            lost: acquaintance == .stock ? 0 : 2 + dice.below(4), doubled: 2 + dice.below(4), held: 3 + dice.below(6),
            delay: dice.once(in: 3) ? 0 : dice.seconds(upTo: 30))
    }

    private func act() {
        let board = dice.below(2)
        switch dice.below(20) {
        case 0..<6: send(from: board)
        // Several at once: they gather, and share messages.
        case 6: for _ in 0..<(2 + dice.below(9)) { send(from: board) }
        case 7: repeatRef()
        case 8: cancel()
        case 9, 10: pair.restart(board)
        case 11: breakLink(board)
        case 12: pair.wipe(dice.pick(pair.brokers))
        case 13, 14: linkAll()
        case 15: failDisk(of: board)
        case 16: mendDisks()
        case 17: rotate(board)
        case 18: moveClock(of: board)
        default: accept(on: board)
        }
    }

    private func send(from board: Int) {
        let from = acquaintance == .stock ? 0 : board
        let number = wishes.count
        var wish = Wish(board: from, text: "\(from) \(number)", tokens: [])
        if dice.once(in: 2) { wish.ref = "ref \(number)" }
        if dice.once(in: 6) { wish.expiry = 1 + dice.seconds(upTo: 600) }
        wishes.append(wish)
        submit(number)
    }

    private func submit(_ number: Int) {
        // What is written under a wrong clock may be refused by the other side for ever.
        let isWrong = pair.boards[wishes[number].board].clockError != 0
        if isWrong, wishes[number].expiry == nil { wishes[number].expiry = 600 }
        let wish = wishes[number]
        let token = pair.send(wish.text, from: wish.board, ref: wish.ref, expiry: wish.expiry)
        wishes[number].tokens.append(token)
    }

    private func repeatRef() {
        let numbers = wishes.indices.filter { wishes[$0].ref != nil }
        if !numbers.isEmpty { submit(dice.pick(numbers)) }
    }

    private func cancel() {
        guard !wishes.isEmpty else { return }
        let number = dice.below(wishes.count)
        let board = wishes[number].board
        guard let row = row(wishes[number]) else { return }
        wishes[number].isCancelled = true
        pair.feed(board, .cancelled(id: row.id, token: pair.boards[board].newToken()))
    }

    private func breakLink(_ board: Int) { pair.unlink(board, dice.pick(pair.brokers)) }

    private func linkAll() {
        for broker in pair.brokers { for board in pair.boards.indices { pair.link(board, broker) } }
    }

    private func failDisk(of board: Int) {
        let ledger = pair.boards[board].ledger
        if dice.once(in: 2) { ledger.isFull = true } else { ledger.failures = (dice, 2 + dice.below(8)) }
    }

    private func mendDisks() {
        for board in pair.boards {
            board.ledger.isFull = false
            board.ledger.failures = nil
        }
    }

    /// Another key for encryption, and everybody is to be told. What is under way is wrapped for the old one.
    private func rotate(_ board: Int) {
        let book = pair.boards[board].book
        guard acquaintance != .stock, pair.boards[board].clockError == 0, rotated.insert(board).inserted else { return }
        let old = pair.boards[board].identity
        let key = People.spareKeys[board]
        for address in book.state.contacts.keys { book.state.contacts[address]?.knowsUs = false }
        guard
            let visa = try? Document.visa(
                of: old.id, name: nil, key: key.publicKey, time: max(pair.now.wall, old.visa.time + 1),
                signedBy: old.secret)
        else { return }
        let new = Identity(id: old.id, meta: old.meta, secret: old.secret, visa: visa, visaKeys: [key] + old.visaKeys)
        book.state.identities[0] = new
        pair.feed(board, .identitiesChanged)
    }

    private func moveClock(of board: Int) {
        let hours: [Double] = [-3, -0.5, 0.5, 5, 960, 9_600, 96_000, -960, -7_200]
        let board = pair.boards[board]
        board.clockError = board.clockError == 0 ? dice.pick(hours) * 3600 : 0
        board.isClockSet = true
    }

    /// From 1970 on, as a Raspberry Pi without network starts.
    private func unsetClock(of board: Int) {
        pair.boards[board].isClockSet = false
        pair.boards[board].clockError = -pair.now.wall
    }

    private func accept(on board: Int) {
        guard acquaintance != .stock else { return }
        pair.feed(board, .befriended(pair.boards[1 - board].id))
    }

    private func mend() {
        pair.trouble = Pair.Trouble()
        mendDisks()
        for board in pair.boards {
            board.clockError = 0
            board.isClockSet = true
        }
        linkAll()
        for board in pair.boards.indices { accept(on: board) }
    }

    /// Who has a ref and no answer asks again.
    private func askAgain() {
        for number in wishes.indices where wishes[number].ref != nil && row(wishes[number]) == nil { submit(number) }
    }

    // MARK: - The judgement

    /// The row that was answered for one of the tokens.
    private func row(_ wish: Wish) -> Outgoing? {
        wish.tokens.lazy.compactMap { self.pair.row($0, of: wish.board) }.first
    }

    private var faults: [String] {
        var faults = wishes.flatMap { self.faults(of: $0) }
        let isFailing = pair.boards.contains { $0.hasFailed }
        if acquaintance == .stock, !isFailing, pair.sentAgain(by: 0) > 0 {
            faults.append("a stock peer got two copies")
        }
        for board in pair.boards {
            // A lost submission leaves a hole in the numbers; two of one number would be two boards.
            if board.ledger.state.events.contains(where: { $0.kind == .clone }) { faults.append("a false clone") }
            if board.isHolding { faults.append("the loop is stuck") }
        }
        return faults
    }

    private func faults(of wish: Wish) -> [String] {
        var faults: [String] = []
        let copies = pair.boards[1 - wish.board].texts.count { $0 == wish.text }
        if copies > 1 { faults.append("\(wish.text) came \(copies) times") }
        let ids = wish.tokens.compactMap { pair.row($0, of: wish.board)?.id }
        if Set(ids).count > 1 { faults.append("\(wish.text) was accepted as \(Set(ids).count) messages") }
        guard let row = row(wish) else {
            if wish.ref != nil { faults.append("\(wish.text) was never accepted") }
            return faults
        }
        let state = "\(row.state) (\(row.reason ?? ""))"
        if acquaintance == .stock {
            if row.isLiving { faults.append("\(wish.text) has not ended: \(state)") }
            return faults
        }
        // Who had not shown what it is when the message expired was sent to once.
        switch row.state {
        case .delivered: if copies != 1 { faults.append("\(wish.text) is delivered and came \(copies) times") }
        case .cancelled: if !wish.isCancelled { faults.append("\(wish.text) is cancelled by nobody") }
        case .expired: if wish.expiry == nil { faults.append("\(wish.text) expired") }
        case .published where wish.expiry != nil && !row.isLiving: break
        case .waiting, .queued, .published, .failed: faults.append("\(wish.text) is \(state)")
        }
        return faults
    }
}

extension Dice {
    fileprivate func pick<T>(_ all: [T]) -> T { all[below(all.count)] }
}
