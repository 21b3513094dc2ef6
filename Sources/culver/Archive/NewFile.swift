import Control
import Glibc
import System

/// A file that is there whole or not at all, for its owner alone: written beside its name, synced, and renamed. `-` is
/// standard output. What is there under its name is replaced if it is a file, and nothing else is. What was not finished
/// goes with the value.
final class NewFile {
    let path: String
    private let file: Descriptor
    /// `nil` for standard output.
    private let draft: String?
    private var isFinished = false

    init(_ path: String) throws {
        self.path = path
        guard path != "-" else {
            do throws(Errno) {
                (file, draft) = (try Descriptor(duplicating: 1), nil)
            } catch {
                throw NewFile.failure(path, error)
            }
            return
        }
        let slash = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
        let name = path[slash...]
        guard !name.isEmpty else { throw ToolFailure(.usage, "bad-path", "\(path) is no name of a file") }
        var found = stat()
        if lstat(path, &found) == 0, found.st_mode & S_IFMT != S_IFREG {
            let words = found.st_mode & S_IFMT == S_IFDIR ? "it is a directory" : "there is something that is no file"
            throw ToolFailure(.io, "cannot-write", "cannot write \(path): \(words)", hint: "- is standard output")
        }
        let draft = "\(path[..<slash]).\(name).\(getpid()).part"
        self.draft = draft
        do throws(Errno) {
            file = try Descriptor(draft, flags: O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
        } catch {
            throw NewFile.failure(path, error)
        }
    }

    deinit {
        if let draft, !isFinished { unlink(draft) }
    }

    func write(_ bytes: [UInt8]) throws {
        do throws(Errno) {
            try file.write(bytes)
        } catch {
            throw NewFile.failure(path, error)
        }
    }

    /// What was written is on disk, as far as standard output is a file.
    func sync() throws {
        do throws(Errno) {
            try file.sync()
        } catch {
            guard draft == nil else { throw NewFile.failure(path, error) }
        }
    }

    /// It has this name in the same directory, unless something has that already: then nothing happens, and it says so.
    func finish(asNew path: String) throws -> Bool {
        try sync()
        guard let draft, !isFinished else { return true }
        guard link(draft, path) == 0 else {
            if errno == EEXIST { return false }
            throw NewFile.failure(path, Errno.last)
        }
        unlink(draft)
        isFinished = true
        try syncDirectory(of: path)
        return true
    }

    /// It has its name from here on.
    func finish() throws {
        try sync()
        guard let draft else { return }
        guard rename(draft, path) == 0 else { throw NewFile.failure(path, Errno.last) }
        isFinished = true
        try syncDirectory(of: path)
    }

    private func syncDirectory(of path: String) throws {
        let directory = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
        do throws(Errno) {
            try Descriptor(following: directory, flags: O_RDONLY | O_DIRECTORY).sync()
        } catch {
            throw NewFile.failure(path, error)
        }
    }

    private static func failure(_ path: String, _ error: Errno) -> ToolFailure {
        let isFull = error.isFull
        let exit: Control.ExitCode =
            isFull ? .notNow : error.code == EACCES || error.code == EPERM ? .notPermitted : .io
        return ToolFailure(exit, isFull ? "disk-full" : "cannot-write", "cannot write \(path): \(error)")
    }
}
