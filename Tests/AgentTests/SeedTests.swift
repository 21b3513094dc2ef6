import Foundation
import Testing

/// `CULVER_SEED=4711 swift test --filter SeedTests` lives through one world again, `CULVER_SEED=0-99` through some.
@Suite("Ten thousand bad worlds")
struct SeedTests {
    static let wanted = (ProcessInfo.processInfo.environment["CULVER_SEED"] ?? "0-9999")
        .split(separator: "-").compactMap { UInt64($0) }
    static let seeds = (wanted.first ?? 0)...(wanted.last ?? 9999)
    static let blocks = stride(from: seeds.lowerBound, through: seeds.upperBound, by: 100).map {
        $0...min($0 + 99, seeds.upperBound)
    }

    @Test("what was accepted comes exactly once, and every message ends", arguments: blocks)
    func world(seeds: ClosedRange<UInt64>) {
        for seed in seeds {
            let world = World(seed: seed)
            let faults = world.run()
            #expect(faults.isEmpty, "CULVER_SEED=\(seed) (\(world.acquaintance)): \(faults)")
        }
    }
}
