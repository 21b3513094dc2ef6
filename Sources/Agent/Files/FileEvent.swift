package import DIMP

/// What happened to files that go and come in pieces.
package indirect enum FileEvent: Sendable {
    /// The receiver has the message of this file: its pieces may go, until that time, in seconds lived.
    case begun(FileTransfer, until: Double)
    /// A piece was read and sealed; `nil` when it cannot be.
    case read(String, piece: Int, [UInt8]?)
    /// A broker has taken the piece, or did not.
    case published(String, piece: Int, isTaken: Bool)
    /// The word of somebody on this topic `ack`.
    case progressed(FileProgress)
    /// There is room for this file, of which so much is on disk: pieces may come.
    case offered(FileTransfer, have: PieceSet)
    /// There is none.
    case declined(FileTransfer, reason: String)
    /// Bytes on the topic of a piece.
    case arrived([UInt8], String, piece: Int, at: Address)
    /// The piece was looked at and written, or not: with a rejection it is none, without one the disk failed.
    case kept(String, piece: Int)
    case notKept(String, piece: Int, Rejection?)
    /// These are on disk; `nil` when that failed.
    case synced(String, PieceSet?)
    /// All pieces are there: whether together they are what was announced; `nil` when the disk failed.
    case checked(String, isWhole: Bool?)
    /// The owner wants no more of it.
    case dropped(String)
    /// A broker is there, or none.
    case connected(Bool)
    case ticked
}

/// What is to be done about them. What stands below the line the messenger does itself.
package indirect enum FileEffect: Sendable {
    /// A message that was accepted announces this file: is there room?
    case offered(FileTransfer)
    /// Read and seal a piece; then `.read`.
    case read(FileTransfer, piece: Int)
    /// Look at a piece and write it; then `.kept` or `.notKept`.
    case keep(FileTransfer, piece: Int, [UInt8])
    /// What was written is to be on disk; then `.synced`.
    case sync(FileTransfer)
    /// Compare the whole with what was announced; then `.checked`.
    case check(FileTransfer)
    /// It has come to this end, which is written down.
    case ended(FileTransfer, isOurs: Bool)

    // ----

    case publish(FileTransfer, piece: Int, [UInt8], attempt: Int64)
    case acknowledge(FileTransfer, have: PieceSet, asks: Bool)
    /// So many pieces are there.
    case progress(FileTransfer, count: Int, isOurs: Bool)
    case rejected(Rejection, sender: ID?)
    /// A piece of a file that nothing is known of here.
    case unknown(String, at: Address)
}
