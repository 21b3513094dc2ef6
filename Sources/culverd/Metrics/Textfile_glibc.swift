import Glibc
import Store
import System

/// A file for node_exporter's textfile collector. Readers see the old text or the new one, never a part: it is written
/// beside and renamed. Nothing is synced, because after a power cut the next minute writes it anew.
enum Textfile {
    static func write(_ text: String, to path: String) throws(FileError) {
        let beside = path + ".tmp"
        // A file made by us alone: whatever lies there, a link too, is only removed.
        unlink(beside)
        let file = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw failure(path) }
        let isWritten = fchmod(file, 0o644) == 0 && writeAll(Array(text.utf8), file)
        guard isWritten, rename(beside, path) == 0 else {
            let error = failure(path)
            close(file)
            unlink(beside)
            throw error
        }
        close(file)
    }

    private static func writeAll(_ bytes: [UInt8], _ file: Int32) -> Bool {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                Glibc.write(file, $0.baseAddress.map { $0 + done }, bytes.count - done)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            done += count
        }
        return true
    }

    private static func failure(_ path: String) -> FileError {
        FileError("cannot write \(path): \(Errno.last)")
    }
}
