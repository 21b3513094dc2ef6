import Agent
import Control
import Crypto
import DIMP
import Dispatch
import Format
import Records
import Store
import System

/// Files in pieces, as the daemon carries out what `FileExchange` decides: their bytes on a queue of their own, the room that
/// they may take, and what is remembered of those that go (`ID.json` beside the bytes; of those that come the ledger keeps
/// it, written with their message).
@MainActor final class FileTransfers {
    /// One that goes.
    struct Going {
        var transfer: FileTransfer
        /// In seconds lived.
        var deadline: Double
        var isBegun = false
    }

    private let loop: Loop
    private let running: RunningConfiguration
    private let shelf: FileShelf
    private let web: WebFiles
    /// Files of the web that were fetched in this run, by the ids of their messages.
    private var fetchedFromWeb: [String: FileOffer] = [:]
    private var isFetching: Set<String> = []
    private let queue = DispatchQueue(label: "culver.files")
    /// By the names that their senders gave them.
    private var going: [String: Going] = [:]
    private(set) var coming: [String: FileTransfer] = [:]
    /// Bytes of files that are being handed over.
    private var handedOver: [String: Int64] = [:]
    /// Those that came and were fetched to their end in this run, in that order.
    private var fetched: [String] = []

    /// Files that are remembered when they have gone, and for how many seconds.
    private static let rememberedTime = 7.0 * 86_400

    /// Files that came or come, and are not gone.
    private nonisolated static let known = 1_000
    /// Seconds.
    private static let pruningPause = 3_600.0

    init(loop: Loop, running: RunningConfiguration) {
        self.loop = loop
        self.running = running
        shelf = FileShelf(loop.directory)
        web = WebFiles(loop.directory)
    }

    /// Goes on with what the last run of the daemon left.
    func start() {
        loop.add(
            .duty { [self] turn in
                let known = try turn.ledger.values(.files).compactMap { row in
                    (try? JSON(parsing: row.value)).flatMap(FileTransfer.init)
                }
                turn.after { self.goOn(with: known) }
            })
        prune()
    }

    /// Of files that came what is left is a word about their end, for pieces that still come: once an hour the old ones go,
    /// and where the clock does not say what is old, the first of too many.
    private func prune() {
        let now = loop.clock.now
        let oldest = now.isClockSet ? now.wall - Double(running.configuration.delivery.keep) : -.infinity
        loop.add(
            .duty { [self] turn in
                let known = try turn.ledger.values(.files).compactMap { row in
                    (try? JSON(parsing: row.value)).flatMap(FileTransfer.init)
                }
                let gone = Self.forgettable(known, before: oldest).map(\.offer.id)
                for id in gone { try turn.ledger.apply(.value(.file(id), nil)) }
                turn.after { for id in gone { self.coming[id] = nil } }
            })
        MainQueue.after(Self.pruningPause) { [weak self] in self?.prune() }
    }

    /// Those that have ended here and are old, or too many. `oldest`: seconds since 1970.
    nonisolated static func forgettable(_ all: [FileTransfer], before oldest: Double) -> [FileTransfer] {
        let ended = all.filter { $0.state != .open && $0.state != .whole }.sorted { $0.time < $1.time }
        return ended.enumerated()
            .filter { $0.offset < ended.count - known || (0 < $0.element.time && $0.element.time < oldest) }
            .map(\.element)
    }

    private func goOn(with known: [FileTransfer]) {
        let now = loop.clock.now
        let oldest = now.isClockSet ? now.wall - Double(running.configuration.delivery.keep) : -.infinity
        for transfer in known {
            let id = transfer.offer.id
            // What nobody fetched for so long goes, as read messages do.
            if transfer.time > 0, transfer.time < oldest {
                loop.add(.duty { try $0.ledger.apply(.value(.file(id), nil)) })
            } else if [.open, .whole, .delivered].contains(transfer.state) {
                coming[id] = transfer
                if transfer.state == .open { prepare(transfer) }
                if transfer.state == .whole { deliver(transfer) }
            }
        }
        let directory = loop.directory
        let names = (try? directory.list(StatePath.files)) ?? []
        for name in names where name.hasSuffix(".json") {
            guard let json = try? directory.json(StatePath.file(name)), let transfer = FileTransfer(json),
                let deadline = json["deadline"]?.double
            else { continue }
            takeUp(transfer, deadline: deadline)
        }
        let ids = Set(going.keys).union(coming.keys)
        for name in names where name.hasSuffix(".data") && !ids.contains(String(name.dropLast(5))) {
            removeBytes(of: String(name.dropLast(5)))
        }
    }

