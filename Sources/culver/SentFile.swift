import Control
import Format
import Glibc
import System

/// A file that is handed to the daemon in pieces.
struct SentFile {
    let name: String
    /// Bytes, as they were when it was opened.
    let size: Int64
    private let file: Descriptor
    private let path: String

    init(_ path: String) throws {
        self.path = path
        name = path.split(separator: "/").last.map(String.init) ?? path
        let found: stat
        do throws(Errno) {
            file = try Descriptor(following: path, flags: O_RDONLY)
            found = try file.status()
        } catch {
            let exit: Control.ExitCode =
                error.isAbsent ? .noInput : error.code == EACCES ? .notPermitted : .io
            throw ToolFailure(exit, "cannot-read", "cannot read \(path): \(error)")
        }
        guard found.st_mode & S_IFMT == S_IFREG else {
            throw ToolFailure(.badData, "not-a-file", "\(path) is no file whose size is known")
        }
        size = Int64(found.st_size)
    }

    /// Offers it and puts it, from the beginning where the daemon or the connection ended meanwhile. The answer to the last
    /// piece, which is that of `message.send`.
    func handOver(to daemon: LastingDaemon, _ offer: JSONObject) throws -> JSON {
        var attempts = 0
        while true {
            attempts += 1
            do {
                return try handOverOnce(to: daemon, offer)
            } catch let error as RPCError where error.reason == "unknown-file" && attempts < 5 {
                continue
            }
        }
    }

    private func handOverOnce(to daemon: LastingDaemon, _ offer: JSONObject) throws -> JSON {
        let begun = try daemon.call("file.offer", offer)
        // A repeat of what was sent before.
        if begun["id"] != nil { return begun }
        let piece = max(1, Int(clamping: begun.count("piece")))
        var offset = begun.count("offset")
        while true {
            let bytes = try read(at: offset, limit: Int(min(Int64(piece), size - offset)))
            let answer = try daemon.call(
                "file.put",
                [
                    "file": .string(begun.text("file")), "offset": .integer(offset),
                    "data": .string(Base64.encode(bytes)),
                ])
            if answer["id"] != nil { return answer }
            offset += Int64(bytes.count)
        }
    }

    private func read(at offset: Int64, limit: Int) throws -> [UInt8] {
        let bytes: [UInt8]
        do throws(Errno) {
            bytes = try file.read(at: offset, limit: limit)
        } catch {
            throw ToolFailure(.io, "cannot-read", "cannot read \(path): \(error)")
        }
        guard bytes.count == limit else {
            throw ToolFailure(.io, "cut-off", "\(path) became shorter while it was read")
        }
        return bytes
    }
}
