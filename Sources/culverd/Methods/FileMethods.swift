import Control
import DIMP
import Format
import Operations
import Records
import Store

/// `file.*`: files that are sent, and those that came. The daemon opens no path that a client names: bytes cross the
/// socket in pieces, in Base64.
///
///     file.offer {to, name, size, …}   → {file, offset, piece}: a file is to be sent; `piece` is the most of one put
///     file.put {file, offset, data}    → {file, offset}; with the last piece the message goes, and the answer is its own
///     file.get {id, offset}            → {data, size, filename}; no data at the end
@MainActor struct FileMethods {
    let loop: Loop
    let running: RunningConfiguration
    let rights: CallerRights
    let messages: MessageMethods
    let uploads: Uploads
    let transfers: FileTransfers

    private static let piece = 256 << 10
    /// Bytes of a picture that stands for the file, in Base64.
    private static let thumbnail = 32 << 10

    // MARK: - Sending

    func offer(_ request: CheckedCall, in turn: inout Turn) throws -> JSON {
        let params = request.params
        let sender = try rights.sender(of: request).id.bare
        let receiver = try loop.names.id(try params.needText("to")).bare
        let name = FileName.safe(try params.needText("name"))
        guard let size = try params.integer("size", in: 0...Int64.max) else { throw Params.missing("size") }
        let ref = try params.text("ref")
        // Encrypted once more it would be another content.
        let isInline = size <= Int64(running.configuration.files.inline)
        if let ref, !isInline,
            let row = try loop.store.outgoing(sender: sender, receiver: receiver, group: nil, ref: ref)
        {
            return [
                "id": .string(row.id), "sn": .integer(row.sn), "state": .string(row.state.rawValue), "repeat": true,
            ]
        }
        guard !uploads.isFull else {
            throw Refusal(.notNow, "too-many-files", "\(Uploads.limit) files are being handed over; try again soon")
        }
        let type = try type(params) ?? FileName.type(of: name)
        let members = try members(params, name: name, type: type)
        let id = Self.newID()
        var message = message(params)
        var place = Uploads.Upload.Place.inline([])
        if !isInline {
            let file = try transfers.begin(id, size: size, to: receiver)
            let ref = ref ?? "file-\(id)"
            message["ref"] = .string(ref)
            let lifetime = try params.seconds("expiry") ?? loop.messenger.policy.expiry
            place = .large(
                file,
                PartialTransfer(
                    sender: sender, receiver: receiver, ref: ref, name: name, type: type.rawValue,
                    time: turn.now.isClockSet ? turn.now.wall : 0, deadline: turn.now.lived + 2 * lifetime))
        }
        let upload = Uploads.Upload(
            connection: request.call.connection, message: message, type: type, members: members, size: size,
            place: place)
        turn.after { uploads.set(id, to: upload) }
        return ["file": .string(id), "offset": 0, "piece": .integer(Int64(Self.piece))]
    }

    func put(_ request: CheckedCall, in turn: inout Turn) throws {
        let id = try request.params.needText("file")
        let call = request.call
        guard var upload = uploads.upload(id, by: call.connection) else {
            throw Refusal(.noInput, "unknown-file", "this connection has offered no file \(id)")
        }
        guard let data = Base64.decode(try request.params.needText("data")), data.count <= Self.piece else {
            throw Params.wrong("data", isNot: "at most \(Self.piece) bytes in Base64")
        }
        guard try request.params.integer("offset", in: 0...Int64.max) == upload.offset else {
            throw Params.wrong("offset", isNot: "\(upload.offset), where the file goes on")
        }
        guard upload.offset + Int64(data.count) <= upload.size else {
            throw Params.wrong("data", isNot: "the rest of \(upload.size) bytes")
        }
        upload.offset += Int64(data.count)
        let answer = call.withoutParams
        switch upload.place {
        case .inline(let bytes):
            let bytes = bytes + data
            upload.place = .inline(bytes)
            guard upload.isWhole else { return turn.after { [upload] in goOn(with: upload, id, answering: answer) } }
            turn.after { uploads.remove(id) }
            try send(upload, with: ["data": .string(Base64.encode(bytes))], answering: answer, in: &turn) { _ in }
        case .large(let file, let partial):
            // The next piece may come when this one is on its way to the disk.
            turn.after { [upload] in
                uploads.set(id, to: upload)
                transfers.add(data, to: file) { error in
                    // Its connection may have gone, and the file with it.
                    guard uploads.upload(id, by: call.connection) != nil else { return }
                    if let error {
                        uploads.remove(id)
                        transfers.forget(id)
                        return answer.fail(error)
                    }
                    upload.isWhole
                        ? finish(upload, file, partial, answering: answer)
                        : goOn(with: upload, id, answering: answer)
                }
            }
        }
    }

    private func goOn(with upload: Uploads.Upload, _ id: String, answering call: Call) {
        if case .inline = upload.place { uploads.set(id, to: upload) }
        call.answer(["file": .string(id), "offset": .integer(upload.offset)])
    }