    /// Its message may have been accepted or not before the last end: the ledger knows it by its ref.
    private func takeUp(_ transfer: FileTransfer, deadline: Double) {
        let id = transfer.offer.id
        let isOld = loop.clock.now.isClockSet && loop.clock.now.wall > transfer.time + Self.rememberedTime
        guard transfer.state == .open else {
            if isOld { return forget(id) }
            going[id] = Going(transfer: transfer, deadline: deadline)
            return
        }
        guard let row = row(of: transfer) else { return forget(id) }
        going[id] = Going(transfer: transfer, deadline: deadline)
        changed(row)
    }

    private func row(of transfer: FileTransfer) -> Outgoing? {
        (try? loop.store.outgoing(
            sender: transfer.sender, receiver: transfer.receiver, group: nil, ref: transfer.message)) ?? nil
    }

    // MARK: - Room

    /// Bytes that all files take, those that are still to come included.
    var used: Int64 {
        coming.values.reduce(0) { $0 + $1.room } + going.values.reduce(0) { $0 + $1.transfer.room }
            + handedOver.values.reduce(0, +) + fetchedFromWeb.values.reduce(0) { $0 + $1.sealedSize }
    }

    private var quota: Int64 { running.configuration.files.quota }

    /// Why a file of so many bytes cannot be taken; `nil` when it can. What was fetched makes room, the oldest first.
    private func refusal(of size: Int64) -> String? {
        if size > Int64(running.configuration.limits.file) { return "too-large" }
        while used + size > quota, let oldest = fetched.first {
            fetched.removeFirst()
            guard let transfer = coming[oldest], transfer.state == .whole else { continue }
            loop.add(.duty { [self] in try drop(transfer, isOurs: false, in: &$0) })
            coming[oldest] = nil
        }
        let count = coming.values.count { $0.state != .delivered }
        return used + size > quota || count >= Self.known ? "quota" : nil
    }

    // MARK: - Handing over

    /// A local program hands a file over. Throws why it may not.
    func begin(_ id: String, size: Int64, to receiver: ID) throws -> HandOver {
        let piece = try piece(for: receiver, size: size)
        switch refusal(of: size) {
        case "too-large"?:
            throw Refusal(
                .badData, "too-large", "a file may have \(running.configuration.limits.file) bytes ([limits] file)")
        case .some: throw Refusal(.notNow, "quota", "files may take \(quota) bytes ([files] quota), and have them")
        case nil: break
        }
        let key = SecretBytes(try Random.bytes(32))
        let iv = try Random.bytes(16)
        handedOver[id] = size
        let sealing = Sealed()
        let shelf = shelf
        queue.async { sealing.result = Result { try shelf.begin(id, key: key, iv: iv) } }
        return HandOver(id: id, size: size, piece: piece, key: key, iv: iv, sealing: sealing)
    }

    /// Bytes of ciphertext in a piece, as the brokers and the receiver take them.
    private func piece(for receiver: ID, size: Int64) throws -> Int {
        let abilities = loop.messenger.abilities(of: receiver)
        guard abilities.takesFiles, !receiver.isGroup, !receiver.isBroadcast else {
            if running.configuration.files.upload != nil, !receiver.isBroadcast {
                return ProtocolLimits.pieceBytes.most
            }
            throw Refusal(
                .badData, "no-pieces",
                "\(receiver) is not known to take files in pieces, and \(size) bytes are too many for a message")
        }
        let most = ProtocolLimits.pieceBytes.most
        let limit = min(
            loop.messenger.payloadLimit(at: loop.clock.now) ?? .max, abilities.size ?? .max, Int64(most + 32))
        let piece = Int(limit - 32) / 16 * 16
        guard piece >= ProtocolLimits.pieceBytes.least, size / Int64(piece) < Int64(ProtocolLimits.pieces) - 1 else {
            throw Refusal(.badData, "too-large", "brokers take \(limit) bytes at a time: too little for this file")
        }
        return piece
    }

