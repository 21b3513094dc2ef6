import Crypto
import DIMP
import TestSupport
import Testing

@testable import Agent

@Suite struct FileExchangeTests {
    @Test(
        "a file comes whole over a broker that loses, doubles and mixes, through crashes of all three",
        arguments: 1...120)
    func storm(seed: Int) throws {
        var world = try FileWorld(seed: UInt64(seed))
        world.trouble = true
        world.run()
        #expect(world.sender.ended == .whole)
        #expect(world.receiver.ended == .whole)
    }

    @Test("without trouble every piece is read, sent and written once")
    func calm() throws {
        var world = try FileWorld(seed: 7)
        world.run()
        #expect(world.sender.ended == .whole && world.receiver.ended == .whole)
        #expect(world.reads == world.transfer.offer.count)
        #expect(world.writes == world.transfer.offer.count)
        #expect(world.mostInHand <= Tuning.piecesInHand)
    }

    @Test("a receiver that is away gets no more than a window, and then a few now and then")
    func away() throws {
        var exchange = FileExchange()
        let transfer = try FileWorld.transfer(pieces: 500)
        _ = exchange.handle(.connected(true), at: 0)
        var reads = 0
        func carryOut(_ effects: [FileEffect], at lived: Double) {
            var effects = effects[...]
            while let effect = effects.popFirst() {
                guard case .read(_, let piece) = effect else { continue }
                reads += 1
                effects += exchange.handle(.published(transfer.offer.id, piece: piece, isTaken: true), at: lived)
            }
        }
        carryOut(exchange.handle(.begun(transfer, until: 5000), at: 0), at: 0)
        #expect(reads == Tuning.pieceWindow)
        var times = 0
        while let due = exchange.nextDue, due < 5000 {
            times += 1
            carryOut(exchange.handle(.ticked, at: due), at: due)
        }
        // 10, 20, 40 … 600 s apart.
        #expect(times < 20)
        #expect(reads == Tuning.pieceWindow + times * Tuning.pieceProbes)
        guard case .ended(let ended, isOurs: true)? = exchange.handle(.ticked, at: 5000).first else {
            Issue.record("it did not expire")
            return
        }
        #expect(ended.state == .expired && exchange.nextDue == .infinity)
    }

    @Test("what nobody announced, what is for another, and what comes too fast is not written")
    func hostile() throws {
        var exchange = FileExchange()
        let transfer = try FileWorld.transfer(pieces: 500)
        let id = transfer.offer.id
        _ = exchange.handle(.connected(true), at: 0)
        func writes(_ piece: Int, at address: Address? = nil, bytes: Int = 1056) -> Int {
            let payload = [UInt8](repeating: 0, count: bytes)
            let effects = exchange.handle(
                .arrived(payload, id, piece: piece, at: address ?? transfer.receiver.address), at: 1)
            return effects.count { if case .keep = $0 { true } else { false } }
        }
        #expect(writes(0) == 0)
        _ = exchange.handle(.offered(transfer, have: PieceSet(count: transfer.offer.count)), at: 0)
        #expect(writes(0, at: transfer.sender.address) == 0)
        #expect(writes(-1) + writes(transfer.offer.count) + writes(.max) == 0)
        #expect(writes(0, bytes: 1 << 20) == 0)
        #expect(writes(5) == 1)
        #expect(writes(5) == 0)
        let all = (0..<transfer.offer.count).reduce(0) { $0 + writes($1) }
        #expect(all == Tuning.piecesBeforeDisk - 1)
    }

    @Test("a word that the receiver did not make moves nothing")
    func forged() throws {
        var exchange = FileExchange()
        let transfer = try FileWorld.transfer(pieces: 3)
        _ = exchange.handle(.connected(true), at: 0)
        _ = exchange.handle(.begun(transfer, until: 100), at: 0)
        let other = try FileWorld.transfer(pieces: 3, key: 9)
        for state in [FileProgress.State.more, .whole, .refused] {
            let progress = FileProgress(
                of: other.offer, from: transfer.receiver.address, to: transfer.sender.address, at: 0, state,
                have: PieceSet(count: 3))
            let effects = exchange.handle(.progressed(progress), at: 1)
            #expect(effects.count == 1)
            if case .rejected? = effects.first {} else { Issue.record("\(state) was believed") }
        }
        #expect(exchange.count(of: transfer.offer.id) == 0)
    }

