import Agent
import DIMP
import Format
import Foundation
import Records
import Store
import TestSupport

@testable import culverd

/// Two boards with real files and a broker between them, a script, and a step of either at which the process that takes
/// it is killed. Time passes only when nothing else is left to do.
final class CrashWorld {
    private struct Killed: Error {}

    /// Who is killed after this step; `nil` for nobody.
    private let last: Int?
    private(set) var steps = 0
    private(set) var kills = 0

    private let place: TemporaryDirectory
    private let people: [Identity]
    private var boards: [CrashBoard] = []
    private var now = Moment(wall: 1_760_000_000, lived: 1000)
    private var policy = Policy()

    /// What is to happen, in order: each to one board.
    private var pending: [(board: Int, what: What)] = []
    private var shelves: [Topic: [UInt8]] = [:]
    private var watched: [Set<Address>] = [[], []]
    /// Parcels for an inbox that the broker still loses.
    private var losses = 1

    /// What local programs asked for, by their ref, and what they were told.
    private(set) var wishes: [String: Wish] = [:]
    private var tokens: [UInt64: String] = [:]
    private var lastToken: UInt64 = 0

    struct Wish {
        var board: Int
        var to: ID
        var expiry: Double?
        var id: String?
        var isCancelled = false
        /// The caller was refused, or its board died, before it had an answer.
        var isOpen = true
    }

    private enum What {
        case input(Input)
        /// Of key work that a turn began.
        case result(Input, ofTurn: Int64)
        case send(ref: String)
        case cancel(ref: String)
        case accept(ID)
        case read
    }

    init(_ people: [Identity], killedAfter last: Int?) throws {
        self.people = people
        self.last = last
        place = try TemporaryDirectory()
        for (number, identity) in people.prefix(2).enumerated() {
            let board = try open(number)
            board.book.facebook.put(identity)
            for change in board.book.takeChanges() { try board.files.perform(change) }
            boards.append(board)
        }
    }

    private func open(_ number: Int) throws -> CrashBoard {
        try CrashBoard("\(place.path)/\(number)", policy: policy, time: now.wall)
    }

    // MARK: - The script

    /// First contact, messages both ways, one that the broker loses, one that is taken back, one that expires, and a
    /// program that reads.
    func run() throws {
        let (left, right, nobody) = (people[0].id, people[1].id, people[2].id)
        for board in [0, 1] { pending.append((board, .input(.linked(broker: "home", room: 20)))) }
        try settle()
        for text in ["first", "second"] { wish(text, from: 0, to: right) }
        try settle()
        // The stranger is seen, and taken.
        pending.append((1, .accept(left)))
        try settle()
        for number in 0..<3 {
            wish("left \(number)", from: 0, to: right)
            wish("right \(number)", from: 1, to: left)
        }
        wish("too late", from: 0, to: nobody, expiry: 60)
        wish("taken back", from: 1, to: nobody)
        try settle()
        pending.append((1, .cancel(ref: "taken back")))
        for board in [0, 1] { pending.append((board, .read)) }
        try settle()
        // More than one at once: they share messages.
        for number in 3..<8 { wish("left \(number)", from: 0, to: right) }
        try live(for: 3 * 86_400)
    }

    private func wish(_ ref: String, from board: Int, to: ID, expiry: Double? = nil) {
        wishes[ref] = Wish(board: board, to: to, expiry: expiry)
        pending.append((board, .send(ref: ref)))
    }

    /// Everything that can happen without time passing.
    private func settle() throws {
        while !pending.isEmpty {
            let (board, what) = pending.removeFirst()
            do {
                try take(what, board)
            } catch is Killed {
                try revive(board)
                // Whoever was not answered asks again.
                switch what {
                case .cancel, .accept, .read: pending.append((board, what))
                case .input, .result, .send: break
                }
            }
        }
    }

    private func live(for seconds: Double) throws {
        let end = now.lived + seconds
        while true {
            try settle()
            var next = end
            for board in boards { next = min(next, try board.nextTick(now)) }
            guard next < end else { break }
            now.wall += max(0, next - now.lived)
            now.lived = max(now.lived, next)
            for board in boards.indices { pending.append((board, .input(.ticked))) }
        }
    }

    /// The process is started again, by its files; callers that heard nothing ask again.
    private func revive(_ number: Int) throws {
        kills += 1
        pending.removeAll { entry in
            guard entry.board == number else { return false }
            // What was on its way to the dead process is lost with it: libmosquitto has acknowledged it.
            switch entry.what {
            case .input(.ticked), .send, .cancel, .accept, .read: return false
            case .input, .result: return true
            }
        }
        watched[number] = []
        boards[number] = try open(number)
        pending.append((number, .input(.linked(broker: "home", room: 20))))
        for (ref, wish) in wishes.sorted(by: { $0.key < $1.key }) where wish.board == number && wish.isOpen {
            let isWaiting = pending.contains { if case .send(ref) = $0.what { true } else { false } }
            if !isWaiting { pending.append((number, .send(ref: ref))) }
        }
    }

