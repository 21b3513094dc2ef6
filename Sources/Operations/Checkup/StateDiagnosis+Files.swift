import Crypto
import Glibc
import Store

extension StateDiagnosis {
    /// Owners and modes: what is wrong, or what was done about it.
    func permissions(_ inspection: Inspection) -> [Check] {
        let all = inspection.flaws
        guard !all.isEmpty else {
            return [Check("permissions", .ok, "\(path) and what is in it is for \(inspection.owner) alone")]
        }
        var checks: [Check] = []
        for kind in [Flaw.Kind.exposed, .writable, .foreign, .closed] {
            let flaws = all.filter { $0.kind == kind }
            checks += flaws.prefix(Self.shown).map(check)
            let rest = flaws.dropFirst(Self.shown)
            guard !rest.isEmpty else { continue }
            let worst = rest.map { check($0).result }.max() ?? .ok
            let count = all.count == Inspection.limit ? "many" : "\(rest.count)"
            checks.append(
                Check(
                    "permissions", worst, "and \(count) more files in which \(Self.words(kind))",
                    hint: worst == .ok ? nil : "sudo culver doctor --fix --state \(path)"))
        }
        return checks
    }

    private static let shown = 8

    private func check(_ flaw: Flaw) -> Check {
        let what = "\(flaw.path): \(Self.words(flaw.kind))"
        switch flaw.outcome {
        case .mended: return Check("permissions", .ok, "mended \(what): \(flaw.cure)")
        case .failed(let words):
            return Check("permissions", result(flaw), "\(what), and it cannot be mended: \(words)", hint: sudo(flaw))
        case nil: return Check("permissions", result(flaw), what, hint: sudo(flaw))
        }
    }

    /// A directory that others may read shows names; the files in it are closed all the same.
    private func result(_ flaw: Flaw) -> Check.Result {
        flaw.kind == .closed || (flaw.kind == .exposed && flaw.isDirectory) ? .warn : .fail
    }

    private func sudo(_ flaw: Flaw) -> String {
        switch flaw.kind {
        case .foreign: "sudo \(flaw.cure)"
        case .closed: "sudo culver doctor --state \(path)"
        case .exposed, .writable: flaw.cure
        }
    }

    private static func words(_ kind: Flaw.Kind) -> String {
        switch kind {
        case .exposed: "others can read it"
        case .writable: "others can change it"
        case .foreign: "it belongs to another user"
        case .closed: "it cannot be looked into as this user"
        }
    }

    /// Files that were damaged and moved aside.
    func aside(_ inspection: Inspection) -> [Check] {
        inspection.aside.prefix(Self.shown).map {
            Check(
                "damaged", .warn, "\($0) was damaged and moved aside; its place is empty or was filled anew",
                hint: "rm \($0)    # once nothing in it is missed")
        }
    }

    func room() -> Check {
        do throws(FileError) {
            return Self.check(try Room(at: path), path)
        } catch {
            return Check("disk", .fail, error.description, hint: "dmesg | tail")
        }
    }

    /// Below 8 MiB a queue does not fit; the twentieth part of a large disk is no little.
    static func check(_ room: Room, _ path: String) -> Check {
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

    func database() -> Check {
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

    func entropy() -> Check {
        let source = access("/dev/hwrng", F_OK) == 0 ? ", with a generator in hardware" : ""
        return Random.isReady
            ? Check("entropy", .ok, "the kernel's random numbers are ready\(source)")
            : Check(
                "entropy", .fail, "the kernel has no random numbers yet: keys cannot be made",
                hint: "apt-get install rng-tools5")
    }
}
