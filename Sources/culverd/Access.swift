import Control
import Glibc

/// What a role allows (culver-protocol(7), "Who may do what"): each includes the ones before it.
enum Role: String, Sendable, Comparable {
    case anyone
    case reader
    case sender
    case admin

    static func < (left: Role, right: Role) -> Bool { left.rank < right.rank }

    private var rank: Int {
        switch self {
        case .anyone: 0
        case .reader: 1
        case .sender: 2
        case .admin: 3
        }
    }
}

/// Which caller has which role, by the credentials that the kernel tells of a connection.
struct Access: Sendable {
    private let readers: [Grant]
    private let senders: [Grant]
    private let admins: [Grant]

    init(_ settings: AccessSettings) {
        readers = settings.reader
        senders = settings.sender
        admins = settings.admin
    }

    /// Root and the daemon's own user may do everything.
    func role(of peer: Peer) -> Role {
        if peer.uid == 0 || peer.uid == geteuid() || admins.contains(where: { Self.matches($0, of: peer) }) {
            return .admin
        }
        if senders.contains(where: { Self.matches($0, of: peer) }) { return .sender }
        return readers.contains { Self.matches($0, of: peer) } ? .reader : .anyone
    }

    /// The identities (names or IDs) that somebody in this role is limited to; `nil` for no limit. What lets only
    /// read lifts no limit of sending.
    func identities(of peer: Peer, as role: Role) -> [String]? {
        if self.role(of: peer) == .admin { return nil }
        let grants = (role == .sender ? senders : senders + readers).filter { Self.matches($0, of: peer) }
        guard !grants.contains(where: { $0.identity == nil }) else { return nil }
        return grants.compactMap(\.identity)
    }

    /// Grants to users and groups that the system does not know, as they are written: they open nothing.
    var unknown: [String] {
        (readers + senders + admins).compactMap { grant in
            switch grant.grantee {
            // Where there is no package nobody has made it.
            case .group("culver"): nil
            case .group(let name): Names.group(name) == nil ? "@\(name)" : nil
            case .user(let name): Names.user(name) == nil ? name : nil
            }
        }
    }

    /// They may come to be while the daemon runs, so it is no error.
    func warnOfUnknown(_ log: Log) {
        for name in unknown { log(.warning, "[access] \(name): this machine has no such user or group") }
    }

    private static func matches(_ grant: Grant, of peer: Peer) -> Bool {
        switch grant.grantee {
        case .group(let name):
            guard let gid = Names.group(name) else { return false }
            return peer.gid == gid || peer.groups.contains(gid)
        case .user(let name): return Names.user(name) == peer.uid
        }
    }
}