    /// All of a large file is here: its message goes when it is on disk.
    private func finish(
        _ upload: Uploads.Upload, _ file: HandOver, _ partial: PartialTransfer, answering call: Call
    ) {
        // From here on it does not go with its connection.
        uploads.remove(file.id)
        if let program = transfers.isUploaded(for: partial.receiver) {
            return transfers.upload(file, named: partial.name, by: program) { result in
                submit(upload, with: result, answering: call) {}
            }
        }
        transfers.finish(file, as: partial) { result in
            submit(upload, with: result.map(\.offer.members), answering: call) { transfers.forget(file.id) }
        }
    }

    private func submit(
        _ upload: Uploads.Upload, with members: Result<JSONObject, RPCError>, answering call: Call,
        orElse forget: @escaping @MainActor () -> Void
    ) {
        let more: JSONObject
        switch members {
        case .failure(let error): return call.fail(error)
        case .success(let members): more = members
        }
        loop.add(
            .request(call) { call, turn in
                do {
                    try send(upload, with: more, answering: call, in: &turn) { if case .failure = $0 { forget() } }
                } catch {
                    turn.after { forget() }
                    throw error
                }
            })
    }

    /// The message with the file, or about it; answered as `message.send` is.
    private func send(
        _ upload: Uploads.Upload, with more: JSONObject, answering call: Call, in turn: inout Turn,
        then action: @escaping @MainActor (Result<JSONObject, RPCError>) -> Void
    ) throws {
        var content = upload.members
        content["type"] = .integer(upload.type.rawValue)
        for (name, value) in more.members { content[name] = value }
        var params = upload.message
        params["content"] = .object(content)
        try messages.sendOne(CheckedCall(call: call, params: Params(params)), in: &turn) { result in
            action(result)
            switch result {
            case .success(let accepted): call.answer(.object(accepted))
            case .failure(let error): call.fail(error)
            }
        }
    }

    private func type(_ params: Params) throws -> ContentType? {
        switch try params.text("type") {
        case nil: nil
        case "file": .file
        case "image": .image
        case "audio": .audio
        case "video": .video
        default: throw Params.wrong("type", isNot: "file, image, audio or video")
        }
    }

    /// What `message.send` is told of an offer.
    private func message(_ params: Params) -> JSONObject {
        var message: JSONObject = [:]
        for (name, value) in params.members where !["name", "size", "type", "text", "thumbnail"].contains(name) {
            message[name] = value
        }
        return message
    }

    /// What the content says beside type and bytes. A video's picture has another name.
    private func members(_ params: Params, name: String, type: ContentType) throws -> JSONObject {
        var members: JSONObject = ["filename": .string(name)]
        if let text = try params.text("text") { members["text"] = .string(text) }
        guard let picture = try params.text("thumbnail") else { return members }
        guard type == .image || type == .video else {
            throw Refusal(.badData, "no-picture", "a thumbnail goes with an image or a video")
        }
        guard let bytes = Base64.decode(picture), bytes.count <= Self.thumbnail else {
            throw Params.wrong("thumbnail", isNot: "at most \(Self.thumbnail) bytes in Base64")
        }
        members[type == .image ? "thumbnail" : "snapshot"] = .string(Base64.encode(bytes))
        return members
    }

    static func newID() -> String {
        let letters = Array("0123456789abcdefghijklmnopqrstuvwxyz".utf8)
        return String(decoding: (0..<20).map { _ in letters.randomElement() ?? 48 }, as: UTF8.self)
    }

    // MARK: - What came

    func list(_ request: CheckedCall) throws -> JSON {
        let limit = try request.params.limit()
        let start = try request.params.integer("start", in: 0...Int64.max)
        let allowed = rights.identities(of: request, as: .reader)
        var rows: [Incoming] = []
        for type in [ContentType.file, .image, .audio, .video] {
            rows += try loop.store.inbox(
                start: start, limit: limit + 1, filter: InboxFilter(type: type.rawValue), bytes: 1 << 20)
        }
        rows.sort { $0.seq < $1.seq }
        let shown = rows.map { row in
            (row.seq, allowed?.contains(row.receiver) == false ? nil : described(row))
        }
        let page = Rows.page(
            "files", start == nil ? shown.suffix(limit) : shown, limit: limit, isForward: start != nil)
        guard var object = page.object else { return page }
        let going = transfers.allGoing.filter { $0.row.isOf(allowed) }.sorted { $0.row.order < $1.row.order }
        object["sending"] = .array(going.suffix(limit).map { .object(described($0.transfer, in: $0.row)) })
        return .object(object)
    }

    func show(_ request: CheckedCall) throws -> JSON {
        if let (row, transfer) = try sent(request) { return .object(described(transfer, in: row)) }
        return .object(described(try received(request)) ?? [:])
    }

