import Control
import Glibc
import System

/// A file, or standard input for `-`, read from its beginning to its end.
final class Pieces {
    private let file: Descriptor
    private let path: String

    init(_ path: String) throws {
        self.path = path
        do throws(Errno) {
            file = try path == "-" ? Descriptor(duplicating: 0) : Descriptor(following: path, flags: O_RDONLY)
        } catch {
            let exit: Control.ExitCode = error.isAbsent ? .noInput : error.code == EACCES ? .notPermitted : .io
            throw ToolFailure(exit, "cannot-read", "cannot read \(path): \(error)")
        }
    }

    /// So many bytes, fewer only at the end.
    func next(_ count: Int) throws -> [UInt8] {
        do throws(Errno) {
            return try file.read(limit: count)
        } catch {
            throw ToolFailure(.io, "cannot-read", "cannot read \(path): \(error)")
        }
    }
}
