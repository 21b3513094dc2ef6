import Format
import Glibc
package import Records
import System

/// The audit of calls as a file, `calls.audit`, one `AuditLine` a line; the one before it is `calls.audit.1`. The chain
/// goes on from one to the other.
///
/// `@unchecked Sendable`: used on the store's queue alone, but for `check`, which only reads.
package final class AuditFile: @unchecked Sendable {
    /// Bytes after which a file is the older one.
    package static let usualLimit: Int64 = 4 << 20

    private let limit: Int64
    private let path: String
    /// The last line, once it was read; of no file there is none.
    private var last: AuditLine??

    /// In this state directory.
    package init(in directory: String, limit: Int64 = AuditFile.usualLimit) {
        self.limit = limit
        path = "\(directory)/\(StatePath.audit)"
    }

    /// `nil` when there is none. What a power cut left of a line is taken out.
    func lastLine() throws -> AuditLine? {
        if let last { return last }
        var found: AuditLine?
        do throws(Errno) {
            let file = try Descriptor(path, flags: O_RDWR)
            let bytes = try file.read(limit: Int(2 * Self.usualLimit))
            let whole = bytes.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
            if whole < bytes.count, ftruncate(file.number, off_t(whole)) != 0 { throw .last }
            found = Self.lines(of: bytes[..<whole]).last.flatMap { AuditLine($0) }
        } catch  where error.code == ENOENT {
            found = nil
        } catch {
            throw error.error("read", StatePath.audit)
        }
        if found == nil { found = (try? Self.lines(in: path + ".1"))?.last.flatMap { AuditLine($0) } }
        last = .some(found)
        return found
    }

    /// The oldest line that there is: in the older file, or in this one.
    func oldestLine() -> AuditLine? {
        (try? Self.lines(in: path + ".1"))?.first.flatMap { AuditLine($0) } ?? firstLine()
    }
    func firstLine() -> AuditLine? { (try? Self.lines(in: path))?.first.flatMap { AuditLine($0) } }

    /// It is to become the older one.
    var isLong: Bool {
        guard let file = try? Descriptor(path, flags: O_RDONLY), let status = try? file.status() else { return false }
        return status.st_size > limit
    }

    /// It becomes the older one, and the one before it is gone.
    func turnOver() throws {
        guard rename(path, path + ".1") == 0 else { throw Errno.last.error("rename", StatePath.audit) }
    }

    /// Both files go to names beside theirs.
    func moveAside() throws {
        last = nil
        for name in [path, path + ".1"] where access(name, F_OK) == 0 {
            guard rename(name, asideName(for: name)) == 0 else { throw Errno.last.error("rename", StatePath.audit) }
        }
    }

    func append(_ lines: [AuditLine]) throws {
        guard let newest = lines.last else { return }
        do throws(Errno) {
            let file = try Descriptor(path, flags: O_WRONLY | O_APPEND | O_CREAT, mode: 0o600)
            try file.write(Array(lines.map { $0.text + "\n" }.joined().utf8))
            try file.sync()
        } catch {
            // Perhaps half of it is there.
            last = nil
            throw error.error("write", StatePath.audit)
        }
        last = newest
    }

    /// The number of the last line in a state directory, 0 when there is none: for a moment in which nobody writes.
    static func lastNumber(in directory: String) -> Int64 {
        let path = "\(directory)/\(StatePath.audit)"
        for name in [path, path + ".1"] {
            guard let text = try? lines(in: name).last else { continue }
            return AuditLine(text)?.number ?? 0
        }
        return 0
    }

    /// What is wrong with the chain of the files in a state directory, in words; `nil` where nothing is, and `lines` is
    /// how many there are. `marks`: what was written down elsewhere, if that is known.
    package static func check(in directory: String, against marks: AuditMarks?) -> (lines: Int, fault: String?) {
        let path = "\(directory)/\(StatePath.audit)"
        var (first, last): (AuditLine?, AuditLine?)
        var count = 0
        for name in [path + ".1", path] {
            guard let lines = try? lines(in: name) else { continue }
            for text in lines {
                guard let line = AuditLine(text) else {
                    return (count, "line \(last.map { $0.number + 1 } ?? 1) was altered")
                }
                if let last, !line.follows(last) {
                    return (count, "line \(line.number) does not follow line \(last.number)")
                }
                first = first ?? line
                last = line
                count += 1
            }
        }
        guard let marks else { return (count, nil) }
        let newest = marks.newest
        guard marks.end <= newest?.number ?? 0 else {
            return (
                count, "it has \(marks.end) lines, and \(newest?.number ?? 0) were written down: they are of others"
            )
        }
        if let first, let fault = marks.fault(ofFirst: first) { return (count, fault) }
        guard let newest else { return (count, nil) }
        guard let last else { return (count, newest.number == 0 ? nil : "its \(newest.number) lines are gone") }
        guard last.number >= newest.number else {
            return (count, "lines \(last.number + 1) to \(newest.number) are missing at its end")
        }
        return (count, last.number == newest.number && last.hash != newest.hash ? "its last line was altered" : nil)
    }

    private static func lines(in path: String) throws(Errno) -> [String] {
        let file = try Descriptor(path, flags: O_RDONLY)
        return lines(of: try file.read(limit: Int(2 * usualLimit))[...])
    }

    private static func lines(of bytes: ArraySlice<UInt8>) -> [String] {
        bytes.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
    }
}

/// What the database knows of the audit's files.
package struct AuditMarks: Sendable {
    package var newest: AuditLine?
    /// The oldest lines that the files may begin with, each with its hash. Where a power cut fell between writing it down
    /// and replacing a file there are two.
    package var front: [Int64: String] = [:]
    /// The number of the last line in the files at that moment.
    package var end: Int64 = 0

    fileprivate func fault(ofFirst line: AuditLine) -> String? {
        guard let least = front.keys.min(), front[line.number] != line.hash else { return nil }
        return line.number > least
            ? "lines \(least) to \(line.number - 1) are missing at its beginning" : "its first line was altered"
    }
}
