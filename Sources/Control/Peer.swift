package import Glibc

/// Who is at the other end of a connection, by the kernel's word: as it was when the client connected.
package struct Peer: Sendable, Equatable {
    package let uid: uid_t
    package let gid: gid_t
    package let pid: pid_t
    /// The supplementary groups; empty where the kernel does not tell.
    package let groups: [gid_t]

    package init(uid: uid_t, gid: gid_t, pid: pid_t, groups: [gid_t]) {
        self.uid = uid
        self.gid = gid
        self.pid = pid
        self.groups = groups
    }
}