    /// The next bytes of it; calls back when they are on their way to the disk.
    func add(_ bytes: [UInt8], to file: HandOver, _ action: @escaping @MainActor (RPCError?) -> Void) {
        let shelf = shelf
        queue.async {
            let error = Self.error { try shelf.add(bytes, to: file.sealing.result.get()) }
            MainQueue.async { action(error) }
        }
    }

    /// All of it is here: on disk, with what is to be remembered of it.
    func finish(
        _ file: HandOver, as transfer: PartialTransfer,
        _ action: @escaping @MainActor (Result<FileTransfer, RPCError>) -> Void
    ) {
        let shelf = shelf
        let directory = loop.directory
        let deadline = transfer.deadline
        queue.async {
            let result = Result {
                let digest = try shelf.finish(file.sealing.result.get())
                guard
                    let offer = FileOffer(
                        id: file.id, size: file.size, piece: file.piece, digest: digest, key: file.key, iv: file.iv)
                else { throw RPCError.internalError("a file that cannot be offered") }
                let whole = transfer.transfer(offer)
                try Self.write(whole, deadline: deadline, to: directory)
                return whole
            }
            MainQueue.async {
                self.handedOver[file.id] = nil
                switch result {
                case .success(let whole):
                    self.going[file.id] = Going(transfer: whole, deadline: deadline)
                    action(.success(whole))
                case .failure(let error):
                    self.forget(file.id)
                    action(.failure((error as? RPCError) ?? RPCError(disk: error)))
                }
            }
        }
    }

    /// The same for a receiver that takes no pieces: a program brings the ciphertext somewhere. The members of a content that
    /// say where and under which key it is.
    func upload(
        _ file: HandOver, named name: String, by program: String,
        _ action: @escaping @MainActor (Result<JSONObject, RPCError>) -> Void
    ) {
        let shelf = shelf
        queue.async {
            let error = Self.error { _ = try shelf.finish(file.sealing.result.get()) }
            MainQueue.async {
                if let error {
                    self.forget(file.id)
                    return action(.failure(error))
                }
                self.web.upload(file.id, named: name, by: program) { result in
                    self.forget(file.id)
                    let key = SymmetricKey.aes(key: file.key, iv: file.iv).json()
                    action(result.map { ["URL": .string($0), "key": key] })
                }
            }
        }
    }

    /// Whether a file for this receiver is to be uploaded.
    func isUploaded(for receiver: ID) -> String? {
        let takesPieces = loop.messenger.abilities(of: receiver).takesFiles && !receiver.isGroup
        return takesPieces ? nil : running.configuration.files.upload
    }

    /// A file of the web, fetched if it is not here yet.
    func fetch(
        _ file: FileReference, of message: String, _ action: @escaping @MainActor (Result<FileOffer, RPCError>) -> Void
    ) throws {
        if let offer = fetchedFromWeb[message] { return action(.success(offer)) }
        guard let program = running.configuration.files.download, file.url != nil else {
            throw Refusal(.noInput, "not-here", "the bytes of this file are not on this board")
        }
        guard !isFetching.contains(message) else {
            throw Refusal(.notNow, "not-whole", "the file is being fetched")
        }
        let limit = min(Int64(running.configuration.limits.file), quota - used)
        guard limit > 0 else { throw Refusal(.notNow, "quota", "files have all the room that they may take") }
        isFetching.insert(message)
        let id = FileMethods.newID()
        web.download(file, as: id, by: program, limit: limit) { result in
            self.isFetching.remove(message)
            if case .success(let offer) = result { self.fetchedFromWeb[message] = offer }
            action(result)
        }
    }

    private nonisolated static func write(
        _ transfer: FileTransfer, deadline: Double, to directory: StateDirectory
    ) throws(FileError) {
        guard var object = transfer.json.object else { return }
        object["deadline"] = .number(deadline)
        try directory.write(
            JSON.object(object).bytes, to: StatePath.file("\(transfer.offer.id).json"), mode: 0o600)
    }

    /// It does not go: the connection is gone, or its message was refused.
    func forget(_ id: String) {
        handedOver[id] = nil
        going[id] = nil
        removeBytes(of: id, andRecord: true)
    }

    private func removeBytes(of id: String, andRecord: Bool = false) {
        let shelf = shelf
        let directory = loop.directory
        queue.async {
            let error = Self.error {
                try shelf.remove(id)
                if andRecord { try directory.remove(StatePath.file("\(id).json")) }
            }
            if let error { MainQueue.async { self.loop.log(.error, error.message) } }
        }
    }

