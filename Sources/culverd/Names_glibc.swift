import Glibc

/// Users and groups of the system by name or number. Asked anew each time: they may change while we run.
enum Names {
    static func user(_ name: String) -> uid_t? {
        uid_t(name) ?? getpwnam(name).map { $0.pointee.pw_uid }
    }

    static func group(_ name: String) -> gid_t? {
        gid_t(name) ?? getgrnam(name).map { $0.pointee.gr_gid }
    }
}
