import Glibc
import Operations

/// The configuration's files, and the secret ones that it names: who may read and change them?
struct TLSFiles: Sendable {
    private var open: [String] = []
    private var secret: [String] = []

    init(_ configuration: Configuration, _ options: Options, _ environment: [String: String]) {
        open = [Configuration.file(options, environment)]
        for broker in configuration.brokers {
            // systemd's credentials are for us alone by themselves.
            secret += [broker.passwordFile, broker.keyFile].compactMap { $0 }.filter { $0.hasPrefix("/") }
        }
    }

    func checks(mends: Bool) -> [Check] {
        let found =
            open.compactMap { check($0, isSecret: false, mends) }
            + secret.compactMap { check($0, isSecret: true, mends) }
        guard found.isEmpty else { return found }
        return [Check("configuration", .ok, "its files are for those only who may have them")]
    }

    /// `nil` for what is as it should be, or is not there, which others say.
    private func check(_ path: String, isSecret: Bool, _ mends: Bool) -> Check? {
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
            let words = String(cString: strerror(errno)).lowercased()
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
}

private func groupName(_ number: gid_t) -> String {
    getgrgid(number).map { String(cString: $0.pointee.gr_name) } ?? "\(number)"
}
