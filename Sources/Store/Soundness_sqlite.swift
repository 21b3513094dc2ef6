import CSQLite
import Glibc
import System

/// Whether a database is whole, looked at through a connection of its own that changes nothing.
package enum Soundness: Sendable, Equatable {
    case sound
    case absent
    case damaged(String)
    /// It is too large to be looked through in the given time.
    case unfinished
    /// It could not be looked at, which says nothing of it.
    case unknown(String)

    /// `isAlone`: nobody writes to it, so that no lock and no log is made for the look.
    package init(ofDatabase path: String, isAlone: Bool, within seconds: Double) {
        var found = stat()
        guard stat(path, &found) == 0 else {
            self = errno == ENOENT ? .absent : .unknown(Errno.last.words)
            return
        }
        // SQLite would wait for whoever writes to a pipe.
        guard found.st_mode & S_IFMT == S_IFREG else {
            self = .unknown("it is no file")
            return
        }
        var opened: OpaquePointer?
        let flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX
        let code = sqlite3_open_v2(uri(path) + (isAlone ? "?immutable=1" : ""), &opened, flags, nil)
        defer { sqlite3_close_v2(opened) }
        guard code == SQLITE_OK, let opened else {
            self = .unknown(String(cString: sqlite3_errstr(code)))
            return
        }
        sqlite3_busy_timeout(opened, 500)
        var end = KernelClock.monotonic.now + seconds
        self = withUnsafeMutablePointer(to: &end) { end in
            sqlite3_progress_handler(
                opened, 10_000, { KernelClock.monotonic.now > ($0?.load(as: Double.self) ?? 0) ? 1 : 0 }, end)
            return Self.checked(opened)
        }
    }

    private static func checked(_ database: OpaquePointer) -> Soundness {
        var statement: OpaquePointer?
        defer { sqlite3_finalize(statement) }
        var code = sqlite3_prepare_v2(database, "PRAGMA quick_check(1)", -1, &statement, nil)
        if code == SQLITE_OK { code = sqlite3_step(statement) }
        switch code & 0xff {
        case SQLITE_ROW:
            let words = sqlite3_column_text(statement, 0).map { String(cString: $0) } ?? ""
            return words == "ok" ? .sound : .damaged(words.split(separator: "\n").joined(separator: "; "))
        case SQLITE_INTERRUPT: return .unfinished
        case SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_IOERR: return .damaged(String(cString: sqlite3_errmsg(database)))
        default: return .unknown(String(cString: sqlite3_errmsg(database)))
        }
    }
}

/// A path as SQLite's URIs have it.
private func uri(_ path: String) -> String {
    var text = "file:"
    for byte in path.utf8 {
        switch byte {
        case UInt8(ascii: "%"): text += "%25"
        case UInt8(ascii: "?"): text += "%3f"
        case UInt8(ascii: "#"): text += "%23"
        default: text += String(decoding: CollectionOfOne(byte), as: UTF8.self)
        }
    }
    return text
}
