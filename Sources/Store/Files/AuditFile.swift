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
    static let limit: Int64 = 4 << 20

    private let path: String
    private var last: Int64?

    /// In this state directory.
    package init(in directory: String) {
        path = "\(directory)/\(StatePath.audit)"
    }

    /// The number of its last line; 0 when there is none. What a power cut left of a line is taken out.
    func lastNumber() throws -> Int64 {
        if let last { return last }
        var found = Int64(0)
        do throws(Errno) {
            let file = try Descriptor(path, flags: O_RDWR)
            let bytes = try file.read(limit: Int(2 * Self.limit))
            let whole = bytes.lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
            if whole < bytes.count, ftruncate(file.number, off_t(whole)) != 0 { throw .last }
            found = Self.lines(of: bytes[..<whole]).last.flatMap { AuditLine($0)?.number } ?? 0
        } catch  where error.code == ENOENT {
            found = 0
        } catch {
            throw error.error("read", StatePath.audit)
        }
        if found == 0 { found = (try? Self.lines(in: path + ".1"))?.last.flatMap { AuditLine($0)?.number } ?? 0 }
        last = found
        return found
    }

    func append(_ lines: [AuditLine]) throws {
        guard let newest = lines.last else { return }
        do throws(Errno) {
            var file = try Descriptor(path, flags: O_WRONLY | O_APPEND | O_CREAT, mode: 0o600)
            if try file.status().st_size > Self.limit {
                guard rename(path, path + ".1") == 0 else { throw .last }
                file = try Descriptor(path, flags: O_WRONLY | O_APPEND | O_CREAT, mode: 0o600)
            }
            try file.write(Array(lines.map { $0.text + "\n" }.joined().utf8))
            try file.sync()
        } catch {
            // Perhaps half of it is there.
            last = nil
            throw error.error("write", StatePath.audit)
        }
        last = newest.number
    }

    /// What is wrong with the chain of the files in a state directory, in words; `nil` where nothing is, and `lines` is
    /// how many there are. `newest`: the last line that was written down elsewhere.
    package static func check(in directory: String, newest: AuditLine?) -> (lines: Int, fault: String?) {
        let path = "\(directory)/\(StatePath.audit)"
        var last: AuditLine?
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
                last = line
                count += 1
            }
        }
        guard let newest else { return (count, nil) }
        guard let last else { return (count, newest.number == 0 ? nil : "its \(newest.number) lines are gone") }
        guard last.number >= newest.number else {
            return (count, "lines \(last.number + 1) to \(newest.number) are missing at its end")
        }
        return (count, last.number == newest.number && last.hash != newest.hash ? "its last line was altered" : nil)
    }

    private static func lines(in path: String) throws(Errno) -> [String] {
        let file = try Descriptor(path, flags: O_RDONLY)
        return lines(of: try file.read(limit: Int(2 * limit))[...])
    }

    private static func lines(of bytes: ArraySlice<UInt8>) -> [String] {
        bytes.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
    }
}
