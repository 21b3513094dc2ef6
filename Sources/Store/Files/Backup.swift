import Format
import Glibc
import Synchronization
import System

/// A state directory as it was at one moment, to be read in pieces while the daemon goes on: links to the flat files,
/// which are only ever replaced and never changed, and a copy of the messages. It lies below `StatePath.backup`, is gone
/// with `remove()`, and what a dead process has left goes at the next start (`StateDirectory.removeBackup`).
///
/// `@unchecked Sendable`: made and used by one thread at a time, but for `cancel()`.
package final class Backup: @unchecked Sendable {
    /// One file of it.
    package struct Item: Sendable, Equatable {
        /// Below the state directory.
        package var name: String
        package var size: Int64
        package var mode: UInt32
    }

    /// In the order in which they are to be written: keys and names first, the messages last. Whole after `copy()`.
    package private(set) var items: [Item] = []

    private let directory: StateDirectory
    private var messages: DatabaseCopy?
    private let isCancelled = Mutex(false)

    /// Room that is left to the daemon on the disk, in bytes.
    package static let reserve: Int64 = 4 << 20

    /// Fixes the moment. No turn may be open, and nobody else has a backup. Quick: nothing is copied.
    package init(of directory: StateDirectory) throws {
        self.directory = directory
        do {
            try directory.removeBackup()
            for part in StatePath.lasting { try link(part, depth: 0) }
            guard try directory.exists(StatePath.messages) else { return }
            messages = try DatabaseCopy(of: try directory.full(StatePath.messages), name: StatePath.messages)
        } catch {
            try? directory.removeBackup()
            throw error
        }
    }

    /// Copies the messages: seconds for a large inbox. Throws `LedgerError` or `FileError`; `nil` when cancelled.
    package func copy() throws -> [Item]? {
        try leaveOutDamaged()
        guard let messages else { return items }
        let copy = "\(StatePath.backup)/\(StatePath.messages)"
        let path = try directory.full(copy)
        do throws(Errno) {
            let free = try DiskSpace(at: directory.path).free
            guard free >= messages.size + Self.reserve else { throw Errno(ENOSPC) }
            try directory.makeParents(of: copy, isSynced: false)
        } catch {
            throw error.error("copy", StatePath.messages)
        }
        try messages.begin(at: path)
        var portions = 0
        while try messages.step() {
            guard !isCancelled.withLock({ $0 }) else { return nil }
            portions += 1
            // What is written and not on disk would hold up the next commit of the daemon.
            if portions % 4 == 0 { try? Descriptor(path, flags: O_RDONLY).sync() }
        }
        self.messages = nil
        items.append(Item(name: StatePath.messages, size: messages.size, mode: 0o600))
        return items
    }

    /// Ends `copy()` soon. From any thread.
    package func cancel() { isCancelled.withLock { $0 = true } }

    /// Part of a file of `items`, from `offset` on. From any thread.
    package func piece(of name: String, at offset: Int64, limit: Int) throws(FileError) -> [UInt8] {
        let copy = "\(StatePath.backup)/\(name)"
        _ = try directory.full(copy)
        do throws(Errno) {
            return try directory.at(copy) { (path) throws(Errno) in
                try Descriptor(path, flags: O_RDONLY).read(at: offset, limit: limit)
            }
        } catch {
            throw error.error("read", name)
        }
    }

    /// Its moment is over.
    package func remove() throws(FileError) {
        messages = nil
        try directory.removeBackup()
    }

    /// No restore takes a file that is damaged. An identity must not be missing for it, whatever else may.
    private func leaveOutDamaged() throws(FileError) {
        var sound: [Item] = []
        for item in items {
            if item.name.hasSuffix(".json"), !item.name.hasPrefix("\(StatePath.files)/") {
                let bytes = try directory.read("\(StatePath.backup)/\(item.name)") ?? []
                do throws(JSONError) {
                    _ = try JSON(parsing: bytes)
                } catch {
                    guard !item.name.hasPrefix("\(StatePath.identities)/") else {
                        throw FileError("cannot back up \(item.name): \(error)")
                    }
                    directory.report(item.name, "\(error); not in the backup")
                    continue
                }
            }
            sound.append(item)
        }
        items = sound
    }

    /// What a restore would not take is left out: it is not ours.
    private func link(_ name: String, depth: Int) throws(FileError) {
        for part in try directory.list(name) {
            let inner = "\(name)/\(part)"
            let copy = "\(StatePath.backup)/\(inner)"
            _ = try (directory.full(inner), directory.full(copy))
            let isDirectory: Bool
            do throws(Errno) {
                let found = try directory.at(inner, status(of:))
                isDirectory = found.isDirectory
                if found.isRegular, let limit = Restoration.limit(of: inner), found.st_size <= limit {
                    try directory.makeParents(of: copy, isSynced: false)
                    try directory.at(inner) { (path) throws(Errno) in
                        try directory.at(copy) { (copy) throws(Errno) in
                            guard Glibc.link(path, copy) == 0 else { throw .last }
                        }
                    }
                    items.append(Item(name: inner, size: Int64(found.st_size), mode: found.st_mode & 0o777))
                }
            } catch {
                throw error.error("link", inner)
            }
            if isDirectory, depth < 3 { try link(inner, depth: depth + 1) }
        }
    }
}

extension StateDirectory {
    /// What a backup has left that was not ended. For the start, once the lock is held.
    package func removeBackup() throws(FileError) { try removeAll(StatePath.backup) }
}
