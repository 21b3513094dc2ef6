import CLinux
import Glibc
import System

/// The system calls of a Unix stream socket, each told to the rest of the module as a Swift value.
enum Socket {
    enum ReadResult {
        case bytes(ArraySlice<UInt8>)
        /// Nothing now.
        case nothing
        /// Nothing any more.
        case end
    }

    enum WriteResult {
        case written(Int)
        case full
        case broken
    }

    enum AcceptResult {
        case client(Descriptor)
        case nobody
        /// No descriptor or memory left: `errno`.
        case noRoom
    }

    private static let noSignal = Int32(MSG_NOSIGNAL)

    // MARK: the two ends

    /// A listening socket at `path`, which only `mode` and `group` may use from its first moment on. What a dead
    /// daemon left there is replaced; a live one's socket, and any other file, is not touched.
    static func listen(at path: String, mode: mode_t, group: gid_t?) throws(ControlError) -> Descriptor {
        try clear(path)
        let socket = try stream(path)
        let before = umask(0o177)
        let bound = withAddress(path) { bind(socket.number, $0, $1) }
        let cause = errno
        umask(before)
        guard bound == 0 else {
            throw cause == EADDRINUSE ? .inUse(path: path) : .system(operation: "bind", path: path, errno: cause)
        }
        if let group { try give(path, to: group) }
        guard chmod(path, mode) == 0 else { throw failed("set the mode of", path) }
        guard Glibc.listen(socket.number, 128) == 0 else { throw failed("listen on", path) }
        guard fcntl(socket.number, F_SETFL, O_NONBLOCK) == 0 else { throw failed("listen on", path) }
        return socket
    }

    /// A listening socket that this process was started with, and its path.
    static func inherit(_ number: Int32) throws(ControlError) -> (socket: Descriptor, path: String) {
        let name = "descriptor \(number)"
        var address = sockaddr_un()
        var length = socklen_t(MemoryLayout<sockaddr_un>.size)
        let found = withUnsafeMutableBytes(of: &address) { raw in
            raw.baseAddress.map { getsockname(number, $0.assumingMemoryBound(to: sockaddr.self), &length) } ?? -1
        }
        guard found == 0 else { throw failed("listen on", name) }
        guard address.sun_family == sa_family_t(AF_UNIX), option(SO_TYPE, of: number) == Int32(SOCK_STREAM.rawValue),
            option(SO_ACCEPTCONN, of: number) == 1
        else {
            throw .badPath(path: name, why: "it is no listening Unix stream socket")
        }
        guard Descriptor.closeOnExec(number), fcntl(number, F_SETFL, O_NONBLOCK) == 0 else {
            throw failed("listen on", name)
        }
        let path = withUnsafeBytes(of: &address.sun_path) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        return (Descriptor(owning: number), path)
    }

    private static func option(_ name: Int32, of number: Int32) -> Int32? {
        var value: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(number, SOL_SOCKET, name, &value, &length) == 0 ? value : nil
    }

    /// A connected socket that blocks.
    static func connect(to path: String) throws(ControlError) -> Descriptor {
        let socket = try stream(path)
        guard withAddress(path, { Glibc.connect(socket.number, $0, $1) }) == 0 else {
            switch errno {
            case ENOENT, ECONNREFUSED, ENOTDIR, EAGAIN: throw .noDaemon(path: path)
            case EACCES, EPERM: throw .notPermitted(path: path)
            case let cause: throw .system(operation: "connect to", path: path, errno: cause)
            }
        }
        return socket
    }

    static func accept(_ listener: Descriptor) -> AcceptResult {
        while true {
            let number = culver_accept(listener.number)
            if number >= 0 { return .client(Descriptor(owning: number)) }
            switch errno {
            case EINTR, ECONNABORTED: continue
            case EAGAIN: return .nobody
            default: return .noRoom
            }
        }
    }

    /// A descriptor that does nothing but keep a number free for a bad day.
    static func spare() -> Descriptor? {
        try? Descriptor(following: "/dev/null", flags: O_RDONLY)
    }

    // MARK: bytes

