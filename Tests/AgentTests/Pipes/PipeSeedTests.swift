import Foundation
import Testing

/// `CULVER_PIPE_SEED=17 swift test --filter PipeSeedTests` lives through one world again, `CULVER_PIPE_SEED=0-99` through some.
@Suite("A hundred bad worlds for pipes")
struct PipeSeedTests {
    static let wanted = (ProcessInfo.processInfo.environment["CULVER_PIPE_SEED"] ?? "0-99")
        .split(separator: "-").compactMap { UInt64($0) }
    static let seeds = (wanted.first ?? 0)...(wanted.last ?? 99)

    @Test(
        "bytes come out as they went in, in their order, or both programs are told that the pipe ended",
        arguments: seeds)
    func world(seed: UInt64) {
        let world = PipeWorld(seed: seed)
        let faults = world.run()
        #expect(faults.isEmpty, "CULVER_PIPE_SEED=\(seed)\(world.isDeadly ? " (deadly)" : ""): \(faults)")
    }
}
