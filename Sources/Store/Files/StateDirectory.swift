package import Format
import Glibc
import Synchronization
import System

/// The daemon's flat files, by names below one directory (`StatePath`): culver.conf(5). Every name is checked: no part
/// of it is empty, begins with a dot or holds NUL, so an address from outside leads nowhere else. Symbolic links are
/// not followed at the end of a name. What root makes belongs to the directory's owner.
package final class StateDirectory: Sendable {
    package static let sizeLimit = 1 << 20

    package let path: String
    private let damages = Mutex<[String]>([])
    /// Counts writes, so that no two share a temporary file.
    private let writes = Mutex(0)
    private let owner: Owner?

    private struct Owner {
        var user: UInt32
        var group: UInt32
    }

    /// Opens the directory, making it with mode 0700 when it is missing.
    package init(_ path: String) throws(FileError) {
        let found: stat
        do throws(Errno) {
            if mkdir(path, 0o700) != 0 && errno != EEXIST { throw .last }
            found = try Descriptor(path, flags: O_RDONLY | O_DIRECTORY).status()
        } catch {
            throw error.error("open", path)
        }
        self.path = path
        owner = geteuid() == 0 && found.st_uid != 0 ? Owner(user: found.st_uid, group: found.st_gid) : nil
    }

    /// The file's bytes; `nil` when there is none.
    package func read(_ name: String, limit: Int = sizeLimit) throws(FileError) -> [UInt8]? {
        let path = try full(name)
        do throws(Errno) {
            return try bytes(at: path, limit: limit)
        } catch {
            throw error.error("read", name)
        }
    }

    /// The file as JSON; `nil` when there is none, or when it was damaged and has been set aside.
    package func json(_ name: String) throws(FileError) -> JSON? {
        let path = try full(name)
        let found: [UInt8]?
        do throws(Errno) {
            found = try bytes(at: path, limit: Self.sizeLimit)
        } catch {
            // What is no file of ours is as good as damaged; what cannot be read now is perhaps sound.
            guard [EFBIG, EINVAL, ELOOP, ENXIO].contains(error.code) else { throw error.error("read", name) }
            try setAside(name, error.code == EFBIG ? "more than \(Self.sizeLimit) bytes" : "no regular file")
            return nil
        }
        guard let found else { return nil }
        do throws(JSONError) {
            return try JSON(parsing: found)
        } catch {
            try setAside(name, error.description)
            return nil
        }
    }

    private func bytes(at path: String, limit: Int) throws(Errno) -> [UInt8]? {
        do throws(Errno) {
            let file = try Descriptor(path, flags: O_RDONLY)
            guard try file.status().isRegular else { throw Errno(EINVAL) }
            let size = try Int(file.status().st_size)
            guard size <= limit else { throw Errno(EFBIG) }
            return try file.read(limit: size)
        } catch {
            guard !error.isAbsent else { return nil }
            throw error
        }
    }

    /// All of it or nothing, and on disk when this returns: temporary file, fsync, rename, fsync of the directory.
    /// Makes the directories on the way.
    package func write(_ bytes: [UInt8], to name: String, mode: UInt32 = 0o644) throws(FileError) {
        let path = try full(name)
        let number = writes.withLock { number in
            number += 1
            return number
        }
        let temporary = "\(parent(of: path))/.\(last(of: path)).\(number).tmp"
        do throws(Errno) {
            try makeParents(of: name)
            unlink(temporary)
            do throws(Errno) {
                let file = try Descriptor(temporary, flags: O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
                try file.write(bytes)
                guard fchmod(file.number, mode) == 0 else { throw .last }
                try giveAway(file)
                try file.sync()
                guard rename(temporary, path) == 0 else { throw .last }
            } catch {
                unlink(temporary)
                throw error
            }
            try syncDirectory(parent(of: path))
        } catch {
            throw error.error("write", name)
        }
    }

    /// Does nothing when there is no such file.
    package func remove(_ name: String) throws(FileError) {
        let path = try full(name)
        do throws(Errno) {
            guard unlink(path) == 0 else { throw .last }
            try syncDirectory(parent(of: path))
        } catch {
            guard !error.isAbsent else { return }
            throw error.error("remove", name)
        }
    }

    /// A directory with all that is in it. Does nothing when there is none.
    package func removeAll(_ name: String) throws(FileError) {
        let path = try full(name)
        do throws(Errno) {
            try removeTree(path)
            try syncDirectory(parent(of: path))
        } catch {
            guard !error.isAbsent else { return }
            throw error.error("remove", name)
        }
    }

    package func exists(_ name: String) throws(FileError) -> Bool {
        access(try full(name), F_OK) == 0
    }

    /// The names in a directory, sorted, without hidden ones and those set aside; empty when there is no directory.
    package func list(_ name: String) throws(FileError) -> [String] {
        let path = try full(name)
        do throws(Errno) {
            return try names(in: path).filter { !$0.hasPrefix(".") && !isAside($0) }.sorted()
        } catch {
            guard !error.isAbsent else { return [] }
            throw error.error("list", name)
        }
    }

    /// Moves a damaged file out of the way, as `NAME.bad` or the first free `NAME.bad.1` to `.9`, and notes it with
    /// the reason for `takeDamages()`.
    package func setAside(_ name: String, _ reason: String) throws(FileError) {
        let path = try full(name)
        let free = asideName(for: path)
        guard rename(path, free) == 0 else { throw Errno.last.error("move", name) }
        damages.withLock { $0.append("\(name): \(reason); moved to \(last(of: free))") }
    }

    /// Notes something for `takeDamages()` that stays where it is.
    package func report(_ name: String, _ reason: String) {
        damages.withLock { $0.append("\(name): \(reason)") }
    }

    /// What was set aside since the last call, in words.
    package func takeDamages() -> [String] {
        damages.withLock { noted in
            defer { noted = [] }
            return noted
        }
    }

    /// Removes what interrupted writes have left. For the start, once the lock is held.
    @discardableResult
    package func sweep() throws(FileError) -> Int {
        do throws(Errno) {
            return try sweep(path, depth: 0)
        } catch {
            throw error.error("sweep", path)
        }
    }

    /// `name` below the directory.
    package func full(_ name: String) throws(FileError) -> String {
        let parts = name.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        let isGood = parts.allSatisfy { $0.first != nil && $0.first != UInt8(ascii: ".") && !$0.contains(0) }
        guard isGood else { throw FileError("cannot use the file name \(name.debugDescription)") }
        return "\(path)/\(name)"
    }

    /// What root makes belongs to the directory's owner.
    func giveAway(_ file: Descriptor) throws(Errno) {
        guard let owner else { return }
        guard fchown(file.number, owner.user, owner.group) == 0 else { throw .last }
    }

    func makeParents(of name: String, isSynced: Bool = true) throws(Errno) {
        var made = path
        for part in name.split(separator: "/").dropLast() {
            let above = made
            made += "/\(part)"
            guard mkdir(made, 0o700) == 0 else {
                if errno == EEXIST { continue }
                throw .last
            }
            if let owner, lchown(made, owner.user, owner.group) != 0 { throw .last }
            if isSynced { try syncDirectory(above) }
        }
    }

    private func sweep(_ directory: String, depth: Int) throws(Errno) -> Int {
        var removed = 0
        for name in try names(in: directory) {
            let path = "\(directory)/\(name)"
            guard let found = try? status(of: path) else { continue }
            if found.isRegular && name.hasPrefix(".") && name.hasSuffix(".tmp") {
                guard unlink(path) == 0 else { throw .last }
                removed += 1
            } else if found.isDirectory && depth < 4 {
                removed += try sweep(path, depth: depth + 1)
            }
        }
        return removed
    }
}

func removeTree(_ path: String) throws(Errno) {
    guard try status(of: path).isDirectory else {
        guard unlink(path) == 0 else { throw .last }
        return
    }
    for name in try names(in: path) { try removeTree("\(path)/\(name)") }
    guard rmdir(path) == 0 else { throw .last }
}

private func syncDirectory(_ path: String) throws(Errno) {
    try Descriptor(path, flags: O_RDONLY | O_DIRECTORY).sync()
}

func parent(of path: String) -> String {
    path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
}

func last(of path: String) -> String {
    path.lastIndex(of: "/").map { String(path[path.index(after: $0)...]) } ?? path
}

/// A free name beside `path`. When there have been ten of them, the first is given up.
func asideName(for path: String) -> String {
    let names = ["\(path).bad"] + (1...9).map { "\(path).bad.\($0)" }
    return names.first { access($0, F_OK) != 0 } ?? names[0]
}

func isAside(_ name: String) -> Bool {
    name.hasSuffix(".bad") || (name.dropLast().hasSuffix(".bad.") && name.last?.isNumber == true)
}

/// A write to a flat file that a turn has decided on.
package enum FileChange: Sendable {
    case write([UInt8], to: String, mode: UInt32)
    case remove(String)
    /// A directory with everything in it.
    case removeAll(String)
}

extension StateDirectory {
    /// Written, synced and in place when this returns.
    package func perform(_ change: FileChange) throws(FileError) {
        switch change {
        case .write(let bytes, let name, let mode): try write(bytes, to: name, mode: mode)
        case .remove(let name): try remove(name)
        case .removeAll(let name): try removeAll(name)
        }
    }
}
