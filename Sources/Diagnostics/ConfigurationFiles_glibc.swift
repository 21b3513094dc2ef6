import Glibc
import System

/// The configuration's files, and the secret ones that it names: who may read and change them?
package struct ConfigurationFiles: Sendable {
    private let open: [String]
    private let secret: [String]

    /// `open`: what all may read and its owner alone may change. `secret`: what others may not read either.
    package init(open: [String], secret: [String]) {
        self.open = open
        self.secret = secret
    }

    package func checks(mends: Bool) -> [Check] {
        let found =
            open.compactMap { check($0, isSecret: false, mends: mends) }
            + secret.compactMap { check($0, isSecret: true, mends: mends) }
        guard found.isEmpty else { return found }
        return [Check("configuration", .ok, "its files are for those only who may have them")]
    }

    /// `nil` for a file that is as it should be, or is not there: other checks tell of that.
    private func check(_ path: String, isSecret: Bool, mends: Bool) -> Check? {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        let wrong: UInt32 = isSecret ? 0o007 : 0o002
        guard status.st_mode & wrong != 0 else { return nil }
        let what = isSecret ? "is secret, and others can read it" : "can be changed by others"
        let mode = status.st_mode & 0o777 & ~wrong
        // Without the others' right we could not read it either.
        let isCut = isSecret && geteuid() != 0 && status.st_uid != geteuid() && !isRead(byGroupOf: status)
        let cure =
            isCut
            ? "chown root:\(groupName(getegid())) \(path) && chmod 640 \(path)"
            : "chmod \(String(mode, radix: 8)) \(path)"
        guard mends, !isCut else { return Check("configuration", .fail, "\(path) \(what)", hint: cure) }
        guard chmod(path, mode) == 0 else {
            let words = Errno.last.words
            return Check("configuration", .fail, "\(path) \(what), and we cannot mend it: \(words)", hint: cure)
        }
        return Check("configuration", .ok, "mended \(path), which \(what): \(cure)")
    }

    /// Whether a group of ours may read it.
    private func isRead(byGroupOf status: stat) -> Bool {
        var groups = [gid_t](repeating: 0, count: 256)
        let count = getgroups(Int32(groups.count), &groups)
        let isOurs = status.st_gid == getegid() || groups.prefix(Int(max(0, count))).contains(status.st_gid)
        return isOurs && status.st_mode & 0o040 != 0
    }

    /// The cure of a file that a broker's section names by `key` and that cannot be used: a path, or the name of a
    /// systemd credential.
    package static func cure(of file: String, named key: String) -> String {
        guard file.hasPrefix("/") else { return "LoadCredential=\(file):PATH in the unit, see culverd(8)" }
        let isPassword = key == "password_file"
        guard access(file, F_OK) == 0 else {
            return isPassword ? "write the password to \(file), in one line" : "put it to \(file), or correct \(key)"
        }
        guard access(file, R_OK) == 0 else { return "chown root:culver \(file) && chmod 640 \(file)" }
        return isPassword
            ? "write the password to \(file), in its first line" : "put a good one to \(file), in PEM form"
    }
}

private func groupName(_ number: gid_t) -> String {
    getgrgid(number).map { String(cString: $0.pointee.gr_name) } ?? "\(number)"
}
