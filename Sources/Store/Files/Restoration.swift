import CLinux
import DIMP
import Format
import Glibc
package import Records
import System

/// Fills an empty state directory from a backup: all of it or nothing. A mark, `StatePath.restoring`, is there from before
/// the first file until after the last is on disk and looked through; with it nobody starts, and the next restore
/// begins by removing what there is.
///
/// Nothing of what comes in is trusted: not a name, not a length, not what a file holds.
package final class Restoration {
    private let directory: StateDirectory
    /// Held until the end: no daemon starts meanwhile.
    private let lock: DirectoryLock
    private var names: Set<String> = []
    private var open: (name: String, file: Descriptor, left: Int64)?

    /// Files in all, bytes of the messages and of a received file; a JSON file has `StateDirectory.sizeLimit`.
    package static let countLimit = 200_000
    package static let messagesLimit: Int64 = 2_000_000_000
    package static let fileLimit: Int64 = 64 << 20

    /// Throws for a directory that holds anything but what an interrupted restore has left.
    package init(into directory: StateDirectory, lock: DirectoryLock) throws(Refusal) {
        self.directory = directory
        self.lock = lock
        // One that was killed while it made its mark has left no more than that.
        _ = try filing { () throws(FileError) in try directory.sweep() }
        if try filing({ () throws(FileError) in try directory.exists(StatePath.restoring) }) {
            try filing { () throws(FileError) in try directory.empty() }
        }
        if let found = try filing({ () throws(FileError) in try directory.occupant() }) {
            throw Refusal(.exists, "not-empty", "the state directory \(directory.path) is not empty: it has \(found)")
        }
        try filing { () throws(FileError) in try directory.write([], to: StatePath.restoring) }
    }

    // MARK: - Files

    /// The next file, of which `size` bytes are to come.
    package func begin(_ name: String, size: Int64) throws(Refusal) {
        guard open == nil else { throw bad("\(name) begins before the last file has ended") }
        guard let limit = Self.limit(of: name) else { throw bad("\(name) is no file of a state directory") }
        guard size >= 0, size <= limit else { throw bad("\(name) has \(size) bytes, and at most \(limit) are taken") }
        guard names.insert(name).inserted else { throw bad("\(name) comes twice") }
        guard names.count <= Self.countLimit else { throw bad("it has more than \(Self.countLimit) files") }
        let directory = directory
        let file = try filing { () throws(FileError) in try directory.newFile(name) }
        open = (name, file, size)
        if size == 0 { open = nil }
    }

    package func write(_ bytes: [UInt8]) throws(Refusal) {
        guard let (name, file, left) = open, Int64(bytes.count) <= left else {
            throw bad("more bytes than were announced")
        }
        do throws(Errno) {
            try file.write(bytes)
        } catch {
            throw Refusal(error.error("write", name))
        }
        let rest = left - Int64(bytes.count)
        open = rest > 0 ? (name, file, rest) : nil
    }

    /// What may stand in a backup, and how long it may be; `nil` for anything else.
    static func limit(of name: String) -> Int64? {
        let parts = name.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        let isGood = parts.allSatisfy { part in
            part.utf8.count <= 255 && part.utf8.first.map { $0 != UInt8(ascii: ".") } == true
                && part.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }
        }
        guard isGood, let first = parts.first else { return nil }
        switch (first, parts.count) {
        case (StatePath.messages, 1): return messagesLimit
        case (StatePath.files, 2): return fileLimit
        case (StatePath.identities, 2...4), (StatePath.contacts, 2...3), (StatePath.groups, 2...3):
            return name.hasSuffix(".json") ? Int64(StateDirectory.sizeLimit) : nil
        default: return nil
        }
    }

    // MARK: - The end

    /// Looks through all of it, makes it an installation of its own and takes the mark away: from here on it is a state
    /// directory like any other. `identities`: those that the backup says it has.
    package func finish(identities: [String], time: Double) throws(Refusal) {
        guard open == nil else { throw bad("a file is cut off") }
        try checkFiles(identities, time: time)
        try checkMessages()
        let directory = directory
        try filing { () throws(FileError) in
            _ = try directory.installation()
            try directory.syncAll()
            try directory.remove(StatePath.restoring)
        }
    }

    /// Nothing of it remains.
    package func abandon() {
        open = nil
        try? directory.empty()
    }

    private func checkFiles(_ identities: [String], time: Double) throws(Refusal) {
        let directory = directory
        for name in names where name.hasSuffix(".json") && !name.hasPrefix("\(StatePath.files)/") {
            let bytes = try filing { () throws(FileError) in try directory.read(name) }
            do throws(JSONError) {
                _ = try JSON(parsing: bytes ?? [])
            } catch {
                throw bad("\(name): \(error)")
            }
        }
        let facebook = try filing { () throws(FileError) in try Facebook(directory, time: time) }
        if let damage = directory.takeDamages().first { throw bad(damage) }
        let found = facebook.identities.map(\.id.bare.text)
        guard !found.isEmpty, Set(found) == Set(identities) else {
            throw bad("it has the identities \(found.sorted()), and says that it has \(identities.sorted())")
        }
        if let exposed = try filing({ () throws(FileError) in try directory.exposedKeys().first }) {
            throw bad(exposed.description)
        }
    }

    /// The messages do not know that they are a copy until their place is another one: then the daemon numbers anew.
    private func checkMessages() throws(Refusal) {
        guard names.contains(StatePath.messages) else { return }
        let path = "\(directory.path)/\(StatePath.messages)"
        do throws(LedgerError) {
            let store = try MessageStore(path: path)
            if let damage = store.damage { throw LedgerError(damage) }
            guard try store.isSound() else { throw LedgerError("messages.sqlite is damaged") }
            guard try !store.isForeign() else { throw LedgerError("messages.sqlite has tables that are not culver's") }
            try store.apply(.value(.place, "restored"))
            try store.commit()
            try store.checkpoint()
        } catch {
            guard !error.isFull else { throw Refusal(.notNow, "disk-full", error.description) }
            throw bad(error.description)
        }
    }

    private func bad(_ words: String) -> Refusal {
        Refusal(.badData, "bad-backup", "the backup is not taken: \(words)")
    }
}

