import DIMP

/// One file on its way to its receiver: which pieces go next. What the receiver has it says itself, so nothing of this is
/// written down: after a start the first pieces go again, and its word tells the rest.
///
/// Not more than a window of pieces is beyond the receiver's word, so that a broker keeps little for one that is away. When
/// nothing is heard for a pause, which doubles, the first few that are missing go again, each time by another broker.
struct SendingFile {
    let transfer: FileTransfer
    /// In seconds lived.
    private let until: Double
    private(set) var have: PieceSet
    /// Given out and not in `have`.
    private var underway: Set<Int> = []
    /// Those of them that no broker has taken yet.
    private var inHand: Set<Int> = []
    private var next = 0
    private var window = Tuning.pieceWindow
    private var pause = Tuning.firstPiecePause
    /// When something was heard of the receiver, and until when no broker has room.
    private var heard: Double
    private var blockedUntil = -Double.infinity
    private(set) var attempt: Int64 = 0
    private var toldQuarters = 0

    init(_ transfer: FileTransfer, until: Double, at lived: Double) {
        self.transfer = transfer
        self.until = until
        heard = lived
        have = PieceSet(count: transfer.offer.count)
    }

    func isExpired(at lived: Double) -> Bool { lived >= until }

    var nextDue: Double {
        let due = underway.count < window && blockedUntil > heard ? min(blockedUntil, heard + pause) : heard + pause
        return min(due, until)
    }

    /// The pieces that are to be read now.
    mutating func takeNext(at lived: Double, limit: Int) -> [Int] {
        guard lived >= blockedUntil else { return [] }
        var taken: [Int] = []
        while inHand.count < limit, underway.count < window, let number = nextMissing() {
            underway.insert(number)
            inHand.insert(number)
            taken.append(number)
            next = number + 1
        }
        return taken
    }

    private func nextMissing() -> Int? {
        for start in next > 0 ? [next, 0] : [0] {
            var number = have.firstMissing(from: start)
            while let found = number, underway.contains(found) { number = have.firstMissing(from: found + 1) }
            if let number { return number }
        }
        return nil
    }

    mutating func published(_ number: Int, isTaken: Bool, at lived: Double) {
        guard inHand.remove(number) != nil, !isTaken else { return }
        underway.remove(number)
        blockedUntil = lived + Tuning.piecePause
    }

    /// The receiver's word. Returns whether there is another quarter of it to be told.
    mutating func progressed(_ progress: FileProgress, at lived: Double) -> Bool {
        let before = have.filled
        // What it asks for it has not, whatever it said before: its disk may have lost it.
        if progress.asks { have = PieceSet(count: have.count) }
        for range in progress.have { for number in range { have.insert(number) } }
        underway = underway.filter { !have.contains($0) }
        inHand = inHand.filter { underway.contains($0) }
        guard have.filled != before || progress.asks else { return false }
        (heard, pause, window) = (lived, Tuning.firstPiecePause, Tuning.pieceWindow)
        if progress.asks {
            underway = inHand
            next = 0
        }
        let quarters = have.filled * 4 / have.count
        defer { toldQuarters = quarters }
        return quarters > toldQuarters
    }

    /// Nothing was heard for the pause: what is missing goes again, a few at first.
    mutating func retry(at lived: Double) {
        guard lived >= heard + pause else { return }
        underway = []
        inHand = []
        (next, window, heard) = (0, Tuning.pieceProbes, lived)
        pause = min(2 * pause, Tuning.longestPiecePause)
        attempt += 1
    }

    /// The last broker is gone, or one is there again.
    mutating func connectionChanged(at lived: Double) {
        underway = []
        inHand = []
        (next, heard, pause, blockedUntil) = (0, lived, Tuning.firstPiecePause, lived)
    }
}