    private nonisolated static func error(_ work: () throws -> Void) -> RPCError? {
        do {
            try work()
            return nil
        } catch {
            return (error as? RPCError) ?? RPCError(disk: error)
        }
    }

    // MARK: - What became of messages

    /// The receiver has the message of a file, or never will have it.
    func changed(_ row: Outgoing) {
        guard let ref = row.ref, row.state.isEnd,
            let (id, file) = going.first(where: {
                $0.value.transfer.message == ref && $0.value.transfer.receiver.address == row.receiver.address
                    && $0.value.transfer.sender.address == row.sender.address && $0.value.transfer.state == .open
            })
        else { return }
        guard row.state == .delivered else {
            var ended = file.transfer
            (ended.state, ended.reason) = (.failed, row.state.rawValue)
            return end(ended)
        }
        guard !file.isBegun else { return }
        going[id]?.isBegun = true
        loop.take(.file(.begun(file.transfer, until: file.deadline)))
    }

    // MARK: - Effects

    func perform(_ effect: FileEffect) {
        switch effect {
        case .offered(let transfer):
            // What goes has the same place: a peer may know its name, and offer one of that name.
            guard going[transfer.offer.id] == nil else {
                return loop.take(.file(.declined(transfer, reason: "not-written")))
            }
            coming[transfer.offer.id] = nil
            if let reason = refusal(of: transfer.offer.size) {
                return loop.take(.file(.declined(transfer, reason: reason)))
            }
            coming[transfer.offer.id] = transfer
            prepare(transfer)
        case .read(let transfer, let piece):
            work { shelf in
                .read(transfer.offer.id, piece: piece, try? shelf.payload(of: transfer, piece: piece))
            }
        case .keep(let transfer, let piece, let payload):
            work { shelf in
                do {
                    try shelf.keep(payload, piece: piece, of: transfer)
                    return .kept(transfer.offer.id, piece: piece)
                } catch {
                    return .notKept(transfer.offer.id, piece: piece, error as? Rejection)
                }
            }
        case .sync(let transfer): work { .synced(transfer.offer.id, try? $0.sync(transfer.offer)) }
        case .check(let transfer): work { .checked(transfer.offer.id, isWhole: try? $0.check(transfer.offer)) }
        case .ended(let transfer, let isOurs): isOurs ? end(transfer) : arrived(transfer)
        case .publish, .acknowledge, .progress, .rejected, .unknown: break
        }
    }

    private func work(_ body: @escaping @Sendable (FileShelf) -> FileEvent) {
        let shelf = shelf
        queue.async {
            let event = body(shelf)
            MainQueue.async { self.loop.take(.file(event)) }
        }
    }

    private func prepare(_ transfer: FileTransfer) {
        work { shelf in
            do throws(FileError) {
                return .offered(transfer, have: try shelf.prepare(transfer.offer))
            } catch {
                return .declined(transfer, reason: error.isFull ? "disk-full" : "not-written")
            }
        }
    }

    /// One that went has come to its end: its bytes go, and what became of it is remembered for a while.
    private func end(_ transfer: FileTransfer) {
        let id = transfer.offer.id
        guard let deadline = going[id]?.deadline else { return }
        going[id] = Going(transfer: transfer, deadline: deadline)
        let shelf = shelf
        let directory = loop.directory
        queue.async {
            let error = Self.error {
                try Self.write(transfer, deadline: deadline, to: directory)
                try shelf.remove(id)
            }
            if let error { MainQueue.async { self.loop.log(.error, error.message) } }
        }
    }

    /// One that came has come to its end, which is on disk.
    private func arrived(_ transfer: FileTransfer) {
        coming[transfer.offer.id] = transfer.state == .whole ? transfer : nil
        if transfer.state == .whole { return deliver(transfer) }
        if going[transfer.offer.id] == nil { removeBytes(of: transfer.offer.id) }
    }

    // MARK: - Into the owner's directory

    /// With `[files] inbox` it appears there, and is kept nowhere else. What could not be written there stays, and is tried
    /// again at the next start.
    private func deliver(_ transfer: FileTransfer) {
        guard let directory = running.configuration.files.inbox else { return }
        let shelf = shelf
        queue.async {
            let result = Result { try shelf.deliver(transfer, into: directory) }
            MainQueue.async { self.delivered(result, transfer) }
        }
    }