private func filing<T>(_ body: () throws(FileError) -> T) throws(Refusal) -> T {
    do throws(FileError) {
        return try body()
    } catch {
        throw Refusal(error)
    }
}

extension Refusal {
    fileprivate init(_ error: FileError) {
        self.init(
            error.isFull ? .notNow : .inputOutput, error.isFull ? "disk-full" : "io-error", error.description)
    }
}

extension StateDirectory {
    /// Anything that stands in the directory and is not there before a first start.
    fileprivate func occupant() throws(FileError) -> String? {
        do throws(Errno) {
            return try names(in: opened).sorted().first { ![StatePath.lock, "lost+found"].contains($0) }
        } catch {
            throw error.error("list", path)
        }
    }

    /// Removes everything but the lock; the mark of a restore goes last.
    fileprivate func empty() throws(FileError) {
        do throws(Errno) {
            let found = try names(in: opened).filter {
                ![StatePath.lock, "lost+found", StatePath.restoring].contains($0)
            }
            for name in found { try at(name, removeTree) }
            try opened.sync()
        } catch {
            throw error.error("empty", path)
        }
        try remove(StatePath.restoring)
    }

    /// A new file for its owner alone, if it is a private key or the messages; not synced.
    fileprivate func newFile(_ name: String) throws(FileError) -> Descriptor {
        _ = try full(name)
        do throws(Errno) {
            try makeParents(of: name, isSynced: false)
            let file = try at(name) { (path) throws(Errno) in
                try Descriptor(path, flags: O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
            }
            try giveAway(file)
            let isPublic = !last(of: name).hasPrefix("secret") && name.split(separator: "/").count == 3
            guard fchmod(file.number, isPublic ? 0o644 : 0o600) == 0 else { throw .last }
            return file
        } catch {
            throw error.error("write", name)
        }
    }

    /// Everything in the directory is on disk when this returns.
    fileprivate func syncAll() throws(FileError) {
        do throws(Errno) {
            // Not file by file: a thousand contacts would take a minute on a card.
            guard syncfs(opened.number) == 0 else { throw .last }
        } catch {
            throw error.error("sync", path)
        }
    }
}
