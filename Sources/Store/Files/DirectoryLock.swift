import Glibc
import System

/// One daemon per state directory: held as long as the value lives, given up by the system when the process ends.
package final class DirectoryLock: Sendable {
    private let file: Descriptor

    fileprivate init(_ file: Descriptor) {
        self.file = file
    }
}

extension StateDirectory {
    /// Fails with `isHeld` when another process has the lock, and says which one.
    package func lock() throws(FileError) -> DirectoryLock {
        do throws(Errno) {
            let file = try at(StatePath.lock) { (path) throws(Errno) in
                try Descriptor(path, flags: O_RDWR | O_CREAT, mode: 0o600)
            }
            try checkMayChange(file)
            guard flock(file.number, LOCK_EX | LOCK_NB) == 0 else { throw .last }
            try giveAway(file)
            guard ftruncate(file.number, 0) == 0 else { throw .last }
            try file.write(Array("\(getpid())\n".utf8))
            return DirectoryLock(file)
        } catch {
            guard error.code == EWOULDBLOCK else { throw error.error("lock", self.path) }
            throw FileError("cannot lock \(self.path): \(try holder()) uses it", isHeld: true)
        }
    }

    /// Whether another process has the lock; `nil` when this user cannot find out.
    package static func isLocked(_ path: String) -> Bool? {
        let path = (try? resolved(path)) ?? path
        do throws(Errno) {
            let file = try Descriptor("\(path)/\(StatePath.lock)", flags: O_RDONLY)
            // Given up at once, with the descriptor.
            return flock(file.number, LOCK_SH | LOCK_NB) != 0
        } catch {
            return error.code == ENOENT ? false : nil
        }
    }

    private func holder() throws(FileError) -> String {
        let text = try read(StatePath.lock, limit: 64).map { String(decoding: $0, as: UTF8.self) }
        let number = text?.split(separator: "\n").first.flatMap { Int32($0) }
        return number.map { "process \($0)" } ?? "another process"
    }
}
