import DIMP
import Format
import Records

/// Files in pieces, between the rule (`FileExchange`), the ledger and the brokers: what the rule says is published, written
/// down, told to people, or handed to the disk as an effect.
struct Files {
    private var exchange = FileExchange()

    /// How many pieces of a file are where it goes; `nil` when it is not under way.
    func count(of file: String) -> Int? { exchange.count(of: file) }

    /// When `.ticked` is wanted, in seconds lived.
    var nextDue: Double? { exchange.nextDue }

    /// A peer's word about a file that goes to it.
    mutating func progressed(
        _ bytes: [UInt8], at address: Address, publishing: inout Publishing, in context: inout Context
    ) throws(LedgerError) {
        let progress: FileProgress
        do throws(Rejection) {
            progress = try FileProgress(parsing: bytes)
            guard progress.to == address else { throw Rejection(.receiver, "a word about a file of somebody else") }
        } catch {
            return try context.reject(error, from: nil)
        }
        try follow(.progressed(progress), publishing: &publishing, in: &context)
    }

    mutating func follow(
        _ event: FileEvent, publishing: inout Publishing, in context: inout Context
    ) throws(LedgerError) {
        var effects = exchange.handle(event, at: context.now.lived)[...]
        while let effect = effects.popFirst() {
            switch effect {
            case .offered, .read, .keep, .sync, .check: context.perform(.file(effect))
            case .ended(let transfer, let isOurs):
                if !isOurs { try context.ledger.apply(.value(.file(transfer.offer.id), transfer.json.text)) }
                try Self.tell(transfer, isOurs: isOurs, in: context)
                context.perform(.file(effect))
            case .publish(let transfer, let piece, let payload, let attempt):
                let isOut = Self.publish(
                    payload, piece: piece, of: transfer, attempt: attempt, publishing: &publishing, in: &context)
                guard !isOut else { continue }
                effects += exchange.handle(
                    .published(transfer.offer.id, piece: piece, isTaken: false), at: context.now.lived)
            case .acknowledge(let transfer, let have, let asks):
                Self.acknowledge(transfer, have: have, asks: asks, publishing: &publishing, in: &context)
            case .progress(let transfer, let count, let isOurs):
                try Self.tell(transfer, isOurs: isOurs, count: count, in: context)
            case .rejected(let rejection, let sender): try context.reject(rejection, from: sender)
            case .unknown(let id, let address): try sayEnd(of: id, at: address, publishing: &publishing, in: &context)
            }
        }
    }

    /// Whether a broker has room for it.
    private static func publish(
        _ payload: [UInt8], piece: Int, of transfer: FileTransfer, attempt: Int64, publishing: inout Publishing,
        in context: inout Context
    ) -> Bool {
        let id = transfer.offer.id
        var publication = PendingPublication(
            topic: .piece(transfer.receiver.address, file: id, piece), payload: payload,
            purpose: .piece(file: id, piece))
        guard case .broker(let broker) = publishing.outlet(for: publication, attempt: attempt, at: context.now.lived)
        else { return false }
        publication.broker = broker
        publishing.publish(publication, in: &context)
        return true
    }

    /// On every broker, as nobody says on which of them the sender is.
    private static func acknowledge(
        _ transfer: FileTransfer, have: PieceSet, asks: Bool, publishing: inout Publishing, in context: inout Context
    ) {
        let state: FileProgress.State =
            switch transfer.state {
            case .open: .more
            case .whole, .delivered: .whole
            case .refused, .expired, .failed: .refused
            }
        let progress = FileProgress(
            of: transfer.offer, from: transfer.receiver.address, to: transfer.sender.address, at: context.now.wall,
            state, have: have, asks: asks, reason: transfer.reason)
        publishing.publish(
            PendingPublication(
                topic: .acknowledgements(transfer.sender.address), payload: progress.bytes, purpose: .courtesy),
            in: &context)
    }

    /// Its sender has not heard what became of a file here.
    private mutating func sayEnd(
        of id: String, at address: Address, publishing: inout Publishing, in context: inout Context
    ) throws(LedgerError) {
        guard let text = try context.ledger.value(.file(id)), let json = try? JSON(parsing: text),
            let transfer = FileTransfer(json), transfer.receiver.address == address, transfer.state != .open,
            exchange.maySayEnd(of: id, at: context.now.lived)
        else { return }
        Self.acknowledge(
            transfer, have: PieceSet(count: 1), asks: false, publishing: &publishing, in: &context)
    }

    /// An event for people, with `count` pieces or at the end.
    private static func tell(
        _ transfer: FileTransfer, isOurs: Bool, count: Int? = nil, in context: Context
    ) throws(LedgerError) {
        let peer = isOurs ? transfer.receiver : transfer.sender
        let what = "the file \(transfer.name) \(isOurs ? "for" : "of") \(peer)"
        let (words, reason): (String, String) =
            switch (transfer.state, count) {
            case (.open, let count?): ("\(count) of \(transfer.offer.count) pieces are there", "file-progress")
            case (.open, nil): ("it begins", "file-progress")
            case (.whole, _), (.delivered, _): ("it is there, whole: \(transfer.offer.size) bytes", "file-whole")
            case (.refused, _): ("it is not taken: \(transfer.reason ?? "refused")", "file-refused")
            case (.expired, _): ("it did not come in time", "file-expired")
            case (.failed, _): ("it cannot be read any more", "file-failed")
            }
        try context.note(
            .file, level: transfer.state == .open || transfer.state == .whole ? .info : .warning,
            text: "\(what): \(words)", did: peer, id: isOurs ? nil : transfer.message, reason: reason)
    }
}
