/// Keccak with capacity 512 and 32 bytes out: Ethereum's hash (wire.md 2.5), from before SHA-3 changed the
/// padding byte from 0x01 to 0x06. Our own, because neither mbedTLS has it. Nothing secret goes through it.
///
///     state: 25 lanes of 64 bits, lane (x, y) at x + 5 * y; 17 lanes take input, 24 rounds mix all
struct Keccak {
    private static let rate = 136
    private var lanes = [UInt64](repeating: 0, count: 25)

    mutating func digest(_ bytes: [UInt8]) -> [UInt8] {
        var padded = bytes + [0x01]
        padded += [UInt8](repeating: 0, count: (Self.rate - padded.count % Self.rate) % Self.rate)
        padded[padded.count - 1] |= 0x80
        for start in stride(from: 0, to: padded.count, by: Self.rate) {
            absorb(padded[start..<start + Self.rate])
        }
        return lanes[0..<4].flatMap { lane in (0..<8).map { UInt8(truncatingIfNeeded: lane >> (8 * $0)) } }
    }

    private mutating func absorb(_ block: ArraySlice<UInt8>) {
        for (index, byte) in block.enumerated() {
            lanes[index / 8] ^= UInt64(byte) << (8 * UInt64(index % 8))
        }
        for constant in Self.roundConstants { round(constant) }
    }

    private mutating func round(_ constant: UInt64) {
        // theta
        var columns = [UInt64](repeating: 0, count: 5)
        for index in lanes.indices { columns[index % 5] ^= lanes[index] }
        for index in lanes.indices {
            lanes[index] ^= columns[(index + 4) % 5] ^ rotated(columns[(index + 1) % 5], by: 1)
        }
        // rho and pi
        var moved = lanes
        for x in 0..<5 {
            for y in 0..<5 {
                moved[y + 5 * ((2 * x + 3 * y) % 5)] = rotated(lanes[x + 5 * y], by: Self.rotations[x + 5 * y])
            }
        }
        // chi
        for row in stride(from: 0, to: 25, by: 5) {
            for x in 0..<5 {
                lanes[row + x] = moved[row + x] ^ (~moved[row + (x + 1) % 5] & moved[row + (x + 2) % 5])
            }
        }
        // iota
        lanes[0] ^= constant
    }

    private func rotated(_ lane: UInt64, by bits: UInt64) -> UInt64 {
        lane << bits | lane >> ((64 - bits) & 63)
    }

    private static let rotations: [UInt64] = [
        0, 1, 62, 28, 27,
        36, 44, 6, 55, 20,
        3, 10, 43, 25, 39,
        41, 45, 15, 21, 8,
        18, 2, 61, 56, 14,
    ]

    private static let roundConstants: [UInt64] = [
        0x0000_0000_0000_0001, 0x0000_0000_0000_8082, 0x8000_0000_0000_808A, 0x8000_0000_8000_8000,
        0x0000_0000_0000_808B, 0x0000_0000_8000_0001, 0x8000_0000_8000_8081, 0x8000_0000_0000_8009,
        0x0000_0000_0000_008A, 0x0000_0000_0000_0088, 0x0000_0000_8000_8009, 0x0000_0000_8000_000A,
        0x0000_0000_8000_808B, 0x8000_0000_0000_008B, 0x8000_0000_0000_8089, 0x8000_0000_0000_8003,
        0x8000_0000_0000_8002, 0x8000_0000_0000_0080, 0x0000_0000_0000_800A, 0x8000_0000_8000_000A,
        0x8000_0000_8000_8081, 0x8000_0000_0000_8080, 0x0000_0000_8000_0001, 0x8000_0000_8000_8008,
    ]
}
