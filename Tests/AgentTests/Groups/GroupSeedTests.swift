import Foundation
import Testing

/// `CULVER_GROUP_SEED=4711 swift test --filter GroupSeedTests` lives through one world again, `0-1999` through ten times as
/// many as without it.
@Suite("Two hundred groups in bad worlds")
struct GroupSeedTests {
    static let wanted = (ProcessInfo.processInfo.environment["CULVER_GROUP_SEED"] ?? "0-199")
        .split(separator: "-").compactMap { UInt64($0) }
    static let seeds = (wanted.first ?? 0)...(wanted.last ?? 199)
    static let blocks = stride(from: seeds.lowerBound, through: seeds.upperBound, by: 20).map {
        $0...min($0 + 19, seeds.upperBound)
    }

    @Test("all members agree in the end, and nobody else ever had a key", arguments: blocks)
    func world(seeds: ClosedRange<UInt64>) {
        for seed in seeds {
            let faults = GroupWorld(seed: seed).run()
            #expect(faults.isEmpty, "CULVER_GROUP_SEED=\(seed): \(faults)")
        }
    }
}
