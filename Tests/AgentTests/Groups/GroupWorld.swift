import Agent
import Crypto
import DIMP
import Format
import Records
import TestSupport

/// A group on four boards for some minutes in a bad world, all of it by one seed. A model knows who might read what: at the
/// end the world is mended, everybody says something, and `faults` says what is still wrong.
final class GroupWorld {
    private static let everybody = [People.moki, People.hulk, People.carol, People.dave]

    private let pair: Pair
    private let dice: Dice
    private let club = Club(foundedBy: People.moki)
    private var sent = 0
    /// By text: who was a member for the sender when it was accepted, and the sender.
    private var audiences: [String: Set<Int>] = [:]

    init(seed: UInt64) {
        let dice = Dice(seed: seed &* 0x9E6D_62D0_6F6A_9A9B)
        self.dice = dice
        let brokers = Array(["home", "lan"].prefix(1 + dice.below(2)))
        pair = Pair(
            Self.everybody.map { Board([$0], seed: dice.next()) }, brokers: brokers, seed: dice.next())
        for (number, identity) in Self.everybody.enumerated().dropFirst() {
            pair.boards[number].befriend(People.moki)
            pair.a.befriend(identity)
        }
        club.found(on: pair.a)
        pair.linkAll()
        let first = Self.everybody.indices.dropFirst().filter { _ in !dice.once(in: 3) }
        pair.command("invite", first.map { Self.everybody[$0].id }, in: club)
    }

    func run() -> [String] {
        pair.trouble = Pair.Trouble(
            lost: 3 + dice.below(4), doubled: 3 + dice.below(4), held: 4 + dice.below(6),
            delay: dice.once(in: 3) ? 0 : dice.seconds(upTo: 20))
        for _ in 0..<(4 + dice.below(12)) {
            act()
            switch dice.below(4) {
            case 0: break
            case 1: pair.feedSome(dice.below(15))
            default: pair.advance(dice.seconds(upTo: 30))
            }
        }
        mend()
        pair.advance(4000)
        // What was missed and never told shows when somebody says something.
        for _ in 0..<3 {
            for board in members { say(from: board) }
            pair.advance(700)
        }
        return faults
    }

    /// Those that the owner takes for members.
    private var members: [Int] {
        let members = club.members(on: pair.a)
        return Self.everybody.indices.filter { members.contains(Self.everybody[$0].id) }
    }

    private func act() {
        let board = dice.below(Self.everybody.count)
        let whom = Self.everybody.filter { _ in dice.once(in: 3) }.map(\.id)
        switch dice.below(22) {
        case 0..<6: say(from: board)
        case 6, 7: pair.command("invite", whom, in: club)
        case 8: pair.command("invite", whom, in: club, from: board)
        case 9: pair.command("expel", whom.filter { $0 != People.moki.id }, in: club)
        case 10: pair.command("expel", whom.filter { $0 != People.moki.id }, in: club, from: board)
        case 11: pair.command("hire", whom, in: club)
        case 12: pair.command("fire", whom, in: club, from: board)
        case 13: pair.command(dice.once(in: 2) ? "quit" : "resign", in: club, from: board)
        case 14: pair.command("reset", whom, in: club, administrators: Array(whom.suffix(1)))
        case 15: pair.command("join", in: club, from: board)
        case 16, 17: pair.restart(board)
        case 18: pair.unlink(board, pair.brokers[0])
        case 19: pair.wipe(pair.brokers[dice.below(pair.brokers.count)])
        case 20: linkAll()
        default:
            let other = pair.boards[board]
            other.clockError = other.clockError == 0 ? dice.seconds(upTo: 2400) - 1200 : 0
        }
    }

    private func say(from board: Int) {
        let text = "\(board) says \(sent)"
        sent += 1
        let known = club.members(on: pair.boards[board])
        audiences[text] = Set(Self.everybody.indices.filter { known.contains(Self.everybody[$0].id) })
        pair.send(text, from: board, to: club.id)
    }

    private func linkAll() {
        for broker in pair.brokers { for board in pair.boards.indices { pair.link(board, broker) } }
    }

    private func mend() {
        pair.trouble = Pair.Trouble()
        for board in pair.boards { board.clockError = 0 }
        linkAll()
    }

    // MARK: - The judgement

    private var faults: [String] {
        var faults: [String] = []
        let truth = pair.a.book.group(club.id.address)
        for number in members {
            let group = pair.boards[number].book.group(club.id.address)
            // Whoever missed that somebody left and came back has another order, and no reason to ask.
            guard let group, let truth,
                Set(group.membership.members) == Set(truth.membership.members),
                Set(group.membership.administrators) == Set(truth.membership.administrators)
            else {
                faults.append(
                    "\(number) thinks of others than the owner: \(club.members(on: pair.boards[number]).count)")
                continue
            }
        }
        for (number, board) in pair.boards.enumerated() {
            for text in Set(board.texts) {
                if board.texts.count(where: { $0 == text }) > 1 { faults.append("\(text) came twice to \(number)") }
                if audiences[text]?.contains(number) != true { faults.append("\(number) reads \(text)") }
            }
        }
        // What was said at last has come to all.
        let last = Set(audiences.keys.sorted { self.number($0) < self.number($1) }.suffix(members.count))
        for text in last {
            for number in members where !text.hasPrefix("\(number) ") && !pair.boards[number].texts.contains(text) {
                faults.append("\(text) did not come to \(number)")
            }
        }
        return faults + keyFaults
    }

    private func number(_ text: String) -> Int { text.split(separator: " ").last.flatMap { Int($0) } ?? 0 }

    /// Every copy that ever left a board, opened by its receiver: nobody had a key for what was not meant for it.
    private var keyFaults: [String] {
        var faults: [String] = []
        for (_, parcel) in pair.published {
            guard case .inbox(let address) = parcel.topic,
                let number = Self.everybody.firstIndex(where: { $0.id.address == address }),
                let message = try? ReliableMessage(parsing: parcel.payload), message.envelope.group == club.id,
                message.envelope.type == ContentType.text.rawValue
            else { continue }
            if message.secure.keys.contains(where: { $0.receiver != Self.everybody[number].id.text }) {
                faults.append("a copy for \(number) has another's key")
            }
            let secrets = Self.everybody[number].decryptionKeys
            guard let key = try? message.secure.unwrapped(for: Self.everybody[number].id, with: secrets).key,
                case .text(let text)? = try? message.secure.decrypted(with: key).content.body
            else { continue }
            if audiences[text]?.contains(number) != true { faults.append("\(number) had a key of \(text)") }
        }
        return Array(Set(faults))
    }
}
