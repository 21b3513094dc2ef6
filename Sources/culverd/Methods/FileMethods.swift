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

    private static let piece = 256 << 10
    /// Bytes of a picture that stands for the file, in Base64.
    private static let thumbnail = 32 << 10

    // MARK: - Sending

    func offer(_ request: CheckedCall, in turn: inout Turn) throws -> JSON {
        let params = request.params
        _ = try rights.sender(of: request)
        _ = try loop.names.id(try params.needText("to"))
        let name = FileName.safe(try params.needText("name"))
        guard let size = try params.integer("size", in: 0...Int64.max) else { throw Params.missing("size") }
        let inline = Int64(running.configuration.files.inline)
        guard size <= inline else {
            throw Refusal(.badData, "too-large", "the file has \(size) bytes, and at most \(inline) go in a message")
        }
        guard !uploads.isFull else {
            throw Refusal(.notNow, "too-many-files", "\(Uploads.limit) files are being handed over; try again soon")
        }
        let type = try type(params) ?? FileName.type(of: name)
        let upload = Uploads.Upload(
            connection: request.call.connection, message: message(params), type: type,
            members: try members(params, name: name, type: type), size: size)
        let id = Self.newID()
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
        let offset = Int64(upload.bytes.count)
        guard try request.params.integer("offset", in: 0...Int64.max) == offset else {
            throw Params.wrong("offset", isNot: "\(offset), where the file goes on")
        }
        guard offset + Int64(data.count) <= upload.size else {
            throw Params.wrong("data", isNot: "the rest of \(upload.size) bytes")
        }
        upload.bytes += data
        guard upload.isWhole else {
            let next = Int64(upload.bytes.count)
            let changed = upload
            return turn.after {
                uploads.set(id, to: changed)
                call.answer(["file": .string(id), "offset": .integer(next)])
            }
        }
        turn.after { uploads.remove(id) }
        var content = upload.members
        content["type"] = .integer(upload.type.rawValue)
        content["data"] = .string(Base64.encode(upload.bytes))
        var params = upload.message
        params["content"] = .object(content)
        try messages.send(CheckedCall(call: call.withoutParams, params: Params(params)), in: &turn)
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

    private static func newID() -> String {
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
        return Rows.page(
            "files", start == nil ? shown.suffix(limit) : shown, limit: limit, isForward: start != nil)
    }

    func show(_ request: CheckedCall) throws -> JSON {
        let (row, _) = try received(request)
        return .object(described(row) ?? [:])
    }

    func get(_ request: CheckedCall) throws -> JSON {
        let (row, file) = try received(request)
        let offset = try request.params.integer("offset", in: 0...Int64.max) ?? 0
        guard let data = file.data else {
            throw Refusal(.noInput, "not-here", "the bytes of this file are not on this board")
        }
        let rest = data.dropFirst(Int(clamping: offset)).prefix(Self.piece)
        return .object([
            "id": .string(row.id), "filename": .string(FileName.safe(file.filename ?? "")),
            "size": .integer(Int64(data.count)), "data": .string(Base64.encode(Array(rest))),
        ])
    }

    func drop(_ request: CheckedCall) throws -> JSON {
        let (row, _) = try received(request)
        throw Refusal(.badData, "inline-file", "the file is inside the message \(row.id), and goes with it")
    }

    /// A file's message that the caller may read.
    private func received(_ request: CheckedCall) throws -> (Incoming, FileReference) {
        let id = try request.params.needText("id")
        guard let row = try loop.store.incoming(id: id), let file = row.file else {
            throw Refusal(.noInput, "unknown-file", "no file came in a message \(id)")
        }
        guard rights.mayRead(request, for: row.receiver) else {
            throw Refusal(.notPermitted, "not-yours", "the message \(id) is of another identity")
        }
        return (row, file)
    }

    private func described(_ row: Incoming) -> JSONObject? {
        guard let file = row.file else { return nil }
        var object = Rows.incoming(row, names: loop.names.name, isMuted: loop.names.isMuted)
        object["content"] = nil
        object["type"] = .integer(row.type)
        object["filename"] = .string(FileName.safe(file.filename ?? ""))
        if let data = file.data { object["size"] = .integer(Int64(data.count)) }
        if let url = file.url { object["url"] = .string(url) }
        object["state"] = .string(file.data == nil ? "elsewhere" : "whole")
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
}
