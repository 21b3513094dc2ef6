import DIMP
import Testing

/// The words: the same script, stopped after effect k for every k, restarted from the files.
@Suite struct CrashTests {
    private static let people = Result { try ["left", "right", "nobody"].map(madeIdentity) }

    @Test("whatever step a board dies after: what was accepted comes exactly once, and every message ends")
    func everyStep() async throws {
        let people = try Self.people.get()
        let sound = try CrashWorld(people, killedAfter: nil)
        try sound.run()
        #expect(try sound.faults() == [])
        #expect(sound.steps > 200)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for half in 0..<2 {
                let steps = sound.steps
                group.addTask {
                    for last in stride(from: 1 + half, through: steps, by: 2) {
                        let world = try CrashWorld(people, killedAfter: last)
                        try world.run()
                        let faults = try world.faults()
                        #expect(faults.isEmpty, "killed after step \(last) of \(steps): \(faults)")
                    }
                }
            }
            try await group.waitForAll()
        }
    }
}