    private func take(_ what: What, _ number: Int) throws {
        let board = boards[number]
        switch what {
        case .input(let input): try board.turn(.input(input), at: now, outside(number))
        case .result(let result, let turn): try board.turn(result, ofTurn: turn, at: now, outside(number))
        case .send(let ref):
            guard let wish = wishes[ref] else { return }
            let token = token(for: ref)
            let submission = Submission(
                token: token, sender: people[number].id, receiver: wish.to, type: .text,
                members: ["text": .string(ref)],
                ref: ref, expiry: wish.expiry)
            try board.turn(.input(.submitted(submission)), at: now, outside(number))
        case .cancel(let ref):
            guard let id = wishes[ref]?.id else { return }
            wishes[ref]?.isCancelled = true
            try board.turn(.input(.cancelled(id: id, token: 0)), at: now, outside(number))
        case .accept(let id):
            let chore: CrashBoard.Chore = { turn in
                board.book.apply(.contact(Contact(id: id.bare, trust: .contact)))
                try turn.handle(.befriended(id))
            }
            try board.turn(.chore(chore), at: now, outside(number))
        case .read:
            let chore: CrashBoard.Chore = { turn in
                let store = board.store
                if try store.consumer("lamp") == nil {
                    try store.put(Consumer(name: "lamp", uid: 1, cursor: 0, created: turn.now.wall))
                }
                let found = try store.next(for: "lamp", after: 0, limit: 2)
                if let newest = found.messages.last { _ = try store.acknowledge(consumer: "lamp", seq: newest.seq) }
            }
            try board.turn(.chore(chore), at: now, outside(number))
        }
    }

    private func token(for ref: String) -> UInt64 {
        lastToken += 1
        tokens[lastToken] = ref
        return lastToken
    }

    private func outside(_ number: Int) -> CrashBoard.Outside {
        CrashBoard.Outside(
            step: step, work: { self.pending.append((number, .result($0.done(), ofTurn: $1))) },
            perform: { try self.perform($0, number) })
    }

    private func step() throws {
        steps += 1
        if steps == last { throw Killed() }
    }

    // MARK: - Outside

    private func perform(_ effect: Effect, _ number: Int) throws {
        switch effect {
        case .answer(let token, .accepted(let id, _, _, _)):
            guard let ref = tokens[token] else { return }
            wishes[ref]?.id = id
            wishes[ref]?.isOpen = false
        case .answer(let token, .refused(let refusal)):
            if tokens[token] != nil { throw refusal }
        case .publish(let parcel): publish(parcel, from: number)
        case .watch(let address): watch(address, number)
        case .keep(let addresses, _): for address in addresses { watch(address, number) }
        case .leave(let address): watched[number].remove(address)
        case .work, .changed, .call, .bridge, .pipe, .rejected, .abandon, .standBack, .watchStates, .leaveState, .file: break
        }
    }

    private func publish(_ parcel: Publication, from number: Int) {
        var word = Outcome.taken
        switch parcel.topic {
        case .inbox(let address), .acknowledgements(let address):
            guard let to = people.prefix(2).firstIndex(where: { $0.id.address == address }) else {
                word = .nobody
                break
            }
            if losses > 0, wishes["left 2"]?.isOpen == false {
                losses -= 1
                break
            }
            let isMessage = parcel.topic == .inbox(address)
            let input: Input =
                isMessage ? .arrived(parcel.payload, at: address) : .confirmed(parcel.payload, at: address)
            pending.append((to, .input(input)))
        case .piece: word = .nobody
        case .meta(let address), .visa(let address), .state(let address):
            shelves[parcel.topic] = parcel.payload
            for board in boards.indices where watched[board].contains(address) {
                pending.append((board, .input(.found(parcel.topic, parcel.payload, broker: "home"))))
            }
        }
        pending.append((number, .input(.acknowledged(parcel.number, word))))
    }

    private func watch(_ address: Address, _ number: Int) {
        watched[number].insert(address)
        for place in [Topic.visa(address), .meta(address)] {
            guard let bytes = shelves[place] else { continue }
            pending.append((number, .input(.found(place, bytes, broker: "home"))))
        }
    }

    // MARK: - What became of it

    /// What is not as promised, in words.
    func faults() throws -> [String] {
        var faults: [String] = []
        let inboxes = try boards.map { board in
            try board.store.inbox(start: 0, limit: 1000).compactMap { try? JSON(parsing: $0.content)["text"]?.string }
        }
        for (ref, wish) in wishes.sorted(by: { $0.key < $1.key }) {
            guard let id = wish.id else {
                faults.append("\(ref): never answered")
                continue
            }
            let row = try boards[wish.board].store.outgoing(id: id)
            let expected: DeliveryState =
                wish.to == people[2].id ? (wish.isCancelled ? .cancelled : .expired) : .delivered
            if row?.state != expected { faults.append("\(ref): \(row?.state.rawValue ?? "forgotten")") }
            let count = inboxes[1 - wish.board].filter { $0 == ref }.count
            if count != (expected == .delivered ? 1 : 0) { faults.append("\(ref): came \(count) times") }
        }
        for (number, board) in boards.enumerated() {
            let rows = try board.store.outbox(limit: 1000)
            if Set(rows.compactMap(\.ref)).count != rows.count { faults.append("board \(number): a ref twice") }
            let kinds = try board.store.events(limit: 1000).map(\.kind)
            if kinds.contains(.clone) { faults.append("board \(number): thinks of a clone") }
            if kinds.contains(.gap) { faults.append("board \(number): thinks of a gap") }
        }
        return faults
    }
}
