package import DIMP
package import Records

extension MessageStore: PipeLedger {
    package func pipe(_ key: PipeRecord.PipeKey) throws(LedgerError) -> PipeRecord? { try tables.pipes.row(key) }

    package func pipe(output stream: String) throws(LedgerError) -> PipeRecord? {
        try tables.pipes.row(output: stream)
    }

    package func pipes() throws(LedgerError) -> [PipeRecord] { try tables.pipes.rows() }

    package func piece(_ number: Int64, of pipe: PipeRecord.PipeKey) throws(LedgerError) -> PipePiece? {
        try tables.pipes.piece(number, of: pipe)
    }

    package func openPipes(owner: Address, peer: Address) throws(LedgerError) -> (ofPeer: Int64, all: Int64) {
        try tables.pipes.openCounts(owner: owner, peer: peer)
    }

    package var nextPipeDue: Double? { tables.pipes.nextDue }
}