    @Test("pieces that together are another file are asked for once more, and refused then")
    func damaged() throws {
        var exchange = FileExchange()
        let transfer = try FileWorld.transfer(pieces: 3)
        let id = transfer.offer.id
        var full = PieceSet(count: 3)
        for number in 0..<3 { full.insert(number) }
        _ = exchange.handle(.connected(true), at: 0)
        _ = exchange.handle(.offered(transfer, have: full), at: 0)
        guard case .acknowledge(_, let have, asks: true)? = exchange.handle(.checked(id, isWhole: false), at: 1).first
        else {
            Issue.record("it was not asked for again")
            return
        }
        #expect(have.filled == 0)
        for number in 0..<3 {
            let payload = [UInt8](repeating: 0, count: 1056)
            _ = exchange.handle(.arrived(payload, id, piece: number, at: transfer.receiver.address), at: 2)
            _ = exchange.handle(.kept(id, piece: number), at: 2)
        }
        _ = exchange.handle(.synced(id, full), at: 3)
        guard case .ended(let ended, isOurs: false)? = exchange.handle(.checked(id, isWhole: false), at: 4).first else {
            Issue.record("it goes on for ever")
            return
        }
        #expect(ended.state == .refused && ended.reason == "damaged")
    }
}

/// Two boards, a broker and a disk, in made-up time.
private struct FileWorld {
    struct Side {
        var exchange = FileExchange()
        /// Rises with each crash: what was begun before comes to nothing.
        var life = 0
        var ended: FileTransfer.State?
    }

    private struct Pending {
        var due: Double
        var toReceiver: Bool
        /// `nil`: it comes from the broker, which keeps it for whoever is away.
        var life: Int?
        var event: FileEvent
    }

    let transfer: FileTransfer
    var trouble = false
    var sender = Side()
    var receiver = Side()
    private(set) var reads = 0
    private(set) var writes = 0
    private(set) var mostInHand = 0
    private var inHand = 0
    private var lived = 0.0
    private var pending: [Pending] = []
    private var written: PieceSet
    private var synced: PieceSet
    private let dice: Dice

