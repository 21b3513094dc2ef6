import CLinux
import Control
import Glibc

/// A file, or standard input for `-`, read from its beginning to its end.
final class Pieces {
    private let descriptor: Int32
    private let path: String

    init(_ path: String) throws {
        self.path = path
        descriptor = path == "-" ? 0 : open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            let exit: Control.ExitCode =
                errno == ENOENT || errno == ENOTDIR ? .noInput : errno == EACCES ? .notPermitted : .io
            throw Failure(exit, "cannot-read", "cannot read \(path): \(Input.words(for: errno))")
        }
    }

    deinit {
        if descriptor > 0 { close(descriptor) }
    }

    /// So many bytes, fewer only at the end.
    func next(_ count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var filled = 0
        while filled < count {
            let got = bytes.withUnsafeMutableBytes {
                Glibc.read(descriptor, $0.baseAddress.map { $0 + filled }, count - filled)
            }
            if got < 0 && errno == EINTR { continue }
            guard got >= 0 else {
                throw Failure(.io, "cannot-read", "cannot read \(path): \(Input.words(for: errno))")
            }
            guard got > 0 else { break }
            filled += got
        }
        bytes.removeLast(count - filled)
        return bytes
    }
}
