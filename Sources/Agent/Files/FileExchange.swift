import DIMP

/// All files that go and come in pieces (extensions.md 10): the pure rule, without disk, brokers or clock. It holds numbers,
/// and no bytes but those that it passes on in the same call.
///
/// A file goes when its receiver has taken its message, and it is taken only then: what is not announced is nothing.
package struct FileExchange {
    private var sending: [String: SendingFile] = [:]
    private var receiving: [String: ReceivingFile] = [:]
    private var isConnected = false
    private var effects: [FileEffect] = []
    /// When something was last said of files that have ended, in seconds lived.
    private var said: [String: Double] = [:]

    package init() {}

    package mutating func handle(_ event: FileEvent, at lived: Double) -> [FileEffect] {
        effects = []
        switch event {
        case .begun(let transfer, let until):
            guard sending[transfer.offer.id] == nil else { break }
            sending[transfer.offer.id] = SendingFile(transfer, until: until, at: lived)
            fill(transfer.offer.id, at: lived)
        case .read(let id, let piece, let payload): read(id, piece: piece, payload: payload)
        case .published(let id, let piece, let isTaken):
            sending[id]?.published(piece, isTaken: isTaken, at: lived)
            fill(id, at: lived)
        case .progressed(let progress): progressed(progress, at: lived)
        case .offered(let transfer, let have): offered(transfer, have: have, at: lived)
        case .declined(let transfer, let reason): end(transfer, as: .refused, reason: reason, isOurs: false)
        case .arrived(let payload, let id, let piece, let address):
            arrived(payload, of: id, piece: piece, on: address, at: lived)
        case .kept(let id, let piece):
            receiving[id]?.kept(piece)
            sync(id)
        case .notKept(let id, let piece, let rejection):
            receiving[id]?.notKept(piece)
            if let rejection { effects.append(.rejected(rejection, sender: receiving[id]?.transfer.sender)) }
            sync(id)
        case .synced(let id, let set): synced(id, have: set)
        case .checked(let id, let isWhole): checked(id, isWhole: isWhole, at: lived)
        case .dropped(let id):
            sending[id] = nil
            if let file = receiving.removeValue(forKey: id) {
                end(file.transfer, as: .refused, reason: "dropped", isOurs: false)
            }
        case .connected(let isConnected): connected(isConnected, at: lived)
        case .ticked: tick(at: lived)
        }
        return effects
    }

    /// When `.ticked` is wanted, in seconds lived.
    package var nextDue: Double? {
        guard isConnected else { return nil }
        return min(
            sending.values.map(\.nextDue).min() ?? .infinity, receiving.values.map(\.nextDue).min() ?? .infinity)
    }

    /// Whether the end of this file may be said once more: at most every ten seconds, however often its pieces come.
    package mutating func maySayEnd(of id: String, at lived: Double) -> Bool {
        if let last = said[id], lived < last + Tuning.firstPiecePause { return false }
        if said.count >= Tuning.rememberedFileEnds { said = said.filter { lived < $0.value + Tuning.firstPiecePause } }
        guard said.count < Tuning.rememberedFileEnds else { return false }
        said[id] = lived
        return true
    }

    /// How many pieces the receiver of a file has, or this board of one that comes; `nil` when it is not under way.
    package func count(of id: String) -> Int? { sending[id]?.have.filled ?? receiving[id]?.have.filled }

    // MARK: - Going

    private mutating func fill(_ id: String, at lived: Double) {
        guard isConnected, var file = sending[id] else { return }
        let limit = max(1, Tuning.piecesInHand / max(1, sending.count))
        for piece in file.takeNext(at: lived, limit: limit) { effects.append(.read(file.transfer, piece: piece)) }
        sending[id] = file
    }

    private mutating func read(_ id: String, piece: Int, payload: [UInt8]?) {
        guard let file = sending[id] else { return }
        guard let payload else {
            sending[id] = nil
            return end(file.transfer, as: .failed, reason: "unreadable", isOurs: true)
        }
        effects.append(.publish(file.transfer, piece: piece, payload, attempt: file.attempt))
    }

    private mutating func progressed(_ progress: FileProgress, at lived: Double) {
        guard var file = sending[progress.id], file.transfer.receiver.address == progress.from,
            file.transfer.sender.address == progress.to
        else { return }
        guard progress.isMade(for: file.transfer.offer) else {
            let words = "a word about a file that its receiver did not make"
            return effects.append(.rejected(Rejection(.signature, words), sender: file.transfer.receiver))
        }
        switch progress.state {
        case .whole:
            sending[progress.id] = nil
            end(file.transfer, as: .whole, reason: nil, isOurs: true)
        case .refused:
            sending[progress.id] = nil
            end(file.transfer, as: .refused, reason: progress.reason ?? "refused", isOurs: true)
        case .more:
            if file.progressed(progress, at: lived), !file.have.isFull {
                effects.append(.progress(file.transfer, count: file.have.filled, isOurs: true))
            }
            sending[progress.id] = file
            fill(progress.id, at: lived)
        }
    }

    // MARK: - Coming

    private mutating func offered(_ transfer: FileTransfer, have: PieceSet, at lived: Double) {
        let id = transfer.offer.id
        guard receiving[id] == nil, have.count == transfer.offer.count else { return }
        var file = ReceivingFile(transfer, have: have, at: lived)
        if isConnected, !have.isFull, file.ask(at: lived, isForced: true) {
            effects.append(.acknowledge(transfer, have: have, asks: true))
        }
        receiving[id] = file
        check(id)
    }

    private mutating func arrived(
        _ payload: [UInt8], of id: String, piece: Int, on address: Address, at lived: Double
    ) {
        guard var file = receiving[id] else { return effects.append(.unknown(id, at: address)) }
        guard file.transfer.receiver.address == address else { return }
        // Each is in memory until it is written; one that finds no room comes again.
        guard receiving.values.reduce(0, { $0 + $1.inHand }) < Tuning.piecesBeforeDisk else { return }
        guard payload.count <= file.transfer.offer.piece + FilePieces.seal else {
            return effects.append(.rejected(Rejection(.content, "a piece of a file that is too long"), sender: nil))
        }
        guard file.take(piece, at: lived) else { return }
        receiving[id] = file
        effects.append(.keep(file.transfer, piece: piece, payload))
    }

    private mutating func sync(_ id: String) {
        guard let isDue = receiving[id]?.beginSync(), isDue, let file = receiving[id] else { return }
        effects.append(.sync(file.transfer))
    }

    private mutating func synced(_ id: String, have set: PieceSet?) {
        guard var file = receiving[id] else { return }
        let isNews = file.synced(set)
        receiving[id] = file
        if set != nil { effects.append(.acknowledge(file.transfer, have: file.have, asks: false)) }
        if isNews { effects.append(.progress(file.transfer, count: file.have.filled, isOurs: false)) }
        check(id)
        sync(id)
    }

    private mutating func check(_ id: String) {
        guard let isDue = receiving[id]?.beginCheck(), isDue, let file = receiving[id] else { return }
        effects.append(.check(file.transfer))
    }

    private mutating func checked(_ id: String, isWhole: Bool?, at lived: Double) {
        guard var file = receiving[id] else { return }
        switch isWhole {
        case true?:
            receiving[id] = nil
            return end(file.transfer, as: .whole, reason: nil, isOurs: false)
        case false?:
            file.beginAgain(at: lived)
            guard !file.isDamaged else {
                receiving[id] = nil
                return end(file.transfer, as: .refused, reason: "damaged", isOurs: false)
            }
            effects.append(.acknowledge(file.transfer, have: file.have, asks: true))
        case nil: file.checkLater(at: lived)
        }
        receiving[id] = file
    }

    // MARK: - Both

    private mutating func end(
        _ transfer: FileTransfer, as state: FileTransfer.State, reason: String?, isOurs: Bool
    ) {
        var ended = transfer
        (ended.state, ended.reason) = (state, reason)
        effects.append(.ended(ended, isOurs: isOurs))
        if !isOurs { effects.append(.acknowledge(ended, have: PieceSet(count: 1), asks: false)) }
    }

    private mutating func connected(_ isConnected: Bool, at lived: Double) {
        guard isConnected != self.isConnected else { return }
        self.isConnected = isConnected
        for id in sending.keys.sorted() {
            sending[id]?.connectionChanged(at: lived)
            fill(id, at: lived)
        }
        guard isConnected else { return }
        for id in receiving.keys.sorted() { ask(id, at: lived, isForced: true) }
    }

    private mutating func ask(_ id: String, at lived: Double, isForced: Bool = false) {
        guard var file = receiving[id], file.ask(at: lived, isForced: isForced) else { return }
        receiving[id] = file
        if !file.have.isFull { effects.append(.acknowledge(file.transfer, have: file.have, asks: true)) }
        check(id)
    }

    private mutating func tick(at lived: Double) {
        for id in sending.keys.sorted() {
            guard var file = sending[id] else { continue }
            guard !file.isExpired(at: lived) else {
                sending[id] = nil
                end(file.transfer, as: .expired, reason: "expired", isOurs: true)
                continue
            }
            guard isConnected else { continue }
            file.retry(at: lived)
            sending[id] = file
            fill(id, at: lived)
        }
        guard isConnected else { return }
        for id in receiving.keys.sorted() { ask(id, at: lived) }
    }
}
