import DIMP
import TestSupport
import Testing

@testable import Agent

@Suite("Whose cards are watched") struct WatchesTests {
    private var context: Context
    private var watches = Watches()
    /// What is watched, by the effects.
    private var watched: Set<Address> = []
    private let addresses: [Address]

    init() throws {
        context = Context(policy: Policy(), ledger: MemoryLedger(), book: MemoryBook([People.moki])) { 1 }
        context.policy.directorySubscriptions = 4
        addresses = try (1..<20).map { try #require(People.dave.meta.id(network: UInt8($0 * 2))).address }
    }

    private mutating func listen() {
        for effect in context.takeEffects() {
            switch effect {
            case .watch(let address): watched.insert(address)
            case .leave(let address): watched.remove(address)
            default: break
            }
        }
    }

    private mutating func add(_ range: Range<Int>, _ want: Watches.Want) {
        for address in addresses[range] { watches.add(address, want: want, in: &context) }
        listen()
    }

    private mutating func live(_ seconds: Double) {
        context.now.lived += seconds
        if context.now.lived >= watches.nextDue ?? .infinity { watches.takeTurns(in: &context) }
        listen()
        #expect(watched.count <= 4)
    }

    @Test("who is written to is watched at once, however many are known")
    mutating func writtenTo() {
        add(0..<10, .known)
        #expect(watched == Set(addresses[0..<4]))
        add(10..<11, .writtenTo)
        #expect(watched.contains(addresses[10]) && watched.count == 4)
        // One that is known already, and is written to now.
        add(7..<8, .writtenTo)
        #expect(watched.contains(addresses[7]) && watched.contains(addresses[10]) && watched.count == 4)
        add(11..<12, .stranger)
        #expect(!watched.contains(addresses[11]))
    }

    @Test("what finds no place has its turn, and a lower want too, only more seldom")
    mutating func turns() {
        add(0..<6, .writtenTo)
        add(6..<8, .known)
        add(8..<10, .stranger)
        var times: [Address: Int] = [:]
        for _ in 0..<100 {
            live(Tuning.watchTurn)
            for address in watched { times[address, default: 0] += 1 }
        }
        #expect(addresses[0..<10].allSatisfy { (times[$0] ?? 0) > 3 })
        #expect((times[addresses[0]] ?? 0) > (times[addresses[9]] ?? 0))
    }

    @Test("while everything has a place nobody takes turns")
    mutating func calm() {
        add(0..<4, .stranger)
        #expect(watches.nextDue == nil)
        add(4..<5, .stranger)
        #expect(watches.nextDue == Tuning.watchTurn)
        watches.remove(addresses[0], in: &context)
        listen()
        #expect(watched == Set(addresses[1..<5]))
        #expect(watches.nextDue == nil)
    }

    @Test("what a broker grants is found out, and the rest is watched in turn; another connection begins anew")
    mutating func granted() {
        context.policy.directorySubscriptions = 10
        for address in addresses[0..<10] { watches.add(address, want: .known, in: &context) }
        listen()
        for address in addresses[6..<10] { watches.refused(address, on: "nats", in: &context) }
        listen()
        #expect(watched == Set(addresses[0..<6]))
        var seen = watched
        for _ in 0..<6 {
            context.now.lived += Tuning.watchTurn
            watches.takeTurns(in: &context)
            listen()
            #expect(watched.count == 6)
            seen.formUnion(watched)
        }
        #expect(seen == Set(addresses[0..<10]))
        context.now.lived += 1
        watches.disconnected("nats")
        watches.connected(in: &context)
        listen()
        #expect(watched.count == 10)
    }

    @Test("a broker that grants nothing is not asked without end")
    mutating func nothing() {
        add(0..<10, .writtenTo)
        var asked = 0
        for _ in 0..<100 {
            for address in watched {
                asked += 1
                watches.refused(address, on: "deaf", in: &context)
            }
            listen()
            live(1)
        }
        #expect(asked <= 4 + 4 * 100)
    }
}
