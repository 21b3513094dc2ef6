import CLinux
import Glibc
import System

/// What the machine says of itself.
enum Host {
    static var name: String {
        var bytes = [CChar](repeating: 0, count: 256)
        guard gethostname(&bytes, bytes.count - 1) == 0 else { return "culver" }
        return String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// A template with `{hostname}` as a name: other characters than a name may have become `-`.
    static func label(filling template: String) -> String {
        let filled = fill(template, word: "{hostname}", with: name)
        let plain = filled.map { $0.isASCII && ($0.isLetter || $0.isNumber || "._-".contains($0)) ? $0 : "-" }
        return plain.isEmpty ? "culver" : String(plain.prefix(64))
    }

    static func fill(_ template: String, word: String, with value: String) -> String {
        var rest = template[...]
        var filled = ""
        while let start = rest.firstIndex(of: "{") {
            filled += rest[..<start]
            rest = rest[start...]
            if rest.hasPrefix(word) {
                filled += value
                rest = rest.dropFirst(word.count)
            } else {
                filled += "{"
                rest = rest.dropFirst()
            }
        }
        return filled + rest
    }

    /// A path, or the name of a systemd credential.
    static func credential(_ file: String) -> String {
        guard !file.hasPrefix("/"), let directory = getenv("CREDENTIALS_DIRECTORY") else { return file }
        return String(cString: directory) + "/" + file
    }

    /// At most `limit` bytes; `nil` when it cannot be read.
    static func read(_ path: String, limit: Int) -> [UInt8]? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: limit)
        let count = fread(&bytes, 1, limit, file)
        return Array(bytes.prefix(count))
    }
}

extension Host {
    static var environment: [String: String] {
        var all: [String: String] = [:]
        var entry = Glibc.environ
        while let text = entry.pointee {
            let parts = String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2 { all[String(parts[0])] = String(parts[1]) }
            entry += 1
        }
        return all
    }

    /// Bounds what a hostile broker can make libmosquitto allocate (extensions.md 1). The bound counts what may be
    /// written to, so stacks are made small and large blocks are given back at once, without pools of their own for
    /// each thread. To be called before there are threads.
    static func limitMemory(_ bytes: UInt32) {
        _ = culver_limit_stacks(1 << 20)
        mallopt(M_ARENA_MAX, 2)
        mallopt(M_MMAP_THRESHOLD, 128 << 10)
        mallopt(M_TRIM_THRESHOLD, 1 << 20)
        var limit = rlimit(rlim_cur: rlim_t(bytes), rlim_max: rlim_t(bytes))
        setrlimit(__rlimit_resource_t(RLIMIT_DATA.rawValue), &limit)
    }

    /// A core dump would hold private keys, and messages in the clear: none is made, by whatever way the daemon was
    /// started, and nobody else with its user may look into its memory.
    static func forbidDumps() {
        culver_forbid_dumps()
        var none = rlimit(rlim_cur: 0, rlim_max: 0)
        setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
    }

    /// What a busy time, or the start, has taken and left free goes back to the system: of the heap, and of the code
    /// of program and libraries, which is read again from the page cache where it is still needed.
    static func giveBackMemory() {
        giveBackHeap()
        for code in codeRanges {
            madvise(UnsafeMutableRawPointer(bitPattern: code.lowerBound), code.count, MADV_DONTNEED)
        }
    }

    /// The heap's part alone, which costs no page that is in use.
    static func giveBackHeap() { malloc_trim(0) }

    /// Bytes of memory with no file behind it, proc_pid_statm(5); 0 when that cannot be read.
    static var anonymousBytes: Int64 {
        let words = (read("/proc/self/statm", limit: 128) ?? []).split(separator: UInt8(ascii: " "))
        let pages = words.prefix(3).compactMap { Int64(String(decoding: $0, as: UTF8.self)) }
        return pages.count == 3 ? (pages[1] - pages[2]) * Int64(sysconf(Int32(_SC_PAGESIZE))) : 0
    }

    /// Where code is mapped. Nothing writes to it: what is read-only after its relocation is a mapping of another kind.
    private static var codeRanges: [Range<UInt>] {
        let maps = read("/proc/self/maps", limit: 128 << 10) ?? []
        return maps.split(separator: UInt8(ascii: "\n")).compactMap { line in
            let words = line.split(separator: UInt8(ascii: " "))
            guard words.count == 6, words[1].elementsEqual("r-xp".utf8), words[5].first == UInt8(ascii: "/") else {
                return nil
            }
            let ends = words[0].split(separator: UInt8(ascii: "-")).compactMap {
                UInt(String(decoding: $0, as: UTF8.self), radix: 16)
            }
            return ends.count == 2 && ends[0] < ends[1] ? ends[0]..<ends[1] : nil
        }
    }
}

/// Users and groups of the system by name or number. Asked anew each time: they may change while we run.
enum Names {
    static func user(_ name: String) -> uid_t? {
        uid_t(name) ?? getpwnam(name).map { $0.pointee.pw_uid }
    }

    static func group(_ name: String) -> gid_t? {
        gid_t(name) ?? getgrnam(name).map { $0.pointee.gr_gid }
    }
}
