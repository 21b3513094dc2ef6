/// How far a slip of the hand is from what was meant.
enum Distance {
    /// Letters to add, to leave out, to change, or to swap with their neighbour.
    static func between(_ left: String, _ right: String) -> Int {
        let (left, right) = (Array(left.unicodeScalars.prefix(64)), Array(right.unicodeScalars))
        var before: [Int] = []
        var last = Array(0...right.count)
        for row in 1..<(left.count + 1) {
            var next = [row]
            for column in 1..<(right.count + 1) {
                let isSame = left[row - 1] == right[column - 1]
                var best = min(next[column - 1] + 1, last[column] + 1, last[column - 1] + (isSame ? 0 : 1))
                let isSwapped =
                    row > 1 && column > 1 && left[row - 1] == right[column - 2] && left[row - 2] == right[column - 1]
                if isSwapped { best = min(best, before[column - 2] + 1) }
                next.append(best)
            }
            (before, last) = (last, next)
        }
        return last[right.count]
    }
}
