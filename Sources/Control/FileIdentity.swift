/// Which file it is, whatever its name.
struct FileIdentity: Equatable, Sendable {
    let device: UInt64
    let inode: UInt64
}
