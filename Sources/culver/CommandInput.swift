import CLinux
import Control
import Format
import Glibc
import System

/// What a command reads: a file, or standard input where a `-` stands.
enum CommandInput {
    /// More than the daemon takes on one line is not even sent.
    static let limit = 2 << 20

    static func bytes(of path: String) throws -> [UInt8] {
        if path == "-" { return try read(culver_stdin(), "standard input") }
        guard let file = fopen(path, "re") else {
            let exit: Control.ExitCode =
                errno == ENOENT || errno == ENOTDIR ? .noInput : errno == EACCES ? .notPermitted : .io
            throw ToolFailure(exit, "cannot-read", "cannot read \(path): \(Errno.last)")
        }
        defer { fclose(file) }
        return try read(file, path)
    }

    /// UTF-8, without the end of its last line, as a shell's `$(…)` would have it.
    static func text(of path: String) throws -> String {
        var bytes = try bytes(of: path)
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        return try text(from: bytes, path)
    }

    static func json(of path: String) throws -> JSON {
        do {
            return try JSON(parsing: bytes(of: path))
        } catch let error as JSONError {
            throw ToolFailure(.badData, "not-json", "\(name(path)): \(error)")
        }
    }

    /// `--content FILE`: what a message holds when it is more than a text.
    static func content(of path: TextArgument) throws -> JSON {
        let content = try json(of: path.text)
        guard content.object != nil else {
            throw ToolFailure(.badData, "not-an-object", "a content is a JSON object, and \(path.text) holds none")
        }
        return content
    }

    private static func read(_ file: UnsafeMutablePointer<FILE>, _ name: String) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while bytes.count <= limit {
            let count = fread(&piece, 1, piece.count, file)
            bytes += piece[..<count]
            if count < piece.count { break }
        }
        guard ferror(file) == 0 else {
            throw ToolFailure(.io, "cannot-read", "cannot read \(name): \(Errno.last)")
        }
        guard bytes.count <= limit else { throw ToolFailure(.badData, "too-large", "\(name) is longer than 2 MiB") }
        return bytes
    }

    private static func text(from bytes: [UInt8], _ path: String) throws -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw ToolFailure(.badData, "not-utf8", "\(name(path)) is not UTF-8")
        }
        return text
    }

    private static func name(_ path: String) -> String {
        path == "-" ? "standard input" : path
    }
}
