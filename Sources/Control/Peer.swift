/// The process at the other end of a connection, as the kernel saw it when the client connected.
package struct Peer: Sendable, Equatable {
    package let uid: UInt32
    package let gid: UInt32
    package let pid: Int32
    /// The supplementary groups; empty where the kernel does not tell.
    package let groups: [UInt32]

    package init(uid: UInt32, gid: UInt32, pid: Int32, groups: [UInt32]) {
        self.uid = uid
        self.gid = gid
        self.pid = pid
        self.groups = groups
    }
}

/// Names one connection for as long as the server lives; never used again.
package struct ConnectionID: Hashable, Sendable {
    package let number: UInt64

    package init(_ number: UInt64) {
        self.number = number
    }
}

extension ConnectionID: CustomStringConvertible {
    package var description: String { "#\(number)" }
}
