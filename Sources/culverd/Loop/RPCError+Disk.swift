import Control
import Records
import Store

extension LedgerError {
    /// Whatever went wrong with files or database, as the messenger knows it.
    init(disk error: any Error) {
        self = (error as? LedgerError) ?? LedgerError("\(error)", isFull: (error as? FileError)?.isFull ?? false)
    }
}

extension RPCError {
    /// Ours or the disk's fault, in a client's words.
    init(disk error: any Error) {
        let isFull = (error as? LedgerError)?.isFull ?? (error as? FileError)?.isFull ?? false
        self.init(exit: isFull ? .notNow : .io, reason: isFull ? "disk-full" : "store", message: "\(error)")
    }
}
