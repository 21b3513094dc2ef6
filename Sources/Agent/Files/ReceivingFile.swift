import DIMP

/// One file that comes: which of its pieces are on disk, and what is to be said of it to its sender.
///
///     arrived ─▶ writing ─▶ written ─▶ synced: on disk, and acknowledged ─▶ all there: checked ─▶ whole
///
/// Forbidden: nothing is acknowledged that is not synced, because its sender would not send it again.
struct ReceivingFile {
    let transfer: FileTransfer
    private(set) var have: PieceSet
    private var writing: Set<Int> = []
    private var written: Set<Int> = []
    private var isSyncing = false
    private var isChecking = false
    private var pause = Tuning.firstHolePause
    /// When a piece came that was wanted, or the sender was asked last.
    private var heard: Double
    private var failures = 0
    private var toldQuarters = 0

    init(_ transfer: FileTransfer, have: PieceSet, at lived: Double) {
        self.transfer = transfer
        self.have = have
        heard = lived
        toldQuarters = have.filled * 4 / have.count
    }

    /// Pieces whose bytes are with the disk.
    var inHand: Int { writing.count }
    /// The pieces together were not the file, twice.
    var isDamaged: Bool { failures >= 2 }
    var nextDue: Double { isChecking ? .infinity : heard + pause }

    /// Whether this piece is to be written.
    mutating func take(_ number: Int, at lived: Double) -> Bool {
        guard 0..<have.count ~= number, !have.contains(number), !writing.contains(number), !written.contains(number)
        else { return false }
        writing.insert(number)
        (heard, pause) = (lived, Tuning.firstHolePause)
        return true
    }

    mutating func kept(_ number: Int) {
        if writing.remove(number) != nil { written.insert(number) }
    }

    mutating func notKept(_ number: Int) { writing.remove(number) }

    /// Whether to sync now: when enough was written, or nothing else is being written.
    mutating func beginSync() -> Bool {
        guard !isSyncing, !written.isEmpty, writing.isEmpty || written.count >= Tuning.piecesInOneSync else {
            return false
        }
        isSyncing = true
        return true
    }

    /// Returns whether there is another quarter of it to be told. `nil`: the disk failed, and they come again.
    mutating func synced(_ set: PieceSet?) -> Bool {
        isSyncing = false
        guard let set else {
            written = []
            return false
        }
        have.formUnion(set)
        written = written.filter { !have.contains($0) }
        let quarters = have.filled * 4 / have.count
        defer { toldQuarters = quarters }
        return quarters > toldQuarters && !have.isFull
    }

    mutating func beginCheck() -> Bool {
        guard have.isFull, !isChecking, !isSyncing else { return false }
        isChecking = true
        return true
    }

    /// They were not the file: all of it is wanted again.
    mutating func beginAgain(at lived: Double) {
        failures += 1
        isChecking = false
        have = PieceSet(count: have.count)
        (heard, pause) = (lived, Tuning.firstHolePause)
    }

    /// The disk could not say: it is asked once more after the pause.
    mutating func checkLater(at lived: Double) {
        isChecking = false
        (heard, pause) = (lived, Tuning.firstPiecePause)
    }

    /// Whether the sender is to be asked for what is missing.
    mutating func ask(at lived: Double, isForced: Bool = false) -> Bool {
        guard !isChecking, isForced || lived >= heard + pause else { return false }
        // What was given to a disk that never answered is wanted again.
        if !isForced { writing = [] }
        heard = lived
        pause = isForced ? Tuning.firstHolePause : min(2 * pause, Tuning.longestPiecePause)
        return true
    }
}
