import CSQLite
import Glibc
import Records
import System

/// A copy of an SQLite file as it is at one moment, made in portions while others go on writing to the original: a
/// reader's transaction is open all the time, so what is written meanwhile is not in it.
///
/// One thread at a time. The write-ahead log of the original cannot be emptied while this lives.
final class DatabaseCopy {
    /// What the copy will have, in bytes.
    let size: Int64

    private let source: OpaquePointer
    private var target: OpaquePointer?
    private var backup: OpaquePointer?
    private let name: String

    /// Pages at a time: a megabyte.
    private static let portion: Int32 = 256

    /// Fixes the moment. `name` is what errors call the original.
    init(of path: String, name: String) throws(LedgerError) {
        var opened: OpaquePointer?
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        let code = sqlite3_open_v2(path, &opened, flags, nil)
        guard code == SQLITE_OK, let opened else {
            let words = String(cString: sqlite3_errstr(code))
            sqlite3_close_v2(opened)
            throw LedgerError("cannot copy \(name): \(words)")
        }
        source = opened
        self.name = name
        sqlite3_busy_timeout(opened, 2_000)
        do throws(LedgerError) {
            try run(opened, "PRAGMA cache_size = -256", name)
            try run(opened, "BEGIN", name)
            let pages = try number(opened, "PRAGMA page_count", name)
            // The first look at a table fixes the moment, a pragma may not.
            _ = try number(opened, "SELECT count(*) FROM sqlite_master", name)
            size = try pages * number(opened, "PRAGMA page_size", name)
        } catch {
            sqlite3_close_v2(opened)
            throw error
        }
    }

    deinit {
        end()
        sqlite3_close_v2(source)
    }

    /// The new file, which must not exist. It is worth nothing until `step()` has said so.
    func begin(at path: String) throws(LedgerError) {
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        guard sqlite3_open_v2(path, &target, flags, nil) == SQLITE_OK, let target else { throw failure() }
        // Nobody goes on with it after a power cut.
        for setting in ["cache_size = -256", "journal_mode = OFF", "synchronous = OFF"] {
            try run(target, "PRAGMA \(setting)", name)
        }
        backup = sqlite3_backup_init(target, "main", source, "main")
        guard backup != nil else { throw failure() }
    }

    /// Copies a portion; false when the copy is whole.
    func step() throws(LedgerError) -> Bool {
        errno = 0
        let code = sqlite3_backup_step(backup, Self.portion)
        let cause = errno
        switch code {
        case SQLITE_OK: return true
        case SQLITE_DONE:
            let code = sqlite3_backup_finish(backup)
            backup = nil
            guard code == SQLITE_OK else { throw failure(code) }
            end()
            return false
        default: throw failure(code, cause)
        }
    }

    private func end() {
        if let backup { sqlite3_backup_finish(backup) }
        backup = nil
        sqlite3_close_v2(target)
        target = nil
    }

    private func failure(_ code: Int32? = nil, _ cause: Int32 = 0) -> LedgerError {
        let code = code ?? sqlite3_extended_errcode(target)
        let isFull = code & 0xff == SQLITE_FULL || (code & 0xff == SQLITE_IOERR && [ENOSPC, EDQUOT].contains(cause))
        let words = isFull ? Errno(ENOSPC).words : String(cString: sqlite3_errstr(code))
        return LedgerError("cannot copy \(name): \(words)", isFull: isFull)
    }
}

private func run(_ handle: OpaquePointer, _ sql: String, _ name: String) throws(LedgerError) {
    let code = sqlite3_exec(handle, sql, nil, nil, nil)
    guard code == SQLITE_OK else {
        throw LedgerError("cannot copy \(name): \(String(cString: sqlite3_errmsg(handle)))")
    }
}

private func number(_ handle: OpaquePointer, _ sql: String, _ name: String) throws(LedgerError) -> Int64 {
    var made: OpaquePointer?
    defer { sqlite3_finalize(made) }
    guard sqlite3_prepare_v2(handle, sql, -1, &made, nil) == SQLITE_OK, sqlite3_step(made) == SQLITE_ROW else {
        throw LedgerError("cannot copy \(name): \(String(cString: sqlite3_errmsg(handle)))")
    }
    return sqlite3_column_int64(made, 0)
}
