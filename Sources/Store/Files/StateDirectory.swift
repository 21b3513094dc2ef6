package import Format
import Glibc
import Synchronization
import System

/// The daemon's flat files, by names below one directory (`StatePath`): culver.conf(5). Every name is checked: no part
/// of it is empty, begins with a dot or holds NUL, so an address from outside leads nowhere else. Symbolic links are
/// not followed at the end of a name.
///
/// In another user's directory root goes by what it has opened and not by paths, follows no link at all, and leaves
/// files alone that are of a third user by a second name: the owner may try to have root read or change files
/// elsewhere. What root makes there belongs to the directory's owner. Only SQLite goes by the path, once its files were
/// looked at.
package final class StateDirectory: Sendable {
    package static let sizeLimit = 1 << 20

    package let path: String
    private let damages = Mutex<[String]>([])
    /// Counts writes, so that no two share a temporary file.
    private let writes = Mutex<Int64>(0)
    private let owner: Owner?
    /// The directory itself, whatever becomes of its path.
    let opened: Descriptor

    private struct Owner {
        var user: UInt32
        var group: UInt32
    }

    /// Opens the directory, making it with mode 0700 when it is missing.
    package init(_ path: String) throws(FileError) {
        let path = try Self.resolved(path)
        let found: stat
        do throws(Errno) {
            if mkdir(path, 0o700) != 0 && errno != EEXIST { throw .last }
            opened = try Descriptor(path, flags: O_RDONLY | O_DIRECTORY)
            found = try opened.status()
        } catch {
            throw error.error("open", path)
        }
        self.path = path
        owner = geteuid() == 0 && found.st_uid != 0 ? Owner(user: found.st_uid, group: found.st_gid) : nil
    }

    /// Where a state directory is that may be a symbolic link: the link of this user or of root leads to it, that of
    /// another user could lead root anywhere.
    package static func resolved(_ path: String) throws(FileError) -> String {
        let end = path.lastIndex { $0 != "/" }
        let bare = end.map { String(path[...$0]) } ?? path
        guard let found = try? status(of: bare), found.isLink else { return path }
        guard found.st_uid == 0 || found.st_uid == geteuid() else {
            throw FileError("cannot open \(path): it is a symbolic link of another user, which is not followed")
        }
        guard let whole = realpath(bare, nil) else { throw Errno.last.error("open", path) }
        defer { free(whole) }
        return String(cString: whole)
    }

    /// The file's bytes; `nil` when there is none.
    package func read(_ name: String, limit: Int = sizeLimit) throws(FileError) -> [UInt8]? {
        _ = try full(name)
        do throws(Errno) {
            return try bytes(of: name, limit: limit)
        } catch {
            throw error.error("read", name)
        }
    }

    /// The file as JSON; `nil` when there is none, or when it was damaged and has been set aside.
    package func json(_ name: String) throws(FileError) -> JSON? {
        _ = try full(name)
        let found: [UInt8]?
        do throws(Errno) {
            found = try bytes(of: name, limit: Self.sizeLimit)
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

    private func bytes(of name: String, limit: Int) throws(Errno) -> [UInt8]? {
        do throws(Errno) {
            let file = try at(name) { (path) throws(Errno) in try Descriptor(path, flags: O_RDONLY) }
            let found = try file.status()
            guard found.isRegular else { throw Errno(EINVAL) }
            if let owner, found.st_nlink > 1, found.st_uid != owner.user { throw Errno(EMLINK) }
            guard Int64(found.st_size) <= limit else { throw Errno(EFBIG) }
            return try file.read(limit: Int(clamping: found.st_size))
        } catch {
            guard !error.isAbsent else { return nil }
            throw error
        }
    }

    /// All of it or nothing, and on disk when this returns: temporary file, fsync, rename, fsync of the directory.
    /// Makes the directories on the way.
    package func write(_ bytes: [UInt8], to name: String, mode: UInt32 = 0o644) throws(FileError) {
        _ = try full(name)
        do throws(Errno) {
            try makeParents(of: name)
            try at(name) { (path) throws(Errno) in try replace(path, with: bytes, mode: mode) }
        } catch {
            throw error.error("write", name)
        }
    }

    private func replace(_ path: String, with bytes: [UInt8], mode: UInt32) throws(Errno) {
        let number = writes.withLock { number in
            number += 1
            return number
        }
        let temporary = "\(parent(of: path))/.\(last(of: path)).\(number).tmp"
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
    }

    /// Does nothing when there is no such file.
    package func remove(_ name: String) throws(FileError) {
        _ = try full(name)
        do throws(Errno) {
            try at(name) { (path) throws(Errno) in
                guard unlink(path) == 0 else { throw .last }
                try syncDirectory(parent(of: path))
            }
        } catch {
            guard !error.isAbsent else { return }
            throw error.error("remove", name)
        }
    }

    /// A directory with all that is in it. Does nothing when there is none.
    package func removeAll(_ name: String) throws(FileError) {
        _ = try full(name)
        do throws(Errno) {
            try at(name) { (path) throws(Errno) in
                try removeTree(path)
                try syncDirectory(parent(of: path))
            }
        } catch {
            guard !error.isAbsent else { return }
            throw error.error("remove", name)
        }
    }

    package func exists(_ name: String) throws(FileError) -> Bool {
        _ = try full(name)
        do throws(Errno) {
            return try at(name) { (path) throws(Errno) in
                if owner == nil { return access(path, F_OK) == 0 }
                _ = try status(of: path)
                return true
            }
        } catch {
            guard !error.isAbsent else { return false }
            throw error.error("look for", name)
        }
    }

    /// The names in a directory, sorted, without hidden ones and those set aside; empty when there is no directory.
    package func list(_ name: String) throws(FileError) -> [String] {
        let path = try full(name)
        do throws(Errno) {
            let all = try owner == nil ? names(in: path) : names(in: directory(name.split(separator: "/")))
            return all.filter { !$0.hasPrefix(".") && !isAside($0) }.sorted()
        } catch {
            guard !error.isAbsent else { return [] }
            throw error.error("list", name)
        }
    }

    /// Moves a damaged file out of the way, as `NAME.bad` or the first free `NAME.bad.1` to `.9`, and notes it with
    /// the reason for `takeDamages()`.
    package func setAside(_ name: String, _ reason: String) throws(FileError) {
        _ = try full(name)
        do throws(Errno) {
            let free = try at(name) { (path) throws(Errno) in
                let free = asideName(for: path)
                guard rename(path, free) == 0 else { throw .last }
                return last(of: free)
            }
            damages.withLock { $0.append("\(name): \(reason); moved to \(free)") }
        } catch {
            throw error.error("move", name)
        }
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

    /// Removes what interrupted writes have left. For the start, once the lock is held. The directories of contacts, of
    /// which there may be ten thousand, are left to `sweep(contact:)`.
    @discardableResult
    package func sweep() throws(FileError) -> Int {
        do throws(Errno) {
            return try sweep(opened, path, depth: 0)
        } catch {
            throw error.error("sweep", path)
        }
    }

    /// The same of one contact's directory.
    package func sweep(contact address: String) throws(FileError) {
        let name = try full(StatePath.contact(address)).dropFirst(path.utf8.count + 1)
        do throws(Errno) {
            try at(String(name)) { (path) throws(Errno) in
                _ = try sweep(Descriptor(path, flags: O_RDONLY | O_DIRECTORY), path, depth: Self.sweptDepth)
            }
        } catch {
            guard !error.isAbsent else { return }
            throw error.error("sweep", String(name))
        }
    }

    private static let sweptDepth = 4

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
        let parts = name.split(separator: "/").dropLast()
        for count in parts.indices {
            try at(parts[...count].joined(separator: "/")) { (path) throws(Errno) in
                guard mkdir(path, 0o700) == 0 else {
                    if errno == EEXIST { return }
                    throw .last
                }
                if let owner, lchown(path, owner.user, owner.group) != 0 { throw .last }
                if isSynced { try syncDirectory(parent(of: path)) }
            }
        }
    }

    private func sweep(_ directory: Descriptor, _ path: String, depth: Int) throws(Errno) -> Int {
        var removed = 0
        for name in try names(in: directory) {
            // Looking at each file, or into each contact's directory, would take longer than the rest of the start.
            let isTemporary = name.hasPrefix(".") && name.hasSuffix(".tmp")
            guard isTemporary || (depth < Self.sweptDepth && !name.hasSuffix(".json")) else { continue }
            let path = "\(below(directory, path))/\(name)"
            guard let found = try? status(of: path) else { continue }
            if found.isRegular && isTemporary {
                guard unlink(path) == 0 else { throw .last }
                removed += 1
            } else if found.isDirectory && depth < Self.sweptDepth {
                let inner = try Descriptor(path, flags: O_RDONLY | O_DIRECTORY)
                let isOfContacts = depth == 0 && name == StatePath.contacts
                removed += try sweep(inner, path, depth: isOfContacts ? Self.sweptDepth : depth + 1)
            }
        }
        return removed
    }

    /// A path that `at` gave, with all that is below it.
    func removeTree(_ path: String) throws(Errno) {
        guard try status(of: path).isDirectory else {
            guard unlink(path) == 0 else { throw .last }
            return
        }
        let inner = try Descriptor(path, flags: O_RDONLY | O_DIRECTORY)
        defer { withExtendedLifetime(inner) {} }
        for name in try names(in: inner) { try removeTree("\(below(inner, path))/\(name)") }
        guard rmdir(path) == 0 else { throw .last }
    }

    // MARK: - Another user's directory

    /// Gives `body` a path of the name, which is good as long as `body` runs: in another user's directory one that
    /// begins at what was opened, whatever becomes of the directories.
    func at<T>(_ name: String, _ body: (String) throws(Errno) -> T) throws(Errno) -> T {
        guard owner != nil else { return try body("\(path)/\(name)") }
        let parts = name.split(separator: "/")
        let directory = try self.directory(parts.dropLast())
        defer { withExtendedLifetime(directory) {} }
        return try body("\(below(directory, path))/\(parts.last ?? "")")
    }

    /// In place of a directory's path: what was opened of it. The point keeps the kernel's link from being the end of a
    /// path, where it would not be followed.
    private func below(_ directory: Descriptor, _ path: String) -> String {
        owner == nil ? path : "/proc/self/fd/\(directory.number)/."
    }

    /// One directory after the other, without following a link.
    private func directory(_ parts: some Sequence<Substring>) throws(Errno) -> Descriptor {
        var directory = opened
        for part in parts {
            do throws(Errno) {
                directory = try Descriptor(String(part), in: directory, flags: O_RDONLY | O_DIRECTORY)
            } catch {
                let path = "\(below(directory, self.path))/\(part)"
                guard error.code == ENOTDIR, let found = try? status(of: path), found.isLink else { throw error }
                throw Errno(ELOOP)
            }
        }
        return directory
    }

    /// A file that root is to change in place: not if the owner of another user's directory has given it a second name.
    func checkMayChange(_ file: Descriptor) throws(Errno) {
        let found = try file.status()
        guard found.isRegular else { throw Errno(EINVAL) }
        guard owner == nil || found.st_nlink == 1 else { throw Errno(EMLINK) }
    }
}

private func syncDirectory(_ path: String) throws(Errno) {
    try Descriptor(path, flags: O_RDONLY | O_DIRECTORY).sync()
}

/// The directories above this path that are missing: for nobody else below a home, as everywhere for others.
package func makeAncestors(of path: String) throws(FileError) {
    var made = ""
    for part in path.split(separator: "/").dropLast() {
        made += (made.isEmpty && !path.hasPrefix("/") ? "" : "/") + part
        if mkdir(made, geteuid() == 0 ? 0o755 : 0o700) == 0 || errno == EEXIST { continue }
        // One that may not be made is perhaps there all the same, on a file system that is read only.
        if access(made, F_OK) == 0 { continue }
        throw Errno.last.error("make", made)
    }
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
