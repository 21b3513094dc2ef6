/// What somebody may have meant who made a slip of the hand.
package enum Spelling {
    /// The word that is the least far away, if it is near enough for a hint: two slips at most, and not half of the word.
    package static func nearest(to word: String, among words: [String]) -> String? {
        let room = min(2, word.count / 2)
        return words.map { (word: $0, distance: distance(from: word, to: $0)) }
            .filter { $0.distance <= room }.min { ($0.distance, $0.word) < ($1.distance, $1.word) }?.word
    }

    /// How far a slip of the hand is from what was meant: letters to add, to leave out, to change, or to swap with
    /// their neighbour.
    package static func distance(from left: String, to right: String) -> Int {
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
