import Control
import Crypto
import DIMP
import Dispatch
import Format
import Glibc
import Store
import System

/// Files of stock software that are somewhere else, under a URL and encrypted under the `key` of their message: programs of
/// the owner's bring them there and back (culver.conf(5), `[files]`).
///
/// `@unchecked Sendable`: what changes is touched on `queue` alone.
final class WebFiles: @unchecked Sendable {
    private let directory: StateDirectory
    private let shelf: FileShelf
    /// One program at a time.
    private let queue = DispatchQueue(label: "culver.programs")

    /// Bytes of a URL, with the end of its line.
    private static let longest: Int64 = 2048

    /// `shelf`: one of its own for files that are fetched, because a shelf belongs to one queue.
    init(_ directory: StateDirectory) {
        self.directory = directory
        shelf = FileShelf(directory)
    }

    /// The ciphertext of a file goes to a program, which says its URL.
    func upload(
        _ id: String, named name: String, by program: String,
        _ action: @escaping @MainActor (Result<String, RPCError>) -> Void
    ) {
        queue.async { [self] in
            let result = Self.result("upload-failed", program) {
                var said: [UInt8] = []
                let input = try Descriptor(directory.full(StatePath.file("\(id).data")), flags: O_RDONLY)
                let run = FileProgram(
                    path: program, environment: ["CULVER_FILENAME=\(name)"], limit: Self.longest)
                try run.run(reading: input) { said += $0 }
                guard let url = Self.url(said) else { throw RPCError.internalError("it said no URL") }
                return url
            }
            MainQueue.async { action(result) }
        }
    }

    /// One line that is a URL of the web and no option of any program.
    static func url(_ bytes: [UInt8]) -> String? {
        var line = bytes[...]
        if line.last == UInt8(ascii: "\n") { line.removeLast() }
        guard line.count <= longest, line.allSatisfy({ 0x21...0x7E ~= $0 }),
            line.starts(with: "https://".utf8) || line.starts(with: "http://".utf8)
        else { return nil }
        return String(decoding: line, as: UTF8.self)
    }

    /// Fetches a file into the shelf, under a key of this board's: `limit` bytes at the most.
    func download(
        _ file: FileReference, as id: String, by program: String, limit: Int64,
        _ action: @escaping @MainActor (Result<FileOffer, RPCError>) -> Void
    ) {
        queue.async { [self] in
            let result = Self.result("download-failed", program) {
                guard let url = Self.url(Array((file.url ?? "").utf8)) else {
                    throw RPCError.internalError("the message has no URL of the web")
                }
                return try fetch(url, file.key, as: id, FileProgram(path: program, arguments: [url], limit: limit + 16))
            }
            if case .failure = result { try? shelf.remove(id) }
            MainQueue.async { action(result) }
        }
    }

    private func fetch(_ url: String, _ key: SymmetricKey?, as id: String, _ program: FileProgram) throws -> FileOffer {
        let (own, iv) = (SecretBytes(try Random.bytes(32)), try Random.bytes(16))
        let sealing = try shelf.begin(id, key: own, iv: iv)
        var opening = try WebOpening(key)
        var size: Int64 = 0
        func keep(_ bytes: [UInt8]) throws {
            size += Int64(bytes.count)
            try shelf.add(bytes, to: sealing)
        }
        try program.run(reading: nil) { try keep(opening.add($0)) }
        try keep(opening.end())
        let digest = try shelf.finish(sealing)
        guard
            let offer = FileOffer(
                id: id, size: size, piece: ProtocolLimits.pieceBytes.most, digest: digest, key: own, iv: iv)
        else { throw RPCError.internalError("the file is too large") }
        return offer
    }

    private static func result<Value>(
        _ reason: String, _ program: String, _ body: () throws -> Value
    ) -> Result<Value, RPCError> {
        do {
            return .success(try body())
        } catch {
            let words =
                switch error {
                case FileProgram.Failure.cannotRun(let error): "it cannot be run: \(error)"
                case FileProgram.Failure.status(let status): "it ended with \(status)"
                case FileProgram.Failure.tooSlow: "it took too long"
                case FileProgram.Failure.tooMuch: "it said too much"
                case let error as RPCError: error.message
                default: "\(error)"
                }
            return .failure(RPCError(exit: .notNow, reason: reason, message: "\(program): \(words)"))
        }
    }
}

/// A file that comes encrypted, opened part after part; without a key it is what it is.
private struct WebOpening {
    private let key: SecretBytes?
    private var chain: [UInt8]
    /// The last whole block may be padding, so it waits.
    private var rest: [UInt8] = []

    init(_ key: SymmetricKey?) throws {
        switch key {
        case nil, .plain?: (self.key, chain) = (nil, [])
        case .aes(let secret, let iv): (self.key, chain) = (secret, iv ?? [UInt8](repeating: 0, count: AES.block))
        }
    }

    mutating func add(_ bytes: [UInt8]) throws -> [UInt8] {
        guard key != nil else { return bytes }
        rest += bytes
        let count = max(0, rest.count - 1) / AES.block * AES.block
        return try open(count)
    }

    private mutating func open(_ count: Int) throws -> [UInt8] {
        guard let key, count > 0 else { return [] }
        let blocks = Array(rest.prefix(count))
        let iv = chain
        rest.removeFirst(count)
        chain = Array(blocks.suffix(AES.block))
        return try key.withBytes { try AES.decryptPart(blocks, key: $0, iv: iv) }
    }

    mutating func end() throws -> [UInt8] {
        guard let key else { return [] }
        let iv = chain
        let last = rest
        return try key.withBytes { try AES.decrypt(last, key: $0, iv: iv) }
    }
}
