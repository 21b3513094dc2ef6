import CLinux
import Control
import Glibc

/// A file that is there whole or not at all, for its owner alone: written beside its name, synced, and renamed. `-` is
/// standard output. What is there under its name is replaced if it is a file, and nothing else is. What was not finished
/// goes with the value.
final class NewFile {
    let path: String
    private let descriptor: Int32
    /// `nil` for standard output.
    private let draft: String?
    private var isFinished = false

    init(_ path: String) throws {
        self.path = path
        guard path != "-" else {
            (descriptor, draft) = (1, nil)
            return
        }
        let slash = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
        let name = path[slash...]
        guard !name.isEmpty else { throw Failure(.usage, "bad-path", "\(path) is no name of a file") }
        var found = stat()
        if lstat(path, &found) == 0, found.st_mode & S_IFMT != S_IFREG {
            let words = found.st_mode & S_IFMT == S_IFDIR ? "it is a directory" : "there is something that is no file"
            throw Failure(.io, "cannot-write", "cannot write \(path): \(words)", hint: "- is standard output")
        }
        let draft = "\(path[..<slash]).\(name).\(getpid()).part"
        self.draft = draft
        descriptor = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw NewFile.failure(path) }
    }

    deinit {
        guard let draft else { return }
        close(descriptor)
        if !isFinished { unlink(draft) }
    }

    func write(_ bytes: [UInt8]) throws {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress.map { $0 + done }, bytes.count - done)
            }
            if count < 0 && errno == EINTR { continue }
            guard count > 0 else { throw NewFile.failure(path) }
            done += count
        }
    }

    /// What was written is on disk, as far as standard output is a file.
    func sync() throws {
        guard fsync(descriptor) == 0 || draft == nil else { throw NewFile.failure(path) }
    }

    /// It has its name from here on.
    func finish() throws {
        try sync()
        guard let draft else { return }
        guard rename(draft, path) == 0 else { throw NewFile.failure(path) }
        isFinished = true
        let directory = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
        let opened = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard opened >= 0 else { throw NewFile.failure(path) }
        defer { close(opened) }
        guard fsync(opened) == 0 else { throw NewFile.failure(path) }
    }

    private static func failure(_ path: String) -> Failure {
        let code = errno
        let isFull = code == ENOSPC || code == EDQUOT
        let exit: Control.ExitCode = isFull ? .notNow : code == EACCES || code == EPERM ? .notPermitted : .io
        return Failure(exit, isFull ? "disk-full" : "cannot-write", "cannot write \(path): \(Input.words(for: code))")
    }
}
