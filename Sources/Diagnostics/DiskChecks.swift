import Crypto
import Glibc
import Store
import System

/// What a state directory stands on: the room on its disk, its database, and the kernel's random numbers.
struct DiskChecks {
    let path: String
    /// A daemon works in this directory.
    let isInUse: Bool

    var checks: [Check] { [room(), database(), entropy()] }

    private func room() -> Check {
        do throws(Errno) {
            return Self.check(try DiskSpace(at: path), at: path)
        } catch {
            return Check("disk", .fail, "cannot measure the file system of \(path): \(error)", hint: "dmesg | tail")
        }
    }

    /// Below 8 MiB a queue does not fit; the twentieth part of a large disk is no little.
    static func check(_ room: DiskSpace, at path: String) -> Check {
        let free = "\(room.free >> 20) MiB of \(room.total >> 20) MiB are free for \(path)"
        if room.isReadOnly {
            return Check(
                "disk", .fail, "the file system of \(path) is read only: worn-out SD cards become so",
                hint: "dmesg | grep -i -e mmc -e ext4; mount -o remount,rw \"$(stat -c %m \(path))\"")
        }
        if room.free < 8 << 20 { return Check("disk", .fail, free, hint: makeRoom) }
        if let files = room.freeFiles, files < 256 {
            return Check(
                "disk", files < 16 ? .fail : .warn, "only \(files) more files can be made for \(path)", hint: makeRoom)
        }
        let isScarce = room.free < 64 << 20 || (room.free < room.total / 20 && room.free < 1 << 30)
        return Check("disk", isScarce ? .warn : .ok, free, hint: isScarce ? makeRoom : nil)
    }

    private static let makeRoom = "journalctl --vacuum-size=50M; apt-get clean"

    private func database() -> Check {
        let file = "\(path)/\(StatePath.messages)"
        switch Soundness(ofDatabase: file, isAlone: !isInUse, within: 2) {
        case .sound: return Check("database", .ok, "\(StatePath.messages) is sound")
        case .absent: return Check("database", .ok, "there are no messages yet")
        case .unfinished:
            return Check("database", .ok, "\(StatePath.messages) is too large to be looked through in 2 s")
        case .unknown(let words):
            return Check(
                "database", .warn, "\(StatePath.messages) cannot be looked at: \(words)", hint: "sudo culver doctor")
        case .damaged(let words):
            return Check(
                "database", .fail, "\(StatePath.messages) is damaged: \(words)",
                hint: "systemctl stop culver; sqlite3 \(file) .recover | sqlite3 \(file).new; mv \(file).new \(file)")
        }
    }

    private func entropy() -> Check {
        let source = access("/dev/hwrng", F_OK) == 0 ? ", with a generator in hardware" : ""
        return Random.isReady
            ? Check("entropy", .ok, "the kernel's random numbers are ready\(source)")
            : Check(
                "entropy", .fail, "the kernel has no random numbers yet: keys cannot be made",
                hint: "apt-get install rng-tools5")
    }
}