    static func transfer(pieces: Int, key: UInt8 = 1) throws -> FileTransfer {
        let offer = try #require(
            FileOffer(
                id: "0123456789abcdefghij", size: Int64(pieces) * 1024 - 100, piece: 1024,
                digest: [UInt8](repeating: 0, count: 32), key: SecretBytes([UInt8](repeating: key, count: 32)),
                iv: [UInt8](repeating: 0, count: 16)))
        return FileTransfer(
            offer, sender: ID.sample("moki"), receiver: ID.sample("hulk"), message: "m", name: "n", type: 16, time: 0)
    }

    init(seed: UInt64) throws {
        dice = Dice(seed: seed)
        transfer = try Self.transfer(pieces: 20 + dice.below(100))
        written = PieceSet(count: transfer.offer.count)
        synced = written
    }

    mutating func run() {
        link(true)
        // The sender begins when it has heard that its message was taken.
        tell(true, .offered(transfer, have: synced))
        while !pending.isEmpty { step() }
        tell(false, .begun(transfer, until: 1e9))
        var steps = 0
        while sender.ended != .whole, steps < 100_000 {
            steps += 1
            if trouble, steps < 4000, dice.once(in: 60) { crash() }
            step()
        }
    }

    private mutating func step() {
        let tick = [sender.exchange.nextDue, receiver.exchange.nextDue].compactMap { $0 }.min() ?? lived + 10
        guard let index = pending.indices.min(by: { pending[$0].due < pending[$1].due }), pending[index].due <= tick
        else {
            lived = max(lived, min(tick, lived + 3600))
            tell(false, .ticked)
            return tell(true, .ticked)
        }
        let next = pending.remove(at: index)
        lived = max(lived, next.due)
        if let life = next.life, life != (next.toReceiver ? receiver.life : sender.life) { return }
        tell(next.toReceiver, next.event)
    }

    private mutating func crash() {
        switch dice.below(3) {
        case 0:
            sender.exchange = FileExchange()
            sender.life += 1
            inHand = 0
            tell(false, .connected(true))
            tell(false, .begun(transfer, until: 1e9))
        case 1:
            guard receiver.ended == nil else { return }
            receiver.exchange = FileExchange()
            receiver.life += 1
            written = synced
            tell(true, .connected(true))
            tell(true, .offered(transfer, have: synced))
        default:
            // All that the broker had is lost.
            pending.removeAll { $0.life == nil }
            link(false)
            lived += 5
            link(true)
        }
    }

    private mutating func link(_ isConnected: Bool) {
        if !isConnected { inHand = 0 }
        tell(false, .connected(isConnected))
        tell(true, .connected(isConnected))
    }

    private mutating func tell(_ isReceiver: Bool, _ event: FileEvent) {
        if case .synced(_, let set?) = event { synced.formUnion(set) }
        let effects =
            isReceiver
            ? receiver.exchange.handle(event, at: lived) : sender.exchange.handle(event, at: lived)
        for effect in effects { carryOut(effect, isReceiver) }
    }

    private mutating func carryOut(_ effect: FileEffect, _ isReceiver: Bool) {
        let id = transfer.offer.id
        switch effect {
        case .read(_, let piece):
            reads += 1
            inHand += 1
            mostInHand = max(mostInHand, inHand)
            later(.read(id, piece: piece, [UInt8](repeating: 0, count: 40)), to: false, isLocal: true)
        case .publish(_, let piece, let payload, _):
            inHand = max(0, inHand - 1)
            post(.arrived(payload, id, piece: piece, at: transfer.receiver.address), to: true)
            later(.published(id, piece: piece, isTaken: !(trouble && dice.once(in: 40))), to: false, isLocal: true)
        case .keep(_, let piece, _):
            writes += 1
            written.insert(piece)
            later(.kept(id, piece: piece), to: true, isLocal: true)
        case .sync: later(.synced(id, trouble && dice.once(in: 30) ? nil : written), to: true, isLocal: true)
        case .check:
            #expect(synced.isFull, "what is not there is not handed over")
            later(.checked(id, isWhole: true), to: true, isLocal: true)
        case .ended(let ended, let isOurs): isOurs ? (sender.ended = ended.state) : (receiver.ended = ended.state)
        case .acknowledge(let said, let have, let asks): acknowledge(said, have, asks: asks)
        case .unknown(let unknown, _):
            guard let ended = receiver.ended, receiver.exchange.maySayEnd(of: unknown, at: lived) else { break }
            var said = transfer
            said.state = ended
            acknowledge(said, PieceSet(count: 1), asks: false)
        case .offered, .progress, .rejected: break
        }
    }

    private mutating func acknowledge(_ said: FileTransfer, _ have: PieceSet, asks: Bool) {
        #expect(have.ranges(limit: .max).allSatisfy { $0.allSatisfy(synced.contains) }, "said before it was on disk")
        let made = FileProgress(
            of: transfer.offer, from: transfer.receiver.address, to: transfer.sender.address, at: lived,
            said.state == .open ? .more : .whole, have: have, asks: asks)
        guard let progress = try? FileProgress(parsing: made.bytes) else {
            Issue.record("our own word cannot be read")
            return
        }
        post(.progressed(progress), to: false)
    }

    private mutating func later(_ event: FileEvent, to receiver: Bool, isLocal: Bool) {
        let life = receiver ? self.receiver.life : sender.life
        pending.append(
            Pending(
                due: lived + dice.seconds(upTo: trouble ? 0.2 : 0.01), toReceiver: receiver, life: isLocal ? life : nil,
                event: event))
    }

    /// By the broker.
    private mutating func post(_ event: FileEvent, to receiver: Bool) {
        guard trouble else { return later(event, to: receiver, isLocal: false) }
        if dice.once(in: 15) { return }
        for _ in 0..<(dice.once(in: 15) ? 2 : 1) { later(event, to: receiver, isLocal: false) }
    }
}
