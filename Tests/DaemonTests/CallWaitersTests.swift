import DIMP
import Format
import Records
import Testing

@testable import culverd

@MainActor @Suite struct CallWaitersTests {
    private let rig: Rig
    private let waiters: CallWaiters
    private let world = World()

    @MainActor private final class World {
        var told: [Int64] = []
        var later: [@MainActor () -> Void] = []
    }

    init() throws {
        rig = try Rig()
        waiters = CallWaiters(
            store: rig.loop.store, name: { _ in nil },
            notify: { [world] _, _, params in
                world.told.append(params["part"]?.integer ?? -1)
                return true
            }, later: { [world] _, action in world.later.append(action) })
        waiters.wait(for: "c1", of: 1, on: .init(1))
    }

    private func answer(_ part: Int64, isFinal: Bool = false, of sender: String = "hulk@A") throws {
        let text: JSON = ["part": .integer(part), "status": 0, "output": "x", "final": .bool(isFinal)]
        try rig.loop.store.apply(
            .answered(CallAnswer(call: "c1", sender: .sample(sender), part: part, text: text.text)))
        try rig.loop.store.commit()
        waiters.answered("c1")
        try waiters.pump()
    }

    @Test("answers are told in their order, whatever the order in which they come")
    func order() throws {
        for (part, told) in [(1, []), (0, [0, 1]), (3, [0, 1]), (2, [0, 1, 2, 3])] as [(Int64, [Int64])] {
            try answer(part, isFinal: part == 3)
            #expect(world.told == told)
        }
    }

    @Test("the last answer waits for a part that is missing, and not for ever")
    func gap() throws {
        try answer(0)
        try answer(2)
        // No last one is there, so that nothing is known to be lost.
        #expect(world.told == [0] && world.later.isEmpty)
        try answer(4, isFinal: true)
        waiters.answered("c1")
        try waiters.pump()
        #expect(world.told == [0] && world.later.count == 1)
        let isOver = try #require(world.later.first)
        isOver()
        try waiters.pump()
        #expect(world.told == [0, 2, 4])
    }

    @Test("what ended all is told at once")
    func interrupted() throws {
        try answer(1 << 40, isFinal: true)
        #expect(world.told == [1 << 40])
    }

    @Test("of several boards each is told to its end, in an order of its own")
    func several() throws {
        waiters.wait(for: "c1", of: 2, on: .init(1))
        try answer(1, of: "moki@B")
        try answer(0, isFinal: true)
        #expect(world.told == [0])
        try answer(0, of: "moki@B")
        try answer(2, isFinal: true, of: "moki@B")
        #expect(world.told == [0, 0, 1, 2])
        // Nobody waits any more.
        try answer(0, isFinal: true, of: "thor@C")
        #expect(world.told == [0, 0, 1, 2])
    }
}
