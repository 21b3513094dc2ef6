/// Which pieces of a file are there: one bit each.
package struct PieceSet: Sendable, Equatable {
    /// How many pieces the file has.
    package let count: Int
    /// How many of them are in the set.
    package private(set) var filled = 0
    private var words: [UInt64]

    package init(count: Int) {
        self.count = count
        words = Array(repeating: 0, count: (count + 63) / 64)
    }

    /// As `bytes` wrote it; what is beyond the last piece is left out, and what is missing is not in the set.
    package init(count: Int, bytes: [UInt8]) {
        self.init(count: count)
        for number in 0..<count where number / 8 < bytes.count && bytes[number / 8] >> (number % 8) & 1 == 1 {
            insert(number)
        }
    }

    /// Little end first; of one length for one count.
    package var bytes: [UInt8] {
        (0..<(count + 7) / 8).map { UInt8(truncatingIfNeeded: words[$0 / 8] >> (8 * ($0 % 8))) }
    }

    package var isFull: Bool { filled == count }

    package func contains(_ number: Int) -> Bool {
        0..<count ~= number && words[number / 64] >> (number % 64) & 1 == 1
    }

    /// A number outside of the file changes nothing.
    package mutating func insert(_ number: Int) {
        guard 0..<count ~= number, !contains(number) else { return }
        words[number / 64] |= 1 << (number % 64)
        filled += 1
    }

    package mutating func formUnion(_ other: PieceSet) {
        for index in words.indices where index < other.words.count { words[index] |= other.words[index] }
        filled = words.reduce(0) { $0 + $1.nonzeroBitCount }
    }

    /// The first piece from `start` on that is not in the set.
    package func firstMissing(from start: Int) -> Int? {
        var number = max(0, start)
        while number < count {
            if number % 64 == 0, words[number / 64] == .max {
                number += 64
            } else if contains(number) {
                number += 1
            } else {
                return number
            }
        }
        return nil
    }

    /// The first ranges of pieces in the set, at most `limit`.
    package func ranges(limit: Int) -> [ClosedRange<Int>] {
        var ranges: [ClosedRange<Int>] = []
        var number = 0
        while number < count, ranges.count < limit {
            guard contains(number) else {
                number += 1
                continue
            }
            let end = firstMissing(from: number) ?? count
            ranges.append(number...end - 1)
            number = end
        }
        return ranges
    }
}
