import Agent
import DIMP
import Format
import Records
import Store

/// The files inside messages, put into the directory that `[files] inbox` names, in the order of the inbox. How far that
/// has come is in the ledger, so that nothing is left out; after a power cut the last one may be there twice.
@MainActor final class FileInbox {
    private let loop: Loop
    private let running: RunningConfiguration
    private let transfers: FileTransfers
    private var isBusy = false
    /// The last message that was dealt with; `nil` without a directory.
    private var cursor: Int64?
    /// The newest message while there was no directory.
    private var seen: Int64 = 0

    init(loop: Loop, running: RunningConfiguration, transfers: FileTransfers) {
        self.loop = loop
        self.running = running
        self.transfers = transfers
    }

    /// Where the directory is named for the first time, what came before does not appear there.
    func start() {
        seen = loop.store.newestSequence
        let isWanted = running.configuration.files.inbox != nil
        loop.add(
            .duty { [self] turn in
                let known = try turn.ledger.value(.filesDelivered).flatMap { Int64($0) }
                if isWanted != (known != nil) {
                    try turn.ledger.apply(.value(.filesDelivered, isWanted ? "\(seen)" : nil))
                }
                turn.after {
                    self.cursor = isWanted ? known ?? self.seen : nil
                    self.pump()
                }
            })
    }

    /// To be called when messages have come, between turns.
    func pump() {
        guard let directory = running.configuration.files.inbox else {
            (seen, cursor) = (loop.store.newestSequence, nil)
            return
        }
        guard !isBusy else { return }
        do {
            if cursor == nil { cursor = seen }
            while let row = try next() {
                cursor = row.seq
                guard let file = row.file, let bytes = file.data else { continue }
                isBusy = true
                let name = FileName.safe(file.filename ?? "")
                return transfers.deliver(bytes, named: name, of: row.id, into: directory) { [self] in
                    delivered($0, upTo: row.seq)
                }
            }
        } catch {
            loop.log(.error, "cannot read the inbox: \(error)")
        }
    }

    private func next() throws(LedgerError) -> Incoming? {
        var first: Incoming?
        for type in [ContentType.file, .image, .audio, .video] {
            let filter = InboxFilter(type: type.rawValue)
            let row = try loop.store.inbox(start: (cursor ?? 0) + 1, limit: 1, filter: filter).first
            if let row, row.seq < first?.seq ?? .max { first = row }
        }
        return first
    }

    private func delivered(_ result: Result<String, any Error>, upTo seq: Int64) {
        if case .failure(let error) = result {
            let isDisk = error is FileError
            loop.log(.warning, "\(error): \(isDisk ? "tried again with the next file" : "it is left out")")
            // What is wrong with one file stops no other.
            if isDisk {
                (isBusy, cursor) = (false, seq - 1)
                return
            }
        }
        loop.add(
            .duty { [self] turn in
                try turn.ledger.apply(.value(.filesDelivered, "\(seq)"))
                turn.after {
                    self.isBusy = false
                    self.pump()
                }
            })
    }
}
