import Synchronization

/// The same numbers for the same seed (SplitMix64). Any thread may throw them.
package final class Dice: Sendable {
    private let state: Mutex<UInt64>

    package init(seed: UInt64) {
        state = Mutex(seed)
    }

    package func next() -> UInt64 {
        state.withLock { state in
            state &+= 0x9E37_79B9_7F4A_7C15
            var value = state
            value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
            value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
            return value ^ (value >> 31)
        }
    }

    /// From 0 up to, not including, `limit`.
    package func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }

    /// True once in so many throws.
    package func once(in times: Int) -> Bool { times > 0 && below(times) == 0 }

    package func seconds(upTo limit: Double) -> Double { Double(next() % 1_000_000) / 1_000_000 * limit }
}
