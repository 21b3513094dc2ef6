import CSQLite
import DIMP
import Glibc
import Records
import System

/// The library below, as it was loaded.
package enum SQLite {
    package static var version: String { String(cString: sqlite3_libversion()) }
}

/// One connection to an SQLite file, and its prepared statements by their text. One thread at a time.
final class Database {
    /// SQLite has found that the file is not a sound database.
    private(set) var isDamaged = false
    /// A row was met that does not hold what belongs there, and was passed over. Whoever sets such rows aside resets it.
    var hasUnreadable = false

    private let handle: OpaquePointer
    private let name: String
    private let parsed: ParsedIDs
    private var statements: [StatementText: SQLStatement] = [:]
    /// What was asked so far.
    var prepared: [String] { statements.keys.map(\.sql).sorted() }

    /// How many steps of SQLite's machine each statement took since the last call, by its text: what a statement costs, without
    /// a clock. For tests.
    func takeSteps() -> [String: Int] {
        var steps: [String: Int] = [:]
        for (text, statement) in statements {
            let count = statement.takeSteps()
            if count > 0 { steps[text.sql] = count }
        }
        return steps
    }

    /// Opens or makes the file; `name` is what errors call it.
    init(path: String, name: String) throws(LedgerError) {
        var opened: OpaquePointer?
        let flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        let code = sqlite3_open_v2(path, &opened, flags, nil)
        guard code == SQLITE_OK, let opened else {
            let words = words(code, sqlite3_system_errno(opened), String(cString: sqlite3_errstr(code)))
            sqlite3_close_v2(opened)
            throw LedgerError("cannot open \(name): \(words)")
        }
        handle = opened
        self.name = name
        parsed = ParsedIDs(file: name)
        sqlite3_busy_timeout(handle, 2_000)
        sqlite3_create_function_v2(
            handle, "subject_takes", 2, SQLITE_UTF8 | SQLITE_DETERMINISTIC, nil, Self.subjectTakes, nil, nil, nil)
    }

    /// `subject_takes(filter, subject)`: 0 where there is no subject.
    private static let subjectTakes:
        @convention(c) (OpaquePointer?, Int32, UnsafeMutablePointer<OpaquePointer?>?) -> Void = {
            context, _, values in
            func bytes(_ place: Int) -> [UInt8]? {
                guard let value = values?[place], let text = sqlite3_value_text(value) else { return nil }
                return Array(UnsafeBufferPointer(start: text, count: Int(sqlite3_value_bytes(value))))
            }
            guard let filter = bytes(0), let subject = bytes(1) else { return sqlite3_result_int(context, 0) }
            sqlite3_result_int(context, SubjectFilter.takes(subject, by: filter) ? 1 : 0)
        }

    deinit {
        statements.removeAll()
        sqlite3_close_v2(handle)
    }

    #if DEBUG
    /// How many statements were run, for tests that count what a change costs.
    private(set) var runs = 0
    #endif

    /// The number of the row that was inserted last.
    var lastRow: Int64 {
        sqlite3_last_insert_rowid(handle)
    }

    /// How many rows the last statement changed.
    var changes: Int64 {
        Int64(sqlite3_changes(handle))
    }

    var isInTransaction: Bool {
        sqlite3_get_autocommit(handle) == 0
    }

    /// Runs a statement to its end and drops what it returns.
    func run(_ sql: String, _ values: [SQLValue] = []) throws(LedgerError) {
        try each(sql, values, "write") { _ in true }
    }

    /// Every row, as `read` makes it, up to the first of which `goesOn` says no. One that is damaged is passed over and
    /// noted: it does not stand in the way of the others.
    func rows<T>(
        _ sql: String, _ values: [SQLValue] = [], _ read: (SQLStatement) throws(LedgerError) -> T,
        goesOn: (T) -> Bool = { _ in true }
    ) throws(LedgerError) -> [T] {
        var found: [T] = []
        try each(sql, values, "read") { row throws(LedgerError) in
            guard let made = try readable(row, read) else { return true }
            found.append(made)
            return goesOn(made)
        }
        return found
    }

    /// The first row that can be read, if there is any.
    func first<T>(
        _ sql: String, _ values: [SQLValue] = [], _ read: (SQLStatement) throws(LedgerError) -> T
    ) throws(LedgerError) -> T? {
        var found: T?
        try each(sql, values, "read") { row throws(LedgerError) in
            found = try readable(row, read)
            return found == nil
        }
        return found
    }

    /// Moves what the write-ahead log holds into the file and empties the log.
    func checkpoint() throws(LedgerError) {
        let code = sqlite3_wal_checkpoint_v2(handle, nil, SQLITE_CHECKPOINT_TRUNCATE, nil, nil)
        guard code == SQLITE_OK else { throw failure("checkpoint", code) }
    }

    /// `nil` for a row that is damaged.
    private func readable<T>(
        _ row: SQLStatement, _ read: (SQLStatement) throws(LedgerError) -> T
    ) throws(LedgerError) -> T? {
        do throws(LedgerError) {
            return try read(row)
        } catch  where error.isDamage {
            hasUnreadable = true
            return nil
        } catch {
            throw error
        }
    }

    /// `read` says whether to go on.
    private func each(
        _ sql: String, _ values: [SQLValue], _ operation: String, _ read: (SQLStatement) throws(LedgerError) -> Bool
    ) throws(LedgerError) {
        let statement = try prepared(sql, operation)
        #if DEBUG
        runs += 1
        #endif
        defer { statement.reset() }
        let bound = statement.bind(values)
        guard bound == SQLITE_OK else { throw failure(operation, bound) }
        while true {
            let code = statement.step()
            if code == SQLITE_DONE { return }
            guard code == SQLITE_ROW else { throw failure(operation, code, statement.cause) }
            guard try read(statement) else { return }
        }
    }

    private func prepared(_ sql: String, _ operation: String) throws(LedgerError) -> SQLStatement {
        let text = StatementText(sql: sql)
        if let statement = statements[text] { return statement }
        var made: OpaquePointer?
        let code = sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &made, nil)
        guard code == SQLITE_OK, let made else { throw failure(operation, code) }
        let statement = SQLStatement(owning: made, parsed)
        statements[text] = statement
        return statement
    }

    /// Before anything else is asked of the handle: the words are those of its last call.
    private func failure(_ operation: String, _ code: Int32, _ seen: Int32 = 0) -> LedgerError {
        let primary = code & 0xff
        let kept = sqlite3_system_errno(handle)
        let cause = seen != 0 ? seen : kept
        let isDiskFull = primary == SQLITE_FULL || (primary == SQLITE_IOERR && [ENOSPC, EDQUOT].contains(cause))
        isDamaged = isDamaged || primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB
        let words = words(code, cause, String(cString: sqlite3_errmsg(handle)))
        return LedgerError("cannot \(operation) \(name): \(words)", isFull: isDiskFull)
    }
}

/// A statement is found by its length, and then compared: all of its text would take longer to hash than to compare.
private struct StatementText: Hashable {
    let sql: String

    func hash(into hasher: inout Hasher) { hasher.combine(sql.utf8.count) }
}

/// The system's words where SQLite has only "disk I/O error" or "unable to open database file".
private func words(_ code: Int32, _ cause: Int32, _ plain: String) -> String {
    let isVague = [SQLITE_IOERR, SQLITE_CANTOPEN].contains(code & 0xff)
    let causes = [ENOSPC, EDQUOT, EIO, EROFS, EACCES, EPERM, EFBIG, EMFILE, ENFILE]
    return isVague && causes.contains(cause) ? Errno(cause).words : plain
}