    static func read(_ socket: Descriptor, upTo count: Int) -> ReadResult {
        var failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { room, filled in
            let got = recv(socket.number, room.baseAddress, count, 0)
            failure = got < 0 ? errno : 0
            filled = max(got, 0)
        }
        if failure == EAGAIN || failure == EINTR { return .nothing }
        return bytes.isEmpty ? .end : .bytes(bytes[...])
    }

    /// Never raises SIGPIPE. Waits only where the socket itself blocks.
    static func write(_ socket: Descriptor, _ bytes: ArraySlice<UInt8>) -> WriteResult {
        while true {
            let count = bytes.withUnsafeBytes { send(socket.number, $0.baseAddress, $0.count, noSignal) }
            if count >= 0 { return .written(count) }
            switch errno {
            case EINTR: continue
            case EAGAIN: return .full
            default: return .broken
            }
        }
    }

    /// Waits until there is something to read or the other side is gone; `false` when `seconds` (`nil`: for ever)
    /// are over.
    static func wait(_ socket: Descriptor, seconds: Double?) -> Bool {
        var entry = pollfd(fd: socket.number, events: Int16(POLLIN), revents: 0)
        let milliseconds = seconds.map { Int32(min($0 * 1000, 1e9).rounded(.up)) } ?? -1
        return poll(&entry, 1, milliseconds) != 0
    }

    // MARK: who and what

    static func peer(of socket: Descriptor) -> Peer? {
        var found = culver_credentials()
        guard culver_peer_credentials(socket.number, &found) == 0 else { return nil }
        return Peer(uid: found.uid, gid: found.gid, pid: found.pid, groups: groups(of: socket))
    }

    /// Device and inode of the socket file, by which the server knows its own again; `nil` when there is none.
    static func identity(of path: String) -> FileIdentity? {
        var status = stat()
        guard lstat(path, &status) == 0 else { return nil }
        return FileIdentity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
    }

    private static func groups(of socket: Descriptor) -> [gid_t] {
        for room in [64, 65_536] {
            var count: Int32 = 0
            let groups = [gid_t](unsafeUninitializedCapacity: room) { buffer, filled in
                count = culver_peer_groups(socket.number, buffer.baseAddress, Int32(room))
                filled = max(0, min(Int(count), room))
            }
            if count >= 0 { return groups }
            guard errno == ERANGE else { return [] }
        }
        return []
    }

    private static func clear(_ path: String) throws(ControlError) {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            guard errno == ENOENT else { throw failed("look at", path) }
            return
        }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw .badPath(path: path, why: "another kind of file is there")
        }
        do {
            _ = try connect(to: path)
        } catch .noDaemon {
            guard unlink(path) == 0 || errno == ENOENT else { throw failed("replace", path) }
            return
        }
        throw .inUse(path: path)
    }

    /// Asks for nothing where it is so already: a unit of systemd may forbid the call as a whole.
    private static func give(_ path: String, to group: gid_t) throws(ControlError) {
        var status = stat()
        if lstat(path, &status) == 0, status.st_gid == group { return }
        guard chown(path, uid_t.max, group) == 0 else { throw failed("give to the group", path) }
    }

    private static func stream(_ path: String) throws(ControlError) -> Descriptor {
        guard path.utf8.count < MemoryLayout.size(ofValue: sockaddr_un().sun_path) else {
            throw .badPath(path: path, why: "it is longer than 107 bytes")
        }
        guard !path.isEmpty, !path.utf8.contains(0) else { throw .badPath(path: path, why: "it names no file") }
        let number = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard number >= 0 else { throw failed("make a socket for", path) }
        return Descriptor(owning: number)
    }

    private static func withAddress(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
        return withUnsafeBytes(of: &address) { raw in
            guard let start = raw.baseAddress else { return -1 }
            return body(start.assumingMemoryBound(to: sockaddr.self), socklen_t(raw.count))
        }
    }

    private static func failed(_ operation: String, _ path: String) -> ControlError {
        .system(operation: operation, path: path, errno: errno)
    }
}

/// Which file it is, whatever its name.
struct FileIdentity: Equatable, Sendable {
    let device: UInt64
    let inode: UInt64
}