    func get(_ request: CheckedCall, in turn: inout Turn) throws {
        let row = try received(request)
        let offset = try request.params.integer("offset", in: 0...Int64.max) ?? 0
        let call = request.call
        let name = FileName.safe(row.file?.filename ?? "")
        func answer(_ bytes: [UInt8], of size: Int64) {
            call.answer([
                "id": .string(row.id), "filename": .string(name), "size": .integer(size),
                "data": .string(Base64.encode(bytes)),
            ])
        }
        if let data = row.file?.data {
            let rest = Array(data.dropFirst(Int(clamping: offset)).prefix(Self.piece))
            return turn.after { answer(rest, of: Int64(data.count)) }
        }
        func read(_ offer: FileOffer) {
            transfers.read(offer, at: offset, limit: Self.piece) {
                switch $0 {
                case .success(let bytes): answer(bytes, of: offer.size)
                case .failure(let error): call.fail(error)
                }
            }
        }
        guard let transfer = transfer(of: row) else {
            guard let file = row.file, row.offer == nil else {
                throw Refusal(.noInput, "not-here", "the bytes of this file are not on this board")
            }
            return try transfers.fetch(file, of: row.id) {
                switch $0 {
                case .success(let offer): read(offer)
                case .failure(let error): call.fail(error)
                }
            }
        }
        if let path = transfer.path { throw Refusal(.noInput, "not-here", "the file is at \(path)") }
        guard transfer.state == .whole else {
            let have = transfers.have(of: transfer)
            throw Refusal(.notNow, "not-whole", "\(have) of \(transfer.offer.size) bytes have come")
        }
        turn.after { read(transfer.offer) }
    }

    func drop(_ request: CheckedCall, in turn: inout Turn) throws -> JSON {
        if let (row, transfer) = try sent(request) {
            try rights.checkMaySend(request, as: row.sender)
            if transfer.state == .open { try transfers.drop(transfer, isOurs: true, in: &turn) }
            return ["id": .string(row.id), "state": "dropped"]
        }
        let row = try received(request)
        guard let transfer = transfer(of: row) else {
            throw Refusal(.badData, "inline-file", "nothing of the file is beside the message \(row.id)")
        }
        try transfers.drop(transfer, isOurs: false, in: &turn)
        return ["id": .string(row.id), "state": "dropped"]
    }

    /// A file's message that the caller may read.
    private func received(_ request: CheckedCall) throws -> Incoming {
        let id = try request.params.needText("id")
        guard let row = try loop.store.incoming(id: id), row.file != nil else {
            throw Refusal(.noInput, "unknown-file", "no file came or went in a message \(id)")
        }
        guard rights.mayRead(request, for: row.receiver) else {
            throw Refusal(.notPermitted, "not-yours", "the message \(id) is of another identity")
        }
        return row
    }

    /// A file that goes in pieces, and its message, which the caller may know of.
    private func sent(_ request: CheckedCall) throws -> (Outgoing, FileTransfer)? {
        guard let row = try loop.store.outgoing(id: try request.params.needText("id")),
            let transfer = transfers.going(in: row), row.isOf(rights.identities(of: request, as: .reader))
        else { return nil }
        return (row, transfer)
    }

    /// What came of it in pieces; `nil` when it comes in none, or not any more.
    private func transfer(of row: Incoming) -> FileTransfer? {
        guard let id = row.offer?.id, let transfer = transfers.coming[id], transfer.message == row.id else {
            return nil
        }
        return transfer
    }

    private func described(_ row: Incoming) -> JSONObject? {
        guard let file = row.file else { return nil }
        var object = Rows.incoming(row, names: loop.names.name, isMuted: loop.names.isMuted)
        object["content"] = nil
        object["type"] = .integer(row.type)
        object["filename"] = .string(FileName.safe(file.filename ?? ""))
        if let data = file.data {
            object["size"] = .integer(Int64(data.count))
            object["state"] = "whole"
        } else if let offer = row.offer {
            object["size"] = .integer(offer.size)
            let transfer = transfer(of: row)
            object["have"] = .integer(transfer.map(transfers.have) ?? 0)
            object["path"] = transfer?.path.map { .string($0) }
            object["state"] = .string(transfer.map { $0.state == .open ? "coming" : $0.state.rawValue } ?? "gone")
        } else {
            if let url = file.url { object["url"] = .string(url) }
            object["state"] = "elsewhere"
        }
        return object
    }

    private func described(_ transfer: FileTransfer, in row: Outgoing) -> JSONObject {
        var object = Rows.outgoing(row, names: loop.names.name)
        object["message"] = object["state"]
        object["reason"] = transfer.reason.map { .string($0) }
        object["type"] = .integer(transfer.type)
        object["filename"] = .string(transfer.name)
        object["size"] = .integer(transfer.offer.size)
        object["have"] = .integer(transfers.have(of: transfer))
        object["state"] = .string(transfer.state == .open ? "going" : transfer.state.rawValue)
        return object
    }
}

extension Incoming {
    /// The file that the message is; `nil` for any other message.
    var file: FileReference? {
        guard let json = try? JSON(parsing: content), let content = try? Content(json),
            case .file(let file) = content.body
        else { return nil }
        return file
    }

    /// The file that it announces, in pieces.
    var offer: FileOffer? { (try? JSON(parsing: content))?.object.flatMap { FileOffer($0) } }
}
