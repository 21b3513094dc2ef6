import Glibc
import System

extension Inspection {
    /// Looks at owner and mode of everything below a state directory (culver.conf(5)) and, when `mends`, sets them
    /// right; nothing else is changed. Needs no lock, so a daemon may run.
    ///
    /// Whoever owns the directory may try to have root change files elsewhere: names are opened one by one below open
    /// directories, no symbolic link is followed, and a file with a second name is left alone.
    ///
    /// - Throws: when the directory itself cannot be opened.
    package init(of path: String, mends: Bool) throws(FileError) {
        let path = try StateDirectory.resolved(path)
        do throws(Errno) {
            let top = try Descriptor(path, flags: O_RDONLY | O_DIRECTORY)
            var round = Round(top: try top.status(), mends: mends)
            round.judge(path, "", try top.status(), open: { () throws(Errno) in top })
            try round.visit(top, path, "")
            self = round.found
        } catch {
            throw error.error("look into", path)
        }
    }
}

/// One walk through the directory.
private struct Round {
    let top: stat
    let mends: Bool
    var found = Inspection()

    init(top: stat, mends: Bool) {
        self.top = top
        self.mends = mends
        found.owner = "\(userName(top.st_uid)):\(groupName(top.st_gid))"
    }

    mutating func visit(_ directory: Descriptor, _ path: String, _ place: String) throws(Errno) {
        for name in try names(in: directory).sorted() {
            var status = stat()
            // What is being replaced at this moment, by a daemon that runs, is gone.
            guard fstatat(directory.number, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { continue }
            guard status.isDirectory || status.isRegular, !(name.hasPrefix(".") && name.hasSuffix(".tmp")) else {
                continue
            }
            let (path, place) = ("\(path)/\(name)", place.isEmpty ? name : "\(place)/\(name)")
            judge(path, place, status) { () throws(Errno) in try Descriptor(name, in: directory, flags: O_RDONLY) }
            if status.isRegular, isAside(name), found.aside.count < Inspection.limit { found.aside.append(path) }
            guard status.isDirectory, place.utf8.filter({ $0 == UInt8(ascii: "/") }).count < 6 else { continue }
            do throws(Errno) {
                try visit(Descriptor(name, in: directory, flags: O_RDONLY | O_DIRECTORY), path, place)
            } catch {
                guard !error.isAbsent else { continue }
                add(Flaw(kind: .closed, path: path, isDirectory: true, cure: ""))
            }
        }
    }

    mutating func judge(
        _ path: String, _ place: String, _ status: stat, open: () throws(Errno) -> Descriptor
    ) {
        found.files += 1
        if status.st_uid != top.st_uid {
            let flaw = Flaw(
                kind: .foreign, path: path, isDirectory: status.isDirectory, cure: "chown \(found.owner) \(path)")
            let top = top
            add(flaw, status, open) { fchown($0.number, top.st_uid, top.st_gid) }
        }
        guard let (kind, mode) = verdict(place, status) else { return }
        let flaw = Flaw(
            kind: kind, path: path, isDirectory: status.isDirectory,
            cure: "chmod \(String(mode, radix: 8)) \(path)")
        add(flaw, status, open) { fchmod($0.number, mode) }
    }

    /// What is wrong with the mode, and the right one.
    private func verdict(_ place: String, _ status: stat) -> (Flaw.Kind, UInt32)? {
        let isWritable = status.openness & 0o022 != 0
        if status.isDirectory {
            if place.isEmpty, status.openness != 0 { return (isWritable ? .writable : .exposed, 0o700) }
            return isWritable ? (.writable, 0o700) : nil
        }
        if isSecret(place) { return status.openness != 0 ? (.exposed, 0o600) : nil }
        return isWritable ? (.writable, 0o644) : nil
    }

    private mutating func add(
        _ flaw: Flaw, _ seen: stat, _ open: () throws(Errno) -> Descriptor, mend: (Descriptor) -> Int32
    ) {
        guard mends else { return add(flaw) }
        var flaw = flaw
        do throws(Errno) {
            let file = try open()
            let now = try file.status()
            guard now.st_ino == seen.st_ino, now.st_dev == seen.st_dev else { return }
            guard now.isDirectory || now.st_nlink == 1 else { throw Errno(EMLINK) }
            guard mend(file) == 0 else { throw .last }
            flaw.outcome = .mended
        } catch {
            guard !error.isAbsent else { return }
            flaw.outcome = .failed(error.words)
        }
        add(flaw)
    }

    private mutating func add(_ flaw: Flaw) {
        guard found.flaws.count < Inspection.limit else { return }
        found.flaws.append(flaw)
    }
}

/// Private keys, symmetric keys, and the database, which holds messages in the clear and keys of those on their way.
/// One that was moved aside is still what it was.
private func isSecret(_ place: String) -> Bool {
    let parts = place.split(separator: "/").map(String.init)
    return switch (parts.first, parts.count) {
    case (StatePath.identities, 3), (StatePath.groups, 3): parts[2].hasPrefix("secret.json")
    case (StatePath.identities, 4): parts[2] == "visa-keys"
    case (StatePath.keys, _): true
    case (let first?, 1): first.hasPrefix(StatePath.messages)
    default: false
    }
}

private func userName(_ number: uid_t) -> String {
    getpwuid(number).map { String(cString: $0.pointee.pw_name) } ?? "\(number)"
}

private func groupName(_ number: gid_t) -> String {
    getgrgid(number).map { String(cString: $0.pointee.gr_name) } ?? "\(number)"
}