    private func delivered(_ result: Result<String, any Error>, _ transfer: FileTransfer) {
        let id = transfer.offer.id
        switch result {
        case .failure(let error): loop.log(.warning, "\(error): the file \(transfer.name) stays in the state directory")
        case .success(let path):
            var delivered = transfer
            (delivered.state, delivered.path) = (.delivered, path)
            loop.add(
                .duty { [delivered] turn in
                    try turn.ledger.apply(.value(.file(id), delivered.json.text))
                    turn.after {
                        self.coming[id] = delivered
                        self.removeBytes(of: id)
                    }
                })
        }
    }

    /// Bytes that came inside a message; calls back when they are there, or cannot be.
    func deliver(
        _ bytes: [UInt8], named name: String, of message: String, into directory: String,
        _ action: @escaping @MainActor (Result<String, any Error>) -> Void
    ) {
        let shelf = shelf
        queue.async {
            let result = Result { try shelf.deliver(bytes, named: name, of: message, into: directory) }
            MainQueue.async { action(result) }
        }
    }

    // MARK: - Looking

    /// A file that goes, by the id of its message.
    func going(in row: Outgoing) -> FileTransfer? {
        guard let ref = row.ref else { return nil }
        return going.values.first {
            $0.transfer.message == ref && $0.transfer.receiver.address == row.receiver.address
                && $0.transfer.sender.address == row.sender.address
        }?.transfer
    }

    /// Those that go, and went not long ago, each with its row in the outbox.
    var allGoing: [(row: Outgoing, transfer: FileTransfer)] {
        going.values.compactMap { file in row(of: file.transfer).map { ($0, file.transfer) } }
    }

    /// Bytes that are where the file goes to.
    func have(of transfer: FileTransfer) -> Int64 {
        if transfer.state == .whole { return transfer.offer.size }
        let pieces = loop.messenger.pieces(of: transfer.offer.id) ?? 0
        return min(transfer.offer.size, Int64(pieces) * Int64(transfer.offer.piece))
    }

    /// Bytes of one that came.
    func read(
        _ offer: FileOffer, at offset: Int64, limit: Int,
        _ action: @escaping @MainActor (Result<[UInt8], RPCError>) -> Void
    ) {
        let shelf = shelf
        queue.async {
            let result = Result { try shelf.bytes(of: offer, at: offset, limit: limit) }
            MainQueue.async {
                let id = offer.id
                if offset + Int64(limit) >= offer.size, self.coming[id] != nil, !self.fetched.contains(id) {
                    self.fetched.append(id)
                }
                action(result.mapError { RPCError(disk: $0) })
            }
        }
    }

    /// The owner wants no more of it.
    func drop(_ transfer: FileTransfer, isOurs: Bool, in turn: inout Turn) throws {
        try turn.handle(.file(.dropped(transfer.offer.id)))
        var ended = transfer
        (ended.state, ended.reason) = (.refused, "dropped")
        if !isOurs { try turn.ledger.apply(.value(.file(transfer.offer.id), ended.json.text)) }
        turn.after { [self] in
            if isOurs { return end(ended) }
            coming[transfer.offer.id] = nil
            removeBytes(of: transfer.offer.id)
        }
    }
}

/// A large file that a local program hands over.
struct HandOver: Sendable {
    let id: String
    let size: Int64
    /// Bytes of ciphertext in a piece.
    let piece: Int
    let key: SecretBytes
    let iv: [UInt8]
    let sealing: Sealed
}

/// What the queue of the files has made for a hand-over.
///
/// `@unchecked Sendable`: used on that queue alone.
final class Sealed: @unchecked Sendable {
    var result: Result<FileSealing, any Error> = .failure(RPCError.internalError("not begun"))
}

/// What is known of a file before its digest is.
struct PartialTransfer: Sendable {
    var sender: ID
    var receiver: ID
    var ref: String
    var name: String
    var type: Int64
    var time: Double
    /// In seconds lived.
    var deadline: Double

    func transfer(_ offer: FileOffer) -> FileTransfer {
        FileTransfer(
            offer, sender: sender, receiver: receiver, message: ref, name: name, type: type, time: time)
    }
}
