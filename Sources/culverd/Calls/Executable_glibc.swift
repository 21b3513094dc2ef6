import Glibc
import System

/// Whether nobody but root can put another program in the place of one that calls run.
enum Executable {
    /// In words; `nil` for a file that may be run. `owner`: a user that counts like root, of a daemon that is its own.
    static func fault(of path: String, owner: uid_t?) -> String? {
        guard path.hasPrefix("/") else { return "\(path) is no absolute path" }
        guard let real = realpath(path, nil) else { return "\(path): \(Errno.last)" }
        defer { free(real) }
        var place = String(cString: real)
        guard place == path else { return "\(path) is a link, or leads through one, to \(place)" }
        var status = stat()
        guard stat(place, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return "\(place) is no file" }
        guard status.st_mode & 0o111 != 0 else { return "\(place) is not executable" }
        var isDirectory = false
        while true {
            guard stat(place, &status) == 0 else { return "\(place): \(Errno.last)" }
            guard status.st_uid == 0 || status.st_uid == owner else { return "\(place) does not belong to root" }
            // In a directory with the sticky bit others cannot replace what is root's.
            let isSticky = isDirectory && status.st_mode & S_ISVTX != 0
            guard status.st_mode & 0o022 == 0 || isSticky else { return "others can write to \(place)" }
            guard place != "/", let slash = place.utf8.lastIndex(of: UInt8(ascii: "/")) else { return nil }
            place = slash == place.startIndex ? "/" : String(place[..<slash])
            isDirectory = true
        }
    }
}
